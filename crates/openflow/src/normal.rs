//! The one form that all spellings of a flow share, so that what Open vSwitch reads back compares equal to what was sent.
//!
//! | spellings | normal form |
//! | --- | --- |
//! | mask of all ones; mask of zero | no mask; no field |
//! | `vlan_tci=0x1001/0x1fff`, `dl_vlan=1` | `VlanVid` (and `VlanPcp` if its three bits are matched) |
//! | a 64-bit register in a match | its two 32-bit ones |
//! | `NXM_OF_IN_PORT` in a match or as `learn`'s output | the 32-bit `InPort` |
//! | `load` of a field or of part of it, `set_field` with or without a mask | `SetField`; neighbours on one field become one |
//! | outputs that follow each other, in any order | ascending |
//! | `resubmit` to the current table or port, by number or by default | `None` |
//! | instructions in any order | the order in which a switch carries them out; those without effect left out |
//! | flags of the flow-mod alone (`check_overlap`, `reset_counts`) | left out |

use std::hash::{Hash, Hasher};

use crate::field::ones;
use crate::hash::StableHasher;
use crate::{
    Action, Field, Flow, FlowKey, Instruction, Learn, LearnSource, LearnTarget, Masked, Match, Meaning, PortNo,
};
use crate::{flow_flags, port};

impl Flow {
    /// Which flow it is; see [`FlowKey`].
    pub fn key(&self) -> FlowKey {
        let mut hasher = StableHasher::new();
        (self.table, self.priority, self.matching.normalised()).hash(&mut hasher);
        FlowKey(hasher.finish())
    }

    /// What it does; see [`Meaning`]. The cookie is no part of it.
    pub fn meaning(&self) -> Meaning {
        let mut hasher = StableHasher::new();
        let flags = self.flags & flow_flags::KEPT;
        (self.idle_timeout, self.hard_timeout, flags, instructions(&self.instructions)).hash(&mut hasher);
        Meaning(hasher.finish())
    }

    /// The same flow in the normal form that [`Flow::key`] and [`Flow::meaning`] hash.
    #[must_use]
    pub fn normalised(&self) -> Flow {
        Flow {
            matching: self.matching.normalised(),
            instructions: instructions(&self.instructions),
            flags: self.flags & flow_flags::KEPT,
            ..*self
        }
    }
}

impl Match {
    /// The same match in normal form.
    #[must_use]
    pub fn normalised(&self) -> Match {
        let mut normal = Match::any();
        for (&field, &masked) in &self.0 {
            match field {
                Field::VlanTci => put_tci(&mut normal, masked),
                Field::XReg(n) => put_halves(&mut normal, n, masked),
                Field::InPortNxm => put(&mut normal, Field::InPort, wide_port(masked.value), None),
                field => put(&mut normal, field, masked.value, masked.mask),
            }
        }
        normal
    }
}

fn put(into: &mut Match, field: Field, value: u128, mask: Option<u128>) {
    let all = field.ones();
    match mask.map_or(all, |mask| mask & all) {
        0 => {}
        mask if mask == all => {
            into.0.insert(field, Masked { value: value & all, mask: None });
        }
        mask => {
            into.0.insert(field, Masked { value: value & mask, mask: Some(mask) });
        }
    }
}

/// OpenFlow 1.2 and later have the tag control field in two: id with the "present" bit, and priority. The priority can
/// be matched whole only, so a mask over some of its bits stays as it is.
fn put_tci(into: &mut Match, tci: Masked) {
    let mask = tci.mask.unwrap_or(0xffff);
    match mask >> 13 {
        0 => put(into, Field::VlanVid, tci.value, Some(mask)),
        7 => {
            put(into, Field::VlanVid, tci.value & 0x1fff, Some(mask & 0x1fff));
            // A frame without a tag has no priority: Open vSwitch drops that part of `vlan_tci=0`.
            if tci.value & 0x1fff != 0 {
                put(into, Field::VlanPcp, tci.value >> 13, None);
            }
        }
        _ => put(into, Field::VlanTci, tci.value, Some(mask)),
    }
}

