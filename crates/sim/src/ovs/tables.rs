//! The flow tables of a bridge, and the flow-mods that change them (OpenFlow 1.3.5 section 6.4).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use openflow::{Action, Command, Field, Flow, FlowKey, FlowMod, Instruction, Match};

use super::frame::Frame;

/// Simulated time, in seconds.
pub type Seconds = u64;

#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By table, then from the highest priority.
    flows: BTreeMap<(u8, Reverse<u16>, FlowKey), Stored>,
}

#[derive(Debug, Clone)]
struct Stored {
    flow: Flow,
    /// The match, as a list: it is asked far more often than it changes.
    matching: Vec<(Field, u128, u128)>,
    expires: Option<Seconds>,
}

/// What a flow-mod did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Changed,
    /// The very flow was there already.
    Redundant,
    /// There was nothing to remove.
    Nothing,
}

impl Tables {
    /// The flow that takes the frame in a table.
    pub fn lookup(&self, table: u8, frame: &Frame, in_port: u32) -> Option<&Flow> {
        let of_table = (table, Reverse(u16::MAX), FlowKey(0))..=(table, Reverse(0), FlowKey(u64::MAX));
        let takes = |stored: &&Stored| {
            let meets = |(field, value, mask): &(Field, u128, u128)| {
                frame.get(*field, in_port).is_some_and(|found| found & mask == *value)
            };
            stored.matching.iter().all(meets)
        };
        self.flows.range(of_table).map(|(_, stored)| stored).find(takes).map(|stored| &stored.flow)
    }

    pub fn apply(&mut self, flow_mod: &FlowMod, now: Seconds) -> Effect {
        let FlowMod { command, flow, cookie_mask, out_port } = flow_mod;
        let key = (flow.table, Reverse(flow.priority), flow.key());
        match command {
            Command::Add => self.add(flow.clone(), now),
            Command::Modify | Command::ModifyStrict => match self.flows.get_mut(&key) {
                Some(stored) => {
                    stored.flow.instructions.clone_from(&flow.instructions);
                    Effect::Changed
                }
                None => Effect::Nothing,
            },
            Command::DeleteStrict => self.flows.remove(&key).map_or(Effect::Nothing, |_| Effect::Changed),
            Command::Delete => {
                let before = self.flows.len();
                let filter = flow.matching.normalised();
                self.flows.retain(|(table, ..), there| {
                    let meant = [u8::MAX, *table].contains(&flow.table)
                        && (there.flow.cookie ^ flow.cookie) & cookie_mask == 0
                        && out_port.is_none_or(|port| outputs_to(&there.flow, port))
                        && is_within(&there.flow.matching.normalised(), &filter);
                    !meant
                });
                if self.flows.len() == before { Effect::Nothing } else { Effect::Changed }
            }
        }
    }

    /// Adds a flow, in place of one with the same table, priority and match.
    pub fn add(&mut self, flow: Flow, now: Seconds) -> Effect {
        let normal = flow.matching.normalised();
        let matching = normal.0.iter().map(|(field, masked)| (*field, masked.value, masked.mask.unwrap_or(u128::MAX)));
        let key = (flow.table, Reverse(flow.priority), flow.key());
        let expires = (flow.hard_timeout > 0).then(|| now + Seconds::from(flow.hard_timeout));
        let stored = Stored { matching: matching.collect(), flow, expires };
        let (meaning, cookie) = (stored.flow.meaning(), stored.flow.cookie);
        match self.flows.insert(key, stored) {
            Some(old) if old.flow.meaning() == meaning && old.flow.cookie == cookie => Effect::Redundant,
            _ => Effect::Changed,
        }
    }

    /// Time has passed.
    pub fn expire(&mut self, now: Seconds) {
        self.flows.retain(|_, stored| stored.expires.is_none_or(|expires| expires > now));
    }

    pub fn clear(&mut self) {
        self.flows.clear();
    }

    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.flows.values().map(|stored| &stored.flow)
    }
}

fn outputs_to(flow: &Flow, port: u32) -> bool {
    flow.instructions.iter().any(|instruction| match instruction {
        Instruction::Apply(actions) => actions.contains(&Action::Output(port)),
        _ => false,
    })
}

/// Whether `narrow` matches only what `wide` does.
fn is_within(narrow: &Match, wide: &Match) -> bool {
    wide.0.iter().all(|(field, asked)| {
        let mask = asked.mask.unwrap_or(u128::MAX);
        narrow.0.get(field).is_some_and(|there| {
            let own = there.mask.unwrap_or(u128::MAX);
            own & mask == mask && there.value & mask == asked.value
        })
    })
}
