//! What others change by hand is put right as soon as Open vSwitch tells of it; what is theirs is left alone.

use lab::Host;
use serde_json::{Value, json};

use crate::inspect::{LEARNED, rows};
use crate::observer::Pair;
use crate::overlay::until_equal;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hand_changes_is_put_right_and_what_is_others_is_left_alone() {
    let Pair { overlay, agents, network, one, two } = Pair::up("heal").await;
    let (agent, host) = (&agents[0], overlay.at("compute1"));
    host.add_flows("br-int", "cookie=0x78,table=60,priority=7,udp actions=drop").await.unwrap();
    let before = state(&host).await;
    let repaired = || agent.status()["repaired"].clone();
    assert_eq!(repaired(), json!({ "flows": 0, "tunnel_ports": 0, "ports": 0, "bridges": 0 }));
    agent.take_written();

    // What is others', on br-int and on a bridge of their own: nothing is written.
    host.add_flows("br-int", "cookie=0x79,table=61,priority=7,udp actions=drop").await.unwrap();
    host.del_flows("br-int", "table=61").await.unwrap();
    let other = "add-br br-other -- set Bridge br-other datapath_type=netdev -- set-fail-mode br-other secure";
    host.vsctl(other.split(' ')).await.unwrap();
    host.add_flows("br-other", "table=20,priority=2,dl_vlan=1 actions=drop").await.unwrap();

    let mac = two.mac;
    let unicast = format!("table=20,priority=2,dl_vlan=1,dl_dst={mac}");
    let changes: [(&str, &str, String, u64); 6] = [
        ("deleted", "br-tun", format!("--strict del-flows br-tun {unicast}"), 1),
        ("deleted", "br-int", "--strict del-flows br-int table=0,priority=65535,dl_vlan=4095".to_owned(), 1),
        ("changed", "br-tun", "mod-flows br-tun table=22,dl_vlan=1,actions=drop".to_owned(), 1),
        (
            "added",
            "br-tun",
            "add-flow br-tun table=20,priority=2,dl_vlan=1,dl_dst=fa:16:3e:99:99:99,actions=drop".into(),
            1,
        ),
        ("strange", "br-tun", "add-flow br-tun table=30,priority=9,udp,actions=drop".to_owned(), 1),
        ("all deleted", "br-tun", "del-flows br-tun".to_owned(), before.len() as u64 / 4),
    ];
    let mut flows = 0;
    for (what, bridge, ofctl, at_least) in changes {
        assert_eq!(agent.take_written(), Vec::<String>::new(), "before: {what}");
        host.ofctl(ofctl.split(' ')).await.unwrap();
        until_equal(what, async || Some((repaired()["flows"].as_u64() >= Some(flows + at_least), true))).await;
        until_equal(what, async || Some((state(&host).await, before.clone()))).await;
        agent.until_settled().await;
        let written = agent.take_written();
        assert!(
            written.len() as u64 >= at_least && written.iter().all(|line| line.starts_with(bridge)),
            "{written:#?}"
        );
        // With a row for a MAC goes what was learned while that hid it.
        assert!(at_least > 1 || written.len() <= 2, "{what}: {written:#?}");
        flows = repaired()["flows"].as_u64().unwrap();
    }
    assert!(overlay.ping(&one, &two, 2).await.0);

    host.vsctl(["del-port", "br-tun", "vxlan-0a000127"]).await.unwrap();
    until_equal("the tunnel port is back", async || Some((state(&host).await, before.clone()))).await;
    let tap = overlay.vm("vm1").unwrap().tap();
    host.vsctl(["set", "Port", &tap, "tag=77"]).await.unwrap();
    until_equal("the tag is back", async || Some((state(&host).await, before.clone()))).await;
    until_equal("both are counted", async || {
        Some(((repaired()["tunnel_ports"].clone(), repaired()["ports"].clone()), (json!(1), json!(1))))
    })
    .await;
    assert!(overlay.ping(&one, &two, 2).await.0);

    // Settings of what is ours: each is counted and named.
    let stranger = overlay.plug_vm(9, "compute1", "10.7.0.9/16", network.mtu).await.tap();
    agent.until_settled().await;
    host.vsctl(["--no-wait", "set", "Port", &stranger, "tag=78"]).await.unwrap();
    until_equal("it is isolated", async || {
        Some((
            overlay.at("compute1").vsctl(["get", "Port", &stranger, "vlan_mode"]).await.unwrap(),
            "trunk\n".to_owned(),
        ))
    })
    .await;
    agent.until_settled().await;
    let before = state(&host).await;
    let settings: [(&str, &str, String); 7] = [
        (
            "tunnel_ports",
            "options of the tunnel port",
            "set Interface vxlan-0a000127 options:df_default=false".to_owned(),
        ),
        ("ports", "the tag of", format!("set Port {stranger} tag=77 -- clear Port {stranger} vlan_mode trunks")),
        ("bridges", "patch-tun was removed", "del-port br-int patch-tun".to_owned()),
        ("bridges", "options of patch-int was changed", "set Interface patch-int options:peer=nobody".to_owned()),
        ("bridges", "fail_mode of br-tun was changed", "set-fail-mode br-tun standalone".to_owned()),
        (
            "bridges",
            "other_config of br-int was changed",
            "remove Bridge br-int other_config disable-in-band".to_owned(),
        ),
        ("bridges", "controller of br-tun was changed", "set-controller br-tun tcp:127.0.0.1:1".to_owned()),
    ];
    for (kind, said, change) in &settings {
        let times = repaired()[kind].as_u64().unwrap();
        // That it is in effect is the agent's to bring about.
        host.vsctl(["--no-wait"].into_iter().chain(change.split(' '))).await.unwrap();
        until_equal(said, async || Some((repaired()[kind].as_u64() > Some(times), true))).await;
        until_equal(said, async || Some((state(&host).await, before.clone()))).await;
        agent.until_settled().await;
        assert_eq!(repaired()[kind].as_u64(), Some(times + 1), "{said}: {}", agent.agent().log());
    }
    // What is not ours to say is left alone.
    host.vsctl(["set", "Bridge", "br-tun", "other_config:datapath-id=00000000000000aa"]).await.unwrap();
    until_equal("all is there", async || Some((state(&host).await, before.clone()))).await;
    assert!(overlay.ping(&one, &two, 2).await.0);

    let log = agent.agent().log();
    for said in ["was missing", "was changed", "was added", "no form of ours", "tunnel port", "the tag of"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    for (_, said, _) in &settings {
        assert!(log.contains(said), "{said}: {log}");
    }
    overlay.check_control().unwrap();
}

/// Flows of both bridges but for learned ones, with names for ports; tags, options and settings of bridges.
async fn state(host: &Host) -> Vec<String> {
    let mut state = rows(host, "br-int", &[]).await;
    state.extend(rows(host, "br-tun", &[]).await.into_iter().filter(|row| !row.contains(LEARNED)));
    for (table, columns) in [
        ("Port", "name,tag,vlan_mode,trunks"),
        ("Interface", "name,type,options"),
        ("Bridge", "name,fail_mode,controller,protocols"),
    ] {
        let columns = format!("--columns={columns}");
        let rows = host.vsctl(["--format=json", &columns, "list", table]).await.unwrap();
        let rows: Value = serde_json::from_str(&rows).unwrap();
        let mut rows: Vec<_> = rows["data"].as_array().unwrap().iter().map(ToString::to_string).collect();
        rows.retain(|row| !row.contains("br-other"));
        rows.sort();
        state.extend(rows);
    }
    state
}
