//! Flows in `ovs-ofctl` syntax, for snapshots that an operator can read.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::Mac;
use openflow::{Action, Field, Flow, Instruction, LearnSource, LearnTarget, Match, port};

/// One line: table, priority, match, actions. No cookie: it has tests of its own.
pub(crate) fn line(flow: &Flow) -> String {
    let matching = matching(&flow.matching);
    let comma = if matching.is_empty() { "" } else { "," };
    format!("table={},priority={}{comma}{matching} actions={}", flow.table, flow.priority, actions(flow))
}

fn matching(matching: &Match) -> String {
    let mut parts = Vec::new();
    for (field, wanted) in &matching.0 {
        if *field == Field::EthType {
            parts.insert(0, "arp".to_owned());
            continue;
        }
        let value = if *field == Field::VlanVid { wanted.value & 0xfff } else { wanted.value };
        let mask = wanted.mask.map(|mask| format!("/{}", show(*field, mask))).unwrap_or_default();
        parts.push(format!("{}={}{mask}", name(*field), show(*field, value)));
    }
    parts.join(",")
}

fn actions(flow: &Flow) -> String {
    let mut parts = Vec::new();
    for instruction in &flow.instructions {
        match instruction {
            Instruction::Apply(actions) => parts.extend(actions.iter().map(action)),
            Instruction::GotoTable(table) => parts.push(format!("goto_table:{table}")),
            other => panic!("{other:?}"),
        }
    }
    if parts.is_empty() { "drop".to_owned() } else { parts.join(",") }
}

fn action(action: &Action) -> String {
    match action {
        Action::Output(port::NORMAL) => "NORMAL".to_owned(),
        Action::Output(port::IN_PORT) => "IN_PORT".to_owned(),
        Action::Output(number) => format!("output:{number}"),
        Action::PushVlan(ethertype) => format!("push_vlan:{ethertype:#06x}"),
        Action::PopVlan => "pop_vlan".to_owned(),
        Action::SetField { field: Field::VlanVid, value, .. } => format!("set_field:{value}->vlan_vid"),
        Action::SetField { field, value, .. } => format!("set_field:{}->{}", show(*field, *value), name(*field)),
        Action::Move { src, dst } => format!("move:{}[]->{}[]", nxm(src.field), nxm(dst.field)),
        Action::Learn(learn) => {
            let mut parts = vec![format!("table={}", learn.table), format!("hard_timeout={}", learn.hard_timeout)];
            parts.push(format!("priority={},cookie={:#x}", learn.priority, learn.cookie));
            parts.extend(learn.specs.iter().map(|spec| {
                let bits = if spec.bits == 12 { "[0..11]" } else { "[]" };
                match (&spec.source, &spec.target) {
                    (LearnSource::Field { field, .. }, LearnTarget::Match { field: to, .. }) if field == to => {
                        format!("{}{bits}", nxm(*to))
                    }
                    (LearnSource::Field { field, .. }, LearnTarget::Match { field: to, .. }) => {
                        format!("{}{bits}={}{bits}", nxm(*to), nxm(*field))
                    }
                    (LearnSource::Field { field, .. }, LearnTarget::Load { field: to, .. }) => {
                        format!("load:{}{bits}->{}{bits}", nxm(*field), nxm(*to))
                    }
                    (LearnSource::Immediate(value), LearnTarget::Load { field: to, .. }) => {
                        format!("load:{value}->{}{bits}", nxm(*to))
                    }
                    (LearnSource::Field { field, .. }, LearnTarget::Output) => format!("output:{}{bits}", nxm(*field)),
                    other => panic!("{other:?}"),
                }
            }));
            format!("learn({})", parts.join(","))
        }
        other => panic!("{other:?}"),
    }
}

fn show(field: Field, value: u128) -> String {
    match field {
        Field::EthDst | Field::EthSrc | Field::ArpSha | Field::ArpTha => {
            Mac(*value.to_be_bytes().last_chunk().unwrap()).to_string()
        }
        Field::ArpSpa | Field::ArpTpa => Ipv4Addr::from(u32::try_from(value).unwrap()).to_string(),
        Field::NdTarget => Ipv6Addr::from(value).to_string(),
        Field::TunnelId => format!("{value:#x}"),
        _ => value.to_string(),
    }
}

fn name(field: Field) -> &'static str {
    match field {
        Field::InPort => "in_port",
        Field::TunnelId => "tun_id",
        Field::EthDst => "eth_dst",
        Field::EthSrc => "eth_src",
        Field::VlanVid => "dl_vlan",
        Field::ArpOp => "arp_op",
        Field::ArpSpa => "arp_spa",
        Field::ArpTpa => "arp_tpa",
        Field::ArpSha => "arp_sha",
        Field::ArpTha => "arp_tha",
        other => panic!("{other:?}"),
    }
}

fn nxm(field: Field) -> &'static str {
    match field {
        Field::InPort => "OXM_OF_IN_PORT",
        Field::TunnelId => "NXM_NX_TUN_ID",
        Field::EthDst => "NXM_OF_ETH_DST",
        Field::EthSrc => "NXM_OF_ETH_SRC",
        Field::VlanTci => "NXM_OF_VLAN_TCI",
        Field::ArpSpa => "NXM_OF_ARP_SPA",
        Field::ArpTpa => "NXM_OF_ARP_TPA",
        Field::ArpSha => "NXM_NX_ARP_SHA",
        Field::ArpTha => "NXM_NX_ARP_THA",
        other => panic!("{other:?}"),
    }
}
