//! Flows in the syntax of `ovs-ofctl` (ovs-ofctl(8), ovs-fields(7), ovs-actions(7)), both ways.
//!
//! What is printed here, `ovs-ofctl add-flow` takes; what `ovs-ofctl dump-flows` prints of the fields and actions that
//! this crate knows, is read here. What it does not know is printed in words of its own: `opaque(HEX)` for an action,
//! `opaque_instruction(HEX)`, `oxm-CLASS-NUMBER-BYTES-EXPERIMENTER` (in hex) for a field.

mod action;
mod learn;
mod matching;
mod print;
mod value;

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::{Flow, Match, flow_flags};

impl FromStr for Flow {
    type Err = Error;

    /// Reads one line of a dump, or what `ovs-ofctl add-flow` takes; counters and ages are skipped. A flow without a
    /// priority gets 32768, as with `ovs-ofctl`. Ports are numbers or the names of the reserved ones.
    fn from_str(text: &str) -> Result<Flow> {
        let (head, actions) = text
            .split_once("actions=")
            .ok_or_else(|| Error::text("a flow (it has no `actions=`; `actions=drop` drops)", text))?;
        let mut flow = Flow::new(0, 0x8000, Match::any());
        let mut fields = matching::Builder::default();
        for word in head.split([',', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()) {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if !set_property(&mut flow, key, value)? {
                fields.add(key, value)?;
            }
        }
        flow.matching = fields.build()?;
        flow.instructions = action::instructions(actions.trim(), &flow.matching)?;
        Ok(flow)
    }
}

/// What a flow has beside its match; false if `key` is none of it.
fn set_property(flow: &mut Flow, key: &str, value: &str) -> Result<bool> {
    let flag = match key {
        "send_flow_rem" => flow_flags::SEND_FLOW_REMOVED,
        "check_overlap" => flow_flags::CHECK_OVERLAP,
        "reset_counts" => flow_flags::RESET_COUNTS,
        "no_packet_counts" => flow_flags::NO_PACKET_COUNTS,
        "no_byte_counts" => flow_flags::NO_BYTE_COUNTS,
        _ => 0,
    };
    flow.flags |= flag;
    match key {
        "table" => flow.table = value::number(value)?,
        "priority" => flow.priority = value::number(value)?,
        "cookie" => flow.cookie = value::number(value)?,
        "idle_timeout" => flow.idle_timeout = value::number(value)?,
        "hard_timeout" => flow.hard_timeout = value::number(value)?,
        "duration" | "n_packets" | "n_bytes" | "idle_age" | "hard_age" | "importance" => {}
        _ => return Ok(flag != 0),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        text.parse::<Flow>().unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn prints_what_it_read() {
        for text in [
            "priority=0 actions=drop",
            "cookie=0x5, table=20, priority=2,dl_vlan=1,dl_dst=fa:16:3e:06:24:bb actions=pop_vlan,set_field:0x1c9->tun_id,output:2",
            "table=2, priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=goto_table:22",
            "table=24, priority=2,icmp6,in_port=3,icmp_type=136,nd_target=fe80::1 actions=goto_table:59",
            "table=20, hard_timeout=300, priority=1,vlan_tci=0x0001/0x0fff actions=load:0->NXM_OF_VLAN_TCI[],NORMAL",
            "send_flow_rem, priority=1,tcp,nw_src=10.0.0.0/8,nw_tos=16,tcp_dst=80 actions=resubmit(,4),IN_PORT",
            "priority=1,reg0=0x3/0xff,metadata=0x1,in_port=LOCAL actions=move:NXM_NX_REG0[3..5]->NXM_NX_REG1[0..2],load:0x1->NXM_NX_REG2[4]",
            "priority=1,udp6,ipv6_src=fe80::/64,udp_src=3 actions=clear_actions,write_actions(output:1),write_metadata:0x3/0x7,goto_table:4",
            "priority=1 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0x5,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:OXM_OF_IN_PORT[]),output:1",
            "priority=1 actions=opaque(0016000800000003),opaque_instruction(0007000800000003)",
        ] {
            assert_eq!(again(text), text);
        }
    }

    #[test]
    fn reads_older_spellings() {
        for (old, new) in [
            (
                "dl_vlan=2,dl_dst=fa:16:3e:87:40:f3 actions=strip_vlan,set_tunnel:0x6,output:4",
                "priority=32768,dl_vlan=2,dl_dst=fa:16:3e:87:40:f3 actions=pop_vlan,set_field:0x6->tun_id,output:4",
            ),
            ("vlan_tci=0x1005/0x1fff actions=3", "priority=32768,dl_vlan=5 actions=output:3"),
            ("dl_vlan=0xffff actions=drop", "priority=32768,vlan_tci=0x0000/0x1fff actions=drop"),
            ("dl_type=0x806,arp_op=1 actions=local", "priority=32768,arp,arp_op=1 actions=LOCAL"),
            ("dl_vlan=1,actions=mod_vlan_vid:3", "priority=32768,dl_vlan=1 actions=set_field:4099->vlan_vid"),
        ] {
            assert_eq!(again(old), new);
        }
    }

    #[test]
    fn says_what_it_cannot_read() {
        for (text, part) in [
            ("priority=1", "actions="),
            ("priority=x actions=drop", "\"x\""),
            ("nonsense=1 actions=drop", "\"nonsense\""),
            ("dl_dst=1:2 actions=drop", "\"1:2\""),
            ("arp actions=frobnicate", "\"frobnicate\""),
            ("arp actions=learn(table=1,", "learn(table=1"),
            ("arp actions=load:1->NXM_OF_NOPE[]", "NXM_OF_NOPE"),
            ("arp actions=load:1->NXM_NX_REG0[30..40]", "30..40"),
        ] {
            let error = text.parse::<Flow>().unwrap_err().to_string();
            assert!(error.contains(part) || error.contains(&part.replace('"', "")), "{text}: {error}");
        }
    }
}