fn put_halves(into: &mut Match, n: u8, masked: Masked) {
    let mask = masked.mask.unwrap_or(ones(64));
    put(into, Field::Reg(n.saturating_mul(2)), masked.value >> 32, Some(mask >> 32));
    put(into, Field::Reg(n.saturating_mul(2).saturating_add(1)), masked.value, Some(mask));
}

/// The 32-bit number of a port given by its 16-bit number: the reserved ones are at the top of either range.
fn wide_port(value: u128) -> u128 {
    let value = value & 0xffff;
    if value >= 0xff00 { value | 0xffff_0000 } else { value }
}

fn instructions(list: &[Instruction]) -> Vec<Instruction> {
    let mut normal: Vec<_> = list
        .iter()
        .filter_map(|instruction| match instruction {
            Instruction::Apply(list) => Some(Instruction::Apply(actions(list))).filter(|_| !list.is_empty()),
            Instruction::Write(list) => Some(Instruction::Write(actions(list))).filter(|_| !list.is_empty()),
            Instruction::Metadata { mask: 0, .. } => None,
            Instruction::Metadata { value, mask } => Some(Instruction::Metadata { value: value & mask, mask: *mask }),
            other => Some(other.clone()),
        })
        .collect();
    normal.sort_by_key(Instruction::rank);
    normal
}

fn actions(list: &[Action]) -> Vec<Action> {
    let mut normal: Vec<Action> = Vec::with_capacity(list.len());
    for action in list {
        let action = self::action(action);
        match (normal.last_mut(), &action) {
            (
                Some(Action::SetField { field: before, value, mask }),
                Action::SetField { field, value: then, mask: over },
            ) if before == field => {
                let over = over.unwrap_or(field.ones());
                *value = *value & !over | then;
                *mask = mask.map(|mask| mask | over).filter(|mask| *mask != field.ones());
            }
            _ => normal.push(action),
        }
    }
    for run in normal.chunk_by_mut(|a, b| output(a).is_some() && output(b).is_some()) {
        run.sort_unstable_by_key(output);
    }
    normal
}

fn output(action: &Action) -> Option<PortNo> {
    match action {
        Action::Output(port) => Some(*port),
        _ => None,
    }
}

fn action(action: &Action) -> Action {
    match action {
        Action::SetField { field, value, mask } => set(*field, *value, mask.unwrap_or(field.ones())),
        Action::Load { dst, value } => {
            let (value, mask) = (u128::from(*value), ones(dst.bits));
            let shift = u32::from(dst.offset);
            let up = |bits: u128| bits.checked_shl(shift).unwrap_or(0);
            set(dst.field, up(value & mask), up(mask))
        }
        Action::Resubmit { port, table } => Action::Resubmit {
            port: port.filter(|port| *port != port::IN_PORT),
            table: table.filter(|table| *table != u8::MAX),
        },
        Action::Learn(learn) => Action::Learn(Box::new(self::learn(learn))),
        other => other.clone(),
    }
}

fn set(field: Field, value: u128, mask: u128) -> Action {
    let mask = mask & field.ones();
    Action::SetField { field, value: value & mask, mask: Some(mask).filter(|mask| *mask != field.ones()) }
}

