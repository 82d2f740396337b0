//! Behaviour 4: tunnel ports come and go with the entries that need them, and nothing goes before its replacement is in.

use lab::ControlSpec;
use model::TunnelType;
use serde_json::json;

use crate::gate::Gate;
use crate::monitor::{Event, Monitor};
use crate::overlay::{Overlay, Port, until};
use crate::support::TestLab;

#[tokio::test]
async fn tunnel_ports_follow_the_entries_over_gre() {
    follow("tun_g", TunnelType::Gre, [6, 7]).await;
}

#[tokio::test]
async fn tunnel_ports_follow_the_entries_over_vxlan() {
    follow("tun_v", TunnelType::Vxlan, [1001, 1002]).await;
}

/// The tunnel to a host comes with the first entry of any network there, serves a second network too, and goes with the
/// last entry of either. The flood list gets longer and shorter, always by being replaced: it is deleted only when
/// it would be empty. When a tunnel port is deleted,
/// no flow uses it any more.
async fn follow(name: &str, tunnel_type: TunnelType, keys: [u32; 2]) {
    let (overlay, gate) = gated(name).await;
    let a = overlay.network(tunnel_type, keys[0], "81.1.180.0/24").await;
    let b = overlay.network(tunnel_type, keys[1], "91.1.180.0/24").await;
    let (to_two, to_network) = (format!("{tunnel_type}-0a000127"), format!("{tunnel_type}-0a000115"));
    overlay.add_vm(&a, "a1", "compute1", "81.1.180.8").await;
    overlay.add_vm(&b, "b1", "compute1", "91.1.180.8").await;
    assert!(overlay.switch("compute1").await.tunnels.is_empty());

    let mut monitor = Monitor::start(&overlay.at("compute1"), "br-tun").await;
    let a2 = overlay.add_vm(&a, "a2", "compute2", "81.1.180.9").await;
    let options = overlay.switch("compute1").await.tunnels[&to_two].clone();
    let expected = [
        ("df_default", "true"),
        ("in_key", "flow"),
        ("out_key", "flow"),
        ("local_ip", "10.0.1.31"),
        ("remote_ip", "10.0.1.39"),
    ];
    for (key, value) in expected {
        assert_eq!(options.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(floods(&monitor.events().await), [("ADDED".to_owned(), vec![to_two.clone()])]);

    let b2 = overlay.add_vm(&b, "b2", "compute2", "91.1.180.9").await;
    assert_eq!(overlay.switch("compute1").await.tunnel_names(), [&to_two]);
    assert_eq!(floods(&monitor.events().await), [("ADDED".to_owned(), vec![to_two.clone()])]);

    let gateway = overlay.add_vm(&a, "gw", "network", "81.1.180.1").await;
    assert_eq!(overlay.switch("compute1").await.tunnel_names(), [&to_network, &to_two]);
    assert_eq!(floods(&monitor.events().await), [("ADDED".to_owned(), vec![to_network.clone(), to_two.clone()])]);

    // The first network's last entry there goes: its flood list is shorter, the tunnel stays for the second.
    delete(&overlay, &a2).await;
    until("a's entry is gone", async || unicast(&overlay, &a2).await == 0).await;
    assert_eq!(floods(&monitor.events().await), [("ADDED".to_owned(), vec![to_network.clone()])]);
    assert_eq!(overlay.switch("compute1").await.tunnel_names(), [&to_network, &to_two]);

    // With the second network's the tunnel goes too.
    let uuid = port_uuid(&overlay, &to_two).await;
    delete(&overlay, &b2).await;
    until("the tunnel is gone", async || overlay.switch("compute1").await.tunnel_names() == [&to_network]).await;
    assert_eq!(
        floods(&monitor.events().await).iter().map(|(event, _)| event.as_str()).collect::<Vec<_>>(),
        ["DELETED"]
    );
    let flows = gate.flows_at("deletion of the tunnel port", |transaction| deletes(transaction, &uuid));
    assert!(flows.contains(&to_network) && !flows.contains(&to_two), "{flows}");

    let uuid = port_uuid(&overlay, &to_network).await;
    delete(&overlay, &gateway).await;
    until("no tunnel is left", async || overlay.switch("compute1").await.tunnels.is_empty()).await;
    let flows = gate.flows_at("deletion of the last one", |transaction| deletes(transaction, &uuid));
    assert!(flows.contains("patch-int") && !flows.contains(&to_network), "{flows}");
}

/// A port moves from compute2 to `network` while compute1's agent is away. When it comes back, the tunnel port to the new
/// host comes first, then the port's frames go there, then the flood list is replaced, then the old tunnel goes: at no
/// moment is the port unknown, or the network without a flood list.
#[tokio::test]
async fn nothing_is_removed_before_its_replacement_is_in() {
    let (overlay, gate) = gated("replace").await;
    let network = overlay.network(TunnelType::Vxlan, 1001, "81.1.180.0/24").await;
    let one = overlay.add_vm(&network, "vm1", "compute1", "81.1.180.8").await;
    let two = overlay.add_vm(&network, "vm2", "compute2", "81.1.180.9").await;
    let uuid = port_uuid(&overlay, "vxlan-0a000127").await;

    let host = overlay.at("compute1");
    host.process("agent").unwrap().unwrap().stop().await.unwrap();
    overlay.unplug("vm2").await.unwrap();
    overlay.rest.update("port", &two.id, json!({ "binding:host_id": "network" })).await.unwrap();
    let two = Port { host: "network".to_owned(), ..two };
    overlay.plug_port(&two).await;
    overlay.until_status(&two, "ACTIVE").await;

    let mut monitor = Monitor::start(&host, "br-tun").await;
    host.start_control_agent(&overlay.control).unwrap();
    until("only the new tunnel is left", async || {
        overlay.switch("compute1").await.tunnel_names() == ["vxlan-0a000115"]
    })
    .await;
    let events = monitor.events().await;
    let at = |words: [&str; 3]| {
        let found = events.iter().position(|event| words.iter().all(|word| event.contains(word)));
        found.unwrap_or_else(|| panic!("{words:?} is not among {events:#?}"))
    };
    let unicast = at(["event=ADDED", "table=20", "vxlan-0a000115"]);
    assert!(events[unicast].contains(&two.mac.to_string()));
    let flood = at(["event=ADDED", "table=22", "vxlan-0a000115"]);
    let unused = at(["event=DELETED", "table=0", "in_port=vxlan-0a000127 "]);
    assert!(unicast < unused && flood < unused, "{events:#?}");
    let shrinks = |event: &&Event| event.contains("table=22") && !event.contains("vxlan-0a000127");
    let shrunk = events.iter().position(|event| shrinks(&event)).unwrap();
    assert!(unicast < shrunk, "{events:#?}");
    let removed =
        |event: &&Event| event.contains("DELETED") && ["table=20", "table=22"].iter().any(|t| event.contains(t));
    assert_eq!(events.iter().filter(removed).count(), 0, "{events:#?}");
    let flows = gate.flows_at("deletion of the old tunnel", |transaction| deletes(transaction, &uuid));
    assert!(flows.contains("vxlan-0a000115") && !flows.contains("vxlan-0a000127"), "{flows}");
    assert!(overlay.ping(&one, &two, 1).await.0);
}

/// A lab with a gate between compute1's agent and its database.
async fn gated(name: &str) -> (Overlay, Gate) {
    let lab = TestLab::of_three(name).await;
    let gate = Gate::start(&lab.host("compute1").unwrap());
    let mut control = ControlSpec::default();
    control.hosts.insert("compute1".to_owned(), vec![format!("--ovsdb={}", gate.socket.display())]);
    (Overlay::start(lab, control).await, gate)
}

/// Of each change to a flood list, what happened and which tunnels are then in it. Open vSwitch tells a flow that takes
/// the place of another as ADDED, without a DELETED.
fn floods(events: &[Event]) -> Vec<(String, Vec<String>)> {
    let flood = |event: &Event| {
        let (head, actions) = event.split_once(" actions=").unwrap_or((event, ""));
        let what = head.strip_prefix("event=")?.split(' ').next()?.to_owned();
        let outputs = actions.split(',').filter_map(|action| action.strip_prefix("output:"));
        let mut outputs: Vec<String> = outputs.map(ToOwned::to_owned).collect();
        outputs.sort();
        head.contains(" table=22 ").then_some((what, outputs))
    };
    events.iter().filter_map(flood).collect()
}

/// How many rows compute1 has for a port's MAC.
async fn unicast(overlay: &Overlay, port: &Port) -> usize {
    let flows = overlay.switch("compute1").await.table(20);
    flows.iter().filter(|flow| flow.contains(&port.mac.to_string())).count()
}

async fn delete(overlay: &Overlay, port: &Port) {
    overlay.rest.delete("port", &port.id).await.unwrap();
    overlay.unplug(&port.vm).await.unwrap();
}

async fn port_uuid(overlay: &Overlay, name: &str) -> String {
    overlay.at("compute1").vsctl(["get", "Port", name, "_uuid"]).await.unwrap().trim().to_owned()
}

/// Whether a transaction takes this port off its bridge (RFC 7047 section 5.1: a mutation that deletes).
fn deletes(transaction: &str, port: &str) -> bool {
    transaction.contains("\"delete\"") && transaction.contains(port)
}
