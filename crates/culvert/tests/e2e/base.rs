//! Behaviour 1: what an agent makes of an Open vSwitch, and what it leaves alone.

use std::collections::BTreeMap;

use lab::{ControlSpec, Host, VmSpec};
use model::{Mac, PortId, TunnelType};
use serde_json::Value;
use uuid::Uuid;

use crate::overlay::Overlay;
use crate::support::TestLab;
use crate::switch::{map, rows};

/// With a GRE and a VXLAN network at once, each table of `br-tun` holds what the design says, no more and no less.
#[tokio::test]
async fn base_bridges_have_the_tables_of_the_design() {
    let overlay = Overlay::up("base", ControlSpec::default()).await;
    for host in overlay.hosts() {
        let bridges = rows(&host, "Bridge", "name,fail_mode,controller").await;
        for bridge in bridges.iter().filter(|bridge| bridge["name"] != "br-ul") {
            assert_eq!(
                (&bridge["fail_mode"], bridge["controller"][1].as_array().map(Vec::len)),
                (&"secure".into(), Some(0))
            );
        }
        let interfaces = rows(&host, "Interface", "name,type,options").await;
        let peer = |name: &str| {
            let patch = interfaces.iter().find(|interface| interface["name"] == name && interface["type"] == "patch");
            map(&patch.unwrap()["options"])["peer"].clone()
        };
        assert_eq!((peer("patch-tun"), peer("patch-int")), ("patch-int".to_owned(), "patch-tun".to_owned()));
    }

    let gre = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let vxlan = overlay.network(TunnelType::Vxlan, 1001, "91.1.180.0/24").await;
    for (network, name, subnet) in [(&gre, "gre", "81.1.180"), (&vxlan, "vxlan", "91.1.180")] {
        overlay.add_vm(network, &format!("{name}1"), "compute1", &format!("{subnet}.8")).await;
        overlay.add_vm(network, &format!("{name}2"), "compute2", &format!("{subnet}.9")).await;
    }
    let switch = overlay.switch("compute1").await;
    let [gre, vxlan] = [&gre.id, &vxlan.id].map(|network| 0x1000 | switch.vlan(network).unwrap());
    let tables: [(u8, &[&str]); 7] = [
        (
            0,
            &[
                "priority=1,in_port=patch-int actions=goto_table:2",
                "priority=1,in_port=gre-0a000127 actions=goto_table:3",
                "priority=1,in_port=vxlan-0a000127 actions=goto_table:4",
                "priority=0 actions=drop",
            ],
        ),
        (
            2,
            &[
                "table=2,priority=1,arp,dl_dst=ff:ff:ff:ff:ff:ff actions=goto_table:18",
                "table=2,priority=0,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00 actions=goto_table:20",
                "table=2,priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=goto_table:22",
            ],
        ),
        (
            3,
            &[
                &format!(
                    "table=3,priority=1,tun_id=6 actions=push_vlan:0x8100,set_field:{gre}->vlan_vid,goto_table:10"
                ),
                "table=3,priority=0 actions=drop",
            ],
        ),
        (
            4,
            &[
                &format!(
                    "table=4,priority=1,tun_id=1001 actions=push_vlan:0x8100,set_field:{vxlan}->vlan_vid,goto_table:10"
                ),
                "table=4,priority=0 actions=drop",
            ],
        ),
        (
            10,
            &["table=10,priority=1 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0xc01f0b0000000000,\
               NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],\
               load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:OXM_OF_IN_PORT[]),output:patch-int"],
        ),
        (6, &[]),
        (30, &[]),
    ];
    for (table, flows) in tables {
        assert_eq!(switch.table(table), switch.meaning(flows), "table {table}");
    }
    for last in [
        "table=18,priority=0 actions=goto_table:22",
        "table=20,priority=0 actions=goto_table:22",
        "table=21,priority=0 actions=goto_table:22",
        "table=22,priority=0 actions=drop",
    ] {
        let last = switch.meaning([last]);
        assert!(
            switch.flows.iter().map(|flow| flow.table).any(|table| last.is_subset(&switch.table(table))),
            "{last:?}"
        );
    }
}

/// Somebody has a bridge of his own, ports of his own on `br-int`, and flows on both. After the agent has come and has
/// wired a port, all that is as it was, and his ports reach each other.
#[tokio::test]
async fn ports_and_bridges_of_others_are_left_alone() {
    let lab = TestLab::of_three("others").await;
    let host = lab.host("compute1").unwrap();
    for number in [1, 2] {
        let spec = VmSpec {
            name: format!("other{number}").parse().unwrap(),
            port: PortId(Uuid::new_v4()),
            mac: Mac([0xfa, 0x16, 0x3e, 0, 1, number]),
            addresses: vec![format!("10.9.9.{number}/24").parse().unwrap()],
            mtu: 1400,
        };
        let tap = lab.plug("compute1", spec).await.unwrap().tap();
        let not_ours = ["--", "remove", "Interface", &tap, "external_ids", "iface-id"];
        host.vsctl(["set", "Port", &tap, "tag=77"].into_iter().chain(not_ours)).await.unwrap();
    }
    let bridge = "add-br br-other -- set Bridge br-other datapath_type=netdev other_config:mine=yes \
        -- add-port br-other other0 tag=5 -- set Interface other0 type=internal";
    host.vsctl(bridge.split_whitespace()).await.unwrap();
    host.add_flows("br-other", "cookie=0x77,priority=7,udp actions=drop").await.unwrap();
    host.add_flows("br-int", "cookie=0x78,table=60,priority=7,udp actions=drop").await.unwrap();

    let before = state(&host).await;
    let overlay = Overlay::start(lab, ControlSpec::default()).await;
    let network = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let one = overlay.add_vm(&network, "vm1", "compute1", "81.1.180.8").await;
    let two = overlay.add_vm(&network, "vm2", "compute2", "81.1.180.9").await;
    assert!(overlay.ping(&one, &two, 1).await.0);

    let after = state(&host).await;
    for (what, was) in &before {
        if what != "Bridge br-int" {
            assert_eq!(after.get(what), Some(was), "{what}");
        }
    }
    assert_ne!(after["Bridge br-int"], before["Bridge br-int"], "what the agent changed shows in such a comparison");
    let other = overlay.vm("other1").unwrap();
    assert!(other.ping("10.9.9.2".parse().unwrap(), 2).await.unwrap().is_complete());
}

/// Rows of the database by table and name, and flows by bridge and cookie; not what Open vSwitch counts or measures.
async fn state(host: &Host) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for (table, columns) in [
        ("Bridge", "name,ports,controller,fail_mode,datapath_type,other_config,external_ids"),
        ("Port", "name,tag,trunks,vlan_mode,interfaces,other_config,external_ids"),
        ("Interface", "name,type,options,ofport,external_ids,other_config"),
        ("Open_vSwitch", "external_ids,other_config,manager_options"),
    ] {
        for row in rows(host, table, columns).await {
            let name = row["name"].as_str().unwrap_or_default();
            state.insert(format!("{table} {name}"), Value::to_string(&row));
        }
    }
    for (bridge, cookie) in [("br-other", "0x77"), ("br-int", "0x78")] {
        let flows = host.ofctl(["--no-stats", "dump-flows", bridge, &format!("cookie={cookie}/-1")]).await.unwrap();
        assert!(flows.contains("udp"), "there is something to keep: {flows}");
        state.insert(format!("flows of {bridge}"), flows);
    }
    state
}
