//! The operator's command line, typed at a real server.

mod import;
mod objects;
mod output;
mod pages;
mod typed;
mod usage;
mod watch;

use lab::ControlSpec;
use serde_json::{Value, json};

use crate::overlay::{Overlay, until};
use crate::support::TestLab;
use output::says_the_same;
use typed::Typed;

/// Without the OpenStack client, from nothing to two VMs that reach each other, and back to nothing.
#[tokio::test]
async fn a_network_is_made_by_typing_and_carries_frames() {
    let overlay = Overlay::up("typing", ControlSpec::default()).await;
    let culvert = Typed::at(&overlay);
    let hosts = culvert.json("host list --alive").await;
    let names: Vec<&str> = hosts.as_array().unwrap().iter().map(|host| host["host"].as_str().unwrap()).collect();
    assert_eq!(names, ["compute1", "compute2", "network"]);
    output::fits_terminals(&culvert, &["host list", "host show compute1", "status"]).await;

    culvert.ok("network create n1 --type gre").await;
    culvert.ok("subnet create s1 --network n1 --cidr 81.1.180.0/24 --no-dhcp").await;
    let mut vms = Vec::new();
    for (name, host) in [("p1", "compute1"), ("p2", "compute2")] {
        let port = culvert.json(&format!("port create {name} --network n1 --host {host}")).await;
        assert_eq!((&port["binding:vif_type"], &port["status"]), (&"ovs".into(), &"DOWN".into()));
        vms.push(plug(&overlay, name, host, &port).await);
    }
    // What --wait waits for: said by the very command that returns.
    for name in ["p1", "p2"] {
        let port = culvert.json(&format!("port set {name} --description waited --wait=30")).await;
        assert_eq!(port["status"], "ACTIVE");
    }
    let id = culvert.ids("port list --name p2").await.remove(0);
    let confirmed = culvert.json(&format!("wait --port {id}")).await;
    let hosts: Vec<_> =
        confirmed["hosts"].as_array().unwrap().iter().map(|host| (&host["host"], &host["state"])).collect();
    let both = [(&"compute1".into(), &"confirmed".into()), (&"compute2".into(), &"confirmed".into())];
    assert_eq!((&confirmed["propagated"], &hosts[..]), (&true.into(), &both[..]));
    let named = "hosts hosts[].confirmed hosts[].host hosts[].reason hosts[].state network port propagated published status \
        unpublished";
    says_the_same(&culvert, "wait --port p2", named, &["host", "state"]).await;
    let none = culvert.fails("wait --port none", 3).await;
    assert!(none.contains("there is no port none") && none.contains("culvert port list"), "{none}");
    let explain = "explain drop --host compute1 --tunnel vxlan --key 6";
    let outside = culvert.fails(&format!("{explain}0000000"), 2).await;
    assert!(outside.contains("keys run from 1 to 16777215"), "{outside}");
    says_the_same(&culvert, explain, "explanation", &["explanation"]).await;
    let named = "hosts hosts[].alive hosts[].connected hosts[].endpoint hosts[].lag hosts[].name hosts[].networks \
        hosts[].problems hosts[].revision hosts[].software hosts[].tunnel_types networks networks[].hosts networks[].id \
        networks[].mtu networks[].name networks[].ports networks[].segment networks[].segment.key \
        networks[].segment.tunnel_type ports ports[].admin_up ports[].host ports[].id ports[].ips ports[].mac ports[].name \
        ports[].network ports[].plugged ports[].problems ports[].status ports[].vif_type ports[].wired server server.epoch \
        server.revision server.software";
    says_the_same(&culvert, "status", named, &["endpoint", "id", "mac", "name", "status"]).await;
    let to = vms[1].address().unwrap();
    assert!(vms[0].ping(to, 3).await.unwrap().is_complete());
    assert_eq!(culvert.ids("port list --status ACTIVE --network n1").await.len(), 2);

    let late = culvert.fails("port create p3 --network n1 --host compute1 --wait=0", 6).await;
    assert!(late.contains("is DOWN and not ACTIVE after 0 s (binding: ovs)"), "{late}");

    let id = culvert.ids("port list --name p3").await.remove(0);
    let late = culvert.fails(&format!("wait --port {id} --timeout 0"), 6).await;
    assert!(late.contains("no interface with its id is plugged on compute1"), "{late}");

    culvert.ok("port set p2 --disable").await;
    until("p2 is DOWN", async || culvert.ids("port list --status DOWN --name p2").await.len() == 1).await;
    assert_eq!(vms[0].ping(to, 2).await.unwrap().received, 0);

    // A program is told what is gone, people are not.
    let ports = [culvert.ids("port list --name p2").await, culvert.ids("port list --name p1").await].concat();
    assert_eq!(culvert.yaml_and_json("network list --name none").await, json!([]));
    assert_eq!(culvert.json("port delete p2 p1").await, json!(ports));
    assert_eq!(culvert.ok("port delete p3").await, "");
    culvert.ok("network delete n1").await;
    for noun in ["port", "subnet", "network"] {
        assert_eq!(culvert.json(&format!("{noun} list")).await, Value::Array(Vec::new()), "{noun}");
    }
}

async fn plug(lab: &TestLab, name: &str, host: &str, port: &Value) -> lab::Vm {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let spec = lab::VmSpec {
        name: name.parse().unwrap(),
        port: text(&port["id"]).parse().unwrap(),
        mac: text(&port["mac_address"]).parse().unwrap(),
        addresses: vec![format!("{}/24", text(&port["fixed_ips"][0]["ip_address"])).parse().unwrap()],
        mtu: 1458,
    };
    lab.plug(host, spec).await.unwrap()
}
