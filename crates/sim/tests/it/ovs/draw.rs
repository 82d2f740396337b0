//! Random flows and frames, of the kinds that pipelines are made of.

use openflow::{Action, Field, Flow, FlowFilter, FlowMod, Match, Subfield, port};
use sim::ovs::{Arp, BROADCAST, Frame, Payload};
use sim::rng::Rng;

pub(crate) const PORTS: u32 = 6;
pub(crate) const MACS: [u64; 4] = [0xfa16_3e00_0001, 0xfa16_3e00_0002, 0xfa16_3e00_0003, 0x0100_5e00_0001];
const IPS: [u32; 4] = [0xc000_0201, 0xc000_0202, 0xc000_0203, 0];
const VIDS: [u16; 3] = [5, 6, 7];
const TABLES: u8 = 5;

/// Some flows in each of a few tables; no two of a table have one priority.
pub(crate) fn draw_flows(rng: &mut Rng) -> Vec<Flow> {
    let mut flows = Vec::new();
    for table in 0..TABLES {
        for priority in 0..6 {
            flows.push(draw_flow(rng, table, priority * 10));
        }
    }
    flows
}

/// A change of what is there: something new, in the place of something else perhaps, or less of it.
pub(crate) fn draw_flow_mod(rng: &mut Rng, there: &[Flow]) -> FlowMod {
    let cookie = |rng: &mut Rng| 0x10 * (1 + rng.below(3) as u64) + rng.below(2) as u64;
    let one = there.get(rng.below(there.len())).cloned();
    match (rng.below(8), one) {
        (4, Some(one)) => FlowMod::delete_strict(&one),
        (5, Some(one)) => {
            // Another of the same match, mostly: strict is about the priority too.
            FlowMod::delete_strict(&Flow { priority: 10 * u16::from(rng.slot(6)), ..one })
        }
        (6, Some(one)) => {
            let filter = FlowFilter::table(one.table).matching(one.matching);
            FlowMod::delete(if rng.next_bit() { filter.cookie(cookie(rng), 0xf0) } else { filter })
        }
        (7, Some(one)) if rng.chance(3) => {
            let filter = FlowFilter::all().cookie(one.cookie, u64::MAX);
            let port = u32::try_from(1 + rng.below(PORTS as usize)).unwrap();
            FlowMod::delete(if rng.next_bit() { filter.out_port(port) } else { filter })
        }
        (3, Some(one)) => FlowMod::add(Flow { cookie: cookie(rng), ..draw_flow(rng, one.table, one.priority) }),
        _ => {
            let (table, priority) = (rng.slot(TABLES), 10 * u16::from(rng.slot(6)));
            FlowMod::add(draw_flow(rng, table, priority).cookie(cookie(rng)))
        }
    }
}

pub(crate) fn draw_frame(rng: &mut Rng) -> (u32, Frame) {
    let in_port = u32::try_from(1 + rng.below(PORTS as usize)).unwrap();
    let ip = |rng: &mut Rng| IPS[rng.below(IPS.len())];
    let arp = Arp { op: 1 + u16::from(rng.chance(3)), sha: MACS[0], spa: ip(rng), tha: MACS[1], tpa: ip(rng) };
    let frame = Frame {
        src: MACS[rng.below(3)],
        dst: if rng.chance(4) { BROADCAST } else { MACS[rng.below(MACS.len())] },
        tag: rng.chance(2).then(|| VIDS[rng.below(VIDS.len())]),
        payload: if rng.chance(2) { Payload::Arp(arp) } else { Payload::Data },
        tunnel_id: 0,
    };
    (in_port, frame)
}

/// What a flow's actions may rely on.
#[derive(Clone, Copy, PartialEq)]
enum Tag {
    There,
    Absent,
    Unknown,
}

