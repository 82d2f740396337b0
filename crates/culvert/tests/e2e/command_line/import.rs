use lab::{ControlSpec, Host};
use model::TunnelType;
use serde_json::{Value, json};

use super::typed::{from_yaml, names, texts};
use crate::overlay::Overlay;
use crate::support::TestLab;

/// On a host where others were before, each thing that is there is named with what the agent would do with it; and that is
/// what the agent then does. On a host of Culvert's own there is nothing to do.
#[tokio::test]
async fn import_says_what_the_agent_then_does() {
    let lab = TestLab::of_three("import").await;
    let host = lab.host("compute1").unwrap();
    host.vsctl(
        "add-br br-int -- set Bridge br-int datapath_type=netdev -- set-controller br-int tcp:127.0.0.1:6633 \
         -- add-br br-tun -- set Bridge br-tun datapath_type=netdev fail_mode=secure \
         -- add-br br-other -- set Bridge br-other datapath_type=netdev \
         -- add-port br-int patch-tun -- set Interface patch-tun type=patch options:peer=patch-int \
         -- add-port br-tun patch-int -- set Interface patch-int type=patch options:peer=patch-tun \
         -- add-port br-int marked tag=7 -- set Interface marked type=internal external_ids:iface-id=00000000-0000-0000-0000-000000000001 \
         -- set Port marked other_config:net_uuid=00000000-0000-0000-0000-0000000000aa other_config:network_type=gre \
            other_config:segmentation_id=6 other_config:tag=7 \
         -- add-port br-int trunk -- set Interface trunk type=internal external_ids:iface-id=00000000-0000-0000-0000-000000000002 \
         -- add-port br-int dead tag=4095 -- set Interface dead type=internal external_ids:iface-id=00000000-0000-0000-0000-000000000003 \
         -- add-port br-int vlan tag=8 -- set Interface vlan type=internal external_ids:iface-id=00000000-0000-0000-0000-000000000004 \
         -- set Port vlan other_config:net_uuid=00000000-0000-0000-0000-0000000000bb other_config:network_type=vlan \
            other_config:physical_network=physnet1 other_config:segmentation_id=123 other_config:tag=8 \
         -- add-port br-int int-br-other -- set Interface int-br-other type=patch options:peer=phy-br-other \
         -- add-port br-other phy-br-other -- set Interface phy-br-other type=patch options:peer=int-br-other \
         -- add-port br-int guest -- set Interface guest type=internal \
         -- add-port br-tun gre-0a000127 -- set Interface gre-0a000127 type=gre options:remote_ip=10.0.1.39 options:local_ip=10.0.1.31"
            .split_whitespace(),
    )
    .await
    .unwrap();
    // It has no device, so ovs-vsctl complains.
    let lost = "add-port br-int lost -- set Interface lost external_ids:iface-id=00000000-0000-0000-0000-000000000005";
    let _ = host.vsctl(lost.split_whitespace()).await;
    for (bridge, flow) in [
        ("br-tun", "cookie=0x665923fd0df86039,table=0,priority=0,actions=drop"),
        ("br-tun", "cookie=0x665923fd0df86039,table=6,priority=0,actions=drop"),
        ("br-int", "cookie=0x1234,table=60,priority=3,actions=NORMAL"),
    ] {
        host.ofctl(["add-flow", bridge, flow]).await.unwrap();
    }

    let before = import(&host).await;
    let verdicts = |list: &str, key: &str| -> Vec<(String, String)> {
        let text = |found: &Value, key: &str| found[key].as_str().unwrap().to_owned();
        before[list].as_array().unwrap().iter().map(|found| (text(found, key), text(found, "verdict"))).collect()
    };
    let expect = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, verdict)| ((*name).to_owned(), (*verdict).to_owned())).collect()
    };
    let bridges = [("br-int", "change"), ("br-other", "leave"), ("br-tun", "adopt"), ("br-ul", "leave")];
    assert_eq!(verdicts("bridges", "name"), expect(&bridges));
    assert_eq!(before["bridges"][0]["controllers"], json!(["tcp:127.0.0.1:6633"]));
    let ports = [
        ("dead", "adopt"),
        ("guest", "leave"),
        ("int-br-other", "leave"),
        ("lost", "change"),
        ("marked", "adopt"),
        ("patch-tun", "adopt"),
        ("trunk", "change"),
        ("vlan", "change"),
        ("patch-int", "adopt"),
    ];
    assert_eq!(verdicts("ports", "name"), expect(&ports));
    let networks: Vec<_> = before["networks"].as_array().unwrap().iter().map(|found| &found["verdict"]).collect();
    assert_eq!(networks, ["adopt", "remove"]);
    let beyond = before["ports"].as_array().unwrap().iter().find(|port| port["name"] == "int-br-other").unwrap();
    assert!(beyond["reason"].as_str().unwrap().starts_with("patched to br-other: "), "{beyond}");
    assert_eq!(before["tunnels"][0]["remote_ip"], "10.0.1.39");
    let flow = |before: &Value, bridge: &str, cookie: &str, verdict: &str| {
        let of = |flows: &&Value| flows["bridge"] == bridge && flows["cookie"] == cookie && flows["verdict"] == verdict;
        before["flows"].as_array().unwrap().iter().find(of).map_or(0, |flows| flows["count"].as_u64().unwrap())
    };
    assert_eq!(flow(&before, "br-tun", "0x665923fd0df86039", "change"), 1);
    assert_eq!(flow(&before, "br-tun", "0x665923fd0df86039", "remove"), 1);
    assert_eq!(before["bridges"][0]["flushed"], false);
    assert_eq!(flow(&before, "br-int", "0x1234", "remove"), 1, "what its agent left goes in the end");
    // Where nothing of the bridge is to be altered, others' flows stay.
    host.vsctl(["del-controller", "br-int", "--", "set-fail-mode", "br-int", "secure"]).await.unwrap();
    host.ofctl(["add-flow", "br-int", "cookie=0x1234,table=60,priority=3,actions=NORMAL"]).await.unwrap();
    let before = import(&host).await;
    assert_eq!(before["bridges"][0]["verdict"], "adopt");
    assert_eq!(flow(&before, "br-int", "0x1234", "leave"), 1);

    let system = printed(&host, "json", &["--datapath-type", "system"]).await;
    assert_eq!(
        system.matches("datapath becomes system, and Open vSwitch makes the bridge anew").count(),
        2,
        "{system}"
    );

    // It only looked.
    assert_eq!(import(&host).await, before);

    let overlay = Overlay::start(lab, ControlSpec::default()).await;
    let network = overlay.network(TunnelType::Gre, 1000, "81.1.180.0/24").await;
    for (vm, at, ip) in [("vm8", "compute1", "81.1.180.8"), ("vm9", "compute2", "81.1.180.9")] {
        overlay.add_vm(&network, vm, at, ip).await;
    }
    overlay.until_in_step().await;
    let after = import(&overlay.at("compute1")).await;
    let found = |list: &str, name: &str| {
        let found = after[list].as_array().unwrap().iter().find(|found| found["name"] == name);
        found.cloned().unwrap_or_default()
    };
    assert_eq!(found("bridges", "br-int")["verdict"], "adopt");
    assert_eq!(found("bridges", "br-int")["controllers"], json!([]));
    for isolated in ["trunk", "vlan", "lost"] {
        assert_eq!(found("ports", isolated)["tag"], 4095, "what {isolated} was said to become");
    }
    assert_eq!([&found("ports", "guest")["tag"], &found("ports", "dead")["tag"]], [&Value::Null, &json!(4095)]);
    assert_eq!(found("tunnels", "gre-0a000127")["verdict"], "adopt");
    let flows = after["flows"].as_array().unwrap();
    let left = |flows: &&Value| flows["cookie"] != "culvert";
    assert_eq!(flows.iter().filter(left).map(|flows| &flows["cookie"]).collect::<Vec<_>>(), [&json!("0x1234")]);
    assert!(flows.iter().filter(|flows| !left(flows)).all(|flows| flows["verdict"] == "adopt"), "{flows:?}");

    // JSON keeps the names that it has, YAML says the same, and what people are shown is in both.
    let table = printed(&host, "table", &[]).await;
    let said = texts(&after, &["bridge", "name", "network", "reason", "verdict"]);
    assert!(said.len() > 30 && said.iter().all(|text| table.contains(text)), "{table}\n{said:?}");
    assert_eq!(from_yaml(printed(&host, "yaml", &[]).await).await, json!([after]));
    let named = "bridges bridges[].controlled bridges[].controllers bridges[].datapath_type bridges[].fail_mode \
        bridges[].flushed bridges[].name bridges[].reason bridges[].verdict flows flows[].bridge flows[].cookie flows[].count \
        flows[].reason flows[].verdict networks networks[].local_vlan networks[].network networks[].physical_network \
        networks[].ports networks[].reason networks[].segmentation_id networks[].type networks[].verdict ovs_version ports \
        ports[].bridge ports[].iface_id ports[].mac ports[].name ports[].reason ports[].tag ports[].verdict tunnels \
        tunnels[].local_ip tunnels[].name tunnels[].reason tunnels[].remote_ip tunnels[].type tunnels[].verdict";
    assert_eq!(names(&after), named.split_whitespace().map(ToOwned::to_owned).collect());

    let host = overlay.at("compute2");
    let nothing = import(&host).await;
    let all = ["bridges", "networks", "ports", "tunnels", "flows"]
        .map(|list| nothing[list].as_array().unwrap().clone())
        .concat();
    assert!(all.len() > 6 && all.iter().all(|found| ["adopt", "leave"].contains(&found["verdict"].as_str().unwrap())));
    let table = printed(&host, "table", &[]).await;
    assert!(
        table.contains("TUNNEL        VERDICT  TYPE  FROM       TO") && table.contains("nothing was changed"),
        "{table}"
    );
}

async fn import(host: &Host) -> Value {
    serde_json::from_str(&printed(host, "json", &[]).await).unwrap()
}

async fn printed(host: &Host, output: &str, more: &[&str]) -> String {
    let (database, rundir) = (host.ovsdb_socket(), host.rundir().display().to_string());
    let database = format!("unix:{}", database.display());
    let command = ["import", "ovs", "--ovsdb", &database, "--ovs-rundir", &rundir];
    let command = command.into_iter().chain(["-o", output]).chain(more.iter().copied());
    host.exec(env!("CARGO_BIN_EXE_culvert"), command).await.unwrap()
}