fn learn(learn: &Learn) -> Learn {
    let mut normal = learn.clone();
    for spec in &mut normal.specs {
        match (&mut spec.source, &spec.target) {
            (LearnSource::Immediate(value), _) => *value &= ones(spec.bits),
            (LearnSource::Field { field, offset: 0 }, LearnTarget::Output) if *field == Field::InPortNxm => {
                *field = Field::InPort;
                spec.bits = Field::InPort.bits();
            }
            _ => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subfield;

    fn meaning(actions: Vec<Action>) -> Meaning {
        Flow::new(0, 1, Match::any()).apply(actions).meaning()
    }

    fn key(matching: Match) -> FlowKey {
        Flow::new(0, 1, matching).key()
    }

    #[test]
    fn is_the_same_in_every_process() {
        let flow =
            Flow::new(20, 2, Match::any().vlan(1).tunnel_id(7)).apply([Action::PopVlan, Action::Output(3)]).goto(4);
        assert_eq!(
            (flow.key(), flow.meaning()),
            (FlowKey(1_552_180_267_012_761_213), Meaning(8_447_084_313_370_723_151))
        );
    }

    #[test]
    fn spellings_of_a_match_share_a_key() {
        let vlan = key(Match::any().vlan(1));
        assert_eq!(key(Match::any().with_masked(Field::VlanTci, 0x1001, 0x1fff)), vlan);
        assert_eq!(
            key(Match::any().with_masked(Field::VlanVid, 0x1001, 0x1fff).with_masked(Field::Reg(0), 0, 0)),
            vlan
        );
        assert_ne!(key(Match::any().vlan(2)), vlan);
        assert_ne!(key(Match::any().with_masked(Field::VlanTci, 1, 0xfff)), vlan);
        assert_eq!(key(Match::any().with(Field::VlanTci, 0)), key(Match::any().with(Field::VlanVid, 0)));
        assert_eq!(
            key(Match::any().with(Field::XReg(1), 5 << 32 | 6)),
            key(Match::any().with(Field::Reg(2), 5).with(Field::Reg(3), 6))
        );
        assert_eq!(key(Match::any().with(Field::InPortNxm, 0xfffe)), key(Match::any().in_port(port::LOCAL)));
        assert_ne!(Flow::new(1, 1, Match::any()).key(), Flow::new(0, 1, Match::any()).key());
    }

    #[test]
    fn spellings_of_actions_share_a_meaning() {
        let reg = Field::Reg(0);
        let load = |offset, bits, value| Action::Load { dst: Subfield { field: reg, offset, bits }, value };
        let whole = meaning(vec![Action::SetField { field: reg, value: 7, mask: None }]);
        assert_eq!(meaning(vec![load(0, 32, 7)]), whole);
        assert_eq!(meaning(vec![load(0, 16, 7), load(16, 16, 0)]), whole);
        assert_eq!(meaning(vec![load(0, 32, 9), load(0, 32, 7)]), whole);
        assert_ne!(meaning(vec![load(0, 16, 7)]), whole);
        let out = |ports: &[PortNo]| meaning(ports.iter().map(|port| Action::Output(*port)).collect());
        assert_eq!(out(&[1, 2, 3]), out(&[3, 1, 2]));
        assert_ne!(out(&[1, 2]), out(&[1, 2, 2]));
        let split = |a, b| meaning(vec![Action::Output(a), Action::PopVlan, Action::Output(b)]);
        assert_ne!(split(1, 2), split(2, 1));
        let resubmit = |port, table| meaning(vec![Action::Resubmit { port, table }]);
        assert_eq!(resubmit(Some(port::IN_PORT), Some(255)), resubmit(None, None));
    }

    #[test]
    fn what_differs_in_effect_differs_in_meaning() {
        let flow = Flow::new(0, 1, Match::any()).goto(3);
        let other = |change: fn(&mut Flow)| {
            let mut other = flow.clone();
            change(&mut other);
            other.meaning()
        };
        assert_eq!(other(|flow| flow.cookie = 5), flow.meaning());
        assert_eq!(other(|flow| flow.flags = flow_flags::CHECK_OVERLAP), flow.meaning());
        assert_eq!(other(|flow| flow.instructions.push(Instruction::Apply(vec![]))), flow.meaning());
        assert_ne!(other(|flow| flow.hard_timeout = 300), flow.meaning());
        assert_ne!(other(|flow| flow.flags = flow_flags::SEND_FLOW_REMOVED), flow.meaning());
        assert_ne!(other(|flow| flow.instructions.clear()), flow.meaning());
    }
}
