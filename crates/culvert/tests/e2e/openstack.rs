//! The real `openstack` client (python-openstackclient from PyPI) drives a server with agents on real Open vSwitch.

use std::process::Command;
use std::time::{Duration, Instant};

use lab::{ControlSpec, Lab, Vm, VmSpec};
use serde_json::Value;

use crate::support::TestLab;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/openstack-client");

/// A person makes a network, a subnet and two ports with the client; what is plugged becomes ACTIVE and reaches the other;
/// and when the client takes a port away, it does not any more.
#[tokio::test]
async fn the_openstack_client_makes_a_network_that_carries_frames() {
    // Out here, as a lab's server reaches no package index.
    assert!(Command::new(SCRIPT).arg("--install").status().unwrap().success());
    let lab = TestLab::of_two("client").await;
    lab.start_control(&ControlSpec::default()).await.unwrap();

    let agents = openstack(&lab, "network agent list").await;
    let alive = agents.as_array().unwrap().iter().filter(|agent| agent["Alive"] == true);
    let mut hosts: Vec<&str> = alive.map(|agent| agent["Host"].as_str().unwrap()).collect();
    hosts.sort_unstable();
    assert_eq!(hosts, ["compute1", "compute2"]);

    let network = openstack(&lab, "network create --provider-network-type gre n1").await;
    assert_eq!((&network["provider:network_type"], &network["mtu"]), (&"gre".into(), &1458.into()));
    openstack(&lab, "subnet create --network n1 --subnet-range 81.1.180.0/24 --no-dhcp s1").await;
    let p1 = openstack(&lab, "port create --network n1 --host compute1 p1").await;
    let p2 = openstack(&lab, "port create --network n1 --host compute2 p2").await;
    for port in [&p1, &p2] {
        assert_eq!((&port["binding_vif_type"], &port["status"]), (&"ovs".into(), &"DOWN".into()));
    }

    let vm1 = plug(&lab, "vm1", &p1, "compute1").await;
    let vm2 = plug(&lab, "vm2", &p2, "compute2").await;
    until(&lab, "both ports are ACTIVE", |ports| {
        ports.len() == 2 && ports.iter().all(|port| port["Status"] == "ACTIVE")
    })
    .await;
    let shown = openstack(&lab, "port show p2").await;
    assert_eq!((&shown["status"], &shown["binding_host_id"]), (&"ACTIVE".into(), &"compute2".into()));
    let to = vm2.address().unwrap();
    assert!(vm1.ping(to, 3).await.unwrap().is_complete());

    openstack_text(&lab, "port set --disable p2").await;
    until(&lab, "p2 is DOWN", |ports| ports.iter().any(|port| port["Name"] == "p2" && port["Status"] == "DOWN")).await;
    assert_eq!(vm1.ping(to, 2).await.unwrap().received, 0);
    openstack_text(&lab, "port set --enable p2").await;
    until(&lab, "p2 is ACTIVE again", |ports| ports.iter().all(|port| port["Status"] == "ACTIVE")).await;
    assert!(vm1.ping(to, 3).await.unwrap().is_complete());

    openstack_text(&lab, "port delete p1 p2").await;
    openstack_text(&lab, "network delete n1").await;
    assert_eq!(openstack(&lab, "network list").await, Value::Array(Vec::new()));
}

/// A VM with what the client was told of the port.
async fn plug(lab: &Lab, name: &str, port: &Value, host: &str) -> Vm {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let spec = VmSpec {
        name: name.parse().unwrap(),
        port: text(&port["id"]).parse().unwrap(),
        mac: text(&port["mac_address"]).parse().unwrap(),
        addresses: vec![format!("{}/24", text(&port["fixed_ips"][0]["ip_address"])).parse().unwrap()],
        mtu: 1458,
    };
    lab.plug(host, spec).await.unwrap()
}

/// Asks `port list` until it shows this.
async fn until(lab: &Lab, what: &str, holds: impl Fn(&[Value]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let ports = openstack(lab, "port list --long").await;
        if holds(ports.as_array().unwrap()) {
            return;
        }
        assert!(Instant::now() < deadline, "this has not come about: {what}: {ports}");
    }
}

async fn openstack(lab: &Lab, command: &str) -> Value {
    serde_json::from_str(&openstack_text(lab, &format!("{command} -f json")).await).unwrap()
}

/// A command of the client, run where the server is, which must succeed.
async fn openstack_text(lab: &Lab, command: &str) -> String {
    let output = lab.server().output(SCRIPT, command.split(' ')).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openstack {command}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