fn draw_flow(rng: &mut Rng, table: u8, priority: u16) -> Flow {
    let mut matching = Match::any();
    if rng.chance(3) {
        matching = matching.in_port(u32::try_from(1 + rng.below(PORTS as usize)).unwrap());
    }
    match rng.below(6) {
        0 => matching = matching.with(Field::EthDst, MACS[rng.below(MACS.len())].into()),
        1 => matching = matching.with_masked(Field::EthDst, u128::from(rng.next_bit()) << 40, 1 << 40),
        2 => matching = matching.with(Field::EthSrc, MACS[rng.below(3)].into()),
        _ => {}
    }
    let tag = match rng.below(4) {
        0 => Tag::There,
        1 => Tag::Absent,
        _ => Tag::Unknown,
    };
    match tag {
        Tag::There => matching = matching.vlan(VIDS[rng.below(VIDS.len())]),
        Tag::Absent => matching = matching.with(Field::VlanVid, 0),
        Tag::Unknown => {}
    }
    if rng.chance(5) && table > 0 {
        matching = matching.tunnel_id(rng.below(3) as u64);
    }
    let arp = rng.chance(3);
    if arp {
        matching = draw_arp(rng, matching);
    }
    let flow = Flow::new(table, priority, matching);
    let flow = match draw_actions(rng, table, tag, arp) {
        actions if actions.is_empty() => flow,
        actions => flow.apply(actions),
    };
    if table + 1 < TABLES && rng.chance(2) { flow.goto(table + 1 + rng.slot(TABLES - table - 1)) } else { flow }
}

fn draw_arp(rng: &mut Rng, matching: Match) -> Match {
    let matching = matching.arp();
    let bit = 1u128 << rng.below(3);
    match rng.below(5) {
        0 => matching.arp_op(1),
        1 => matching.arp_tpa(IPS[rng.below(IPS.len())].into()),
        2 => matching.arp_op(1).with_masked(Field::ArpSpa, bit, bit).with_masked(Field::ArpTpa, 0, bit),
        3 => matching.arp_op(1).arp_spa(IPS[rng.below(IPS.len())].into()),
        _ => matching,
    }
}

fn draw_actions(rng: &mut Rng, table: u8, mut tag: Tag, arp: bool) -> Vec<Action> {
    let mut actions = Vec::new();
    let set = |field, value| Action::SetField { field, value, mask: None };
    for _ in 0..rng.below(4) {
        match rng.below(9) {
            0..=2 => actions.push(Action::Output(u32::try_from(1 + rng.below(PORTS as usize)).unwrap())),
            3 => actions.push(Action::Output(port::IN_PORT)),
            4 if tag == Tag::There => {
                actions.push(Action::PopVlan);
                tag = Tag::Absent;
            }
            4 if tag == Tag::Absent => {
                let vid = VIDS[rng.below(VIDS.len())] | 0x1000;
                actions.extend([Action::PushVlan(0x8100), set(Field::VlanVid, vid.into())]);
                tag = Tag::There;
            }
            5 => actions.push(set(Field::TunnelId, rng.below(3) as u128)),
            6 if arp => {
                let whole = |field, bits| Subfield { field, offset: 0, bits };
                actions.push(Action::Move { src: whole(Field::ArpSpa, 32), dst: whole(Field::ArpTpa, 32) });
                actions.push(Action::Move { src: whole(Field::ArpSha, 48), dst: whole(Field::ArpTha, 48) });
                actions.push(set(Field::ArpOp, 2));
            }
            6 => actions.push(set(Field::EthDst, MACS[rng.below(3)].into())),
            7 => {
                let whole = |field| Subfield { field, offset: 0, bits: 48 };
                actions.push(Action::Move { src: whole(Field::EthSrc), dst: whole(Field::EthDst) });
            }
            // A frame that comes back may have another tag: nothing relies on it any more.
            8 if table + 1 < TABLES => {
                actions.push(Action::Resubmit { port: None, table: Some(table + 1) });
                break;
            }
            _ => {}
        }
    }
    actions
}
