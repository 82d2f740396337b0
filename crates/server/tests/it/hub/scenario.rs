//! The reference scenario's steps 1 to 8, message by message: who is told what, in Neutron's form.

use serde_json::{Value, json};

use super::agent::Agent;
use super::world::{World, eventually};

const GATEWAY: &str = "10.0.1.21";
const COMPUTE1: &str = "10.0.1.31";
const COMPUTE2: &str = "10.0.1.39";

struct Scenario {
    world: World,
    tunnel_type: &'static str,
    compute1: Agent,
    compute2: Agent,
    network: Agent,
}

/// Waits until all that was to be sent has arrived, and takes what each host was told.
impl Scenario {
    async fn told(&self) -> [Vec<Value>; 3] {
        let hosts = [&self.compute1, &self.compute2, &self.network];
        for host in hosts {
            self.world.fence(host).await;
        }
        hosts.map(Agent::told)
    }

    fn fdb(&self, method: &str, network: &str, key: u32, ports: &Value) -> Value {
        let fdb = json!({"segment_id": key, "network_type": self.tunnel_type, "ports": ports});
        json!({"method": method, "fdb_entries": {network: fdb}})
    }
}

fn f() -> Value {
    json!(["00:00:00:00:00:00", "0.0.0.0"])
}

fn nothing() -> Vec<Value> {
    Vec::new()
}

#[tokio::test]
async fn steps_1_to_8_over_gre() {
    steps("gre").await;
}

#[tokio::test]
async fn steps_1_to_8_over_vxlan() {
    steps("vxlan").await;
}

async fn steps(tunnel_type: &'static str) {
    let world = World::new().await;
    let [compute1, compute2, network] = world.hosts().await;
    let a = world.network(tunnel_type, 6, "81.1.180.0/24").await;
    let gateway = world.port(&a, "network", "fa:16:3e:87:40:f3", &["81.1.180.1"]).await;
    network.plug(&gateway).await;
    world.active(&gateway).await;
    let s = Scenario { world, tunnel_type, compute1, compute2, network };
    let (world, add, remove) = (&s.world, "add_fdb_entries", "remove_fdb_entries");
    assert_eq!(s.told().await, [nothing(), nothing(), nothing()], "the gateway is alone");

    // 1: the first port on compute1
    let p8 = world.port(&a, "compute1", "fa:16:3e:b3:e7:7a", &["81.1.180.8"]).await;
    s.compute1.plug(&p8).await;
    world.active(&p8).await;
    let of_gateway = json!([f(), ["fa:16:3e:87:40:f3", "81.1.180.1"]]);
    let of_p8 = json!([f(), ["fa:16:3e:b3:e7:7a", "81.1.180.8"]]);
    let to_compute1 = vec![s.fdb(add, &a, 6, &json!({GATEWAY: of_gateway}))];
    let to_network = vec![s.fdb(add, &a, 6, &json!({COMPUTE1: of_p8}))];
    assert_eq!(s.told().await, [to_compute1, nothing(), to_network]);
    assert_eq!(s.compute2.with(|state| state.tables.len()), 0, "compute2 has no port on A");

    // 2: the first port on compute2
    let p9 = world.port(&a, "compute2", "fa:16:3e:73:49:41", &["81.1.180.9"]).await;
    s.compute2.plug(&p9).await;
    world.active(&p9).await;
    let of_p9 = json!([f(), ["fa:16:3e:73:49:41", "81.1.180.9"]]);
    let to_others = vec![s.fdb(add, &a, 6, &json!({COMPUTE2: of_p9}))];
    let to_compute2 = vec![s.fdb(add, &a, 6, &json!({GATEWAY: of_gateway, COMPUTE1: of_p8}))];
    assert_eq!(s.told().await, [to_others.clone(), to_compute2, to_others]);

    // 5: a second port on a host that has the network: no flooding entry
    let second = world.port(&a, "compute1", "fa:16:3e:00:00:0a", &["81.1.180.10"]).await;
    s.compute1.plug(&second).await;
    world.active(&second).await;
    let of_second = json!([["fa:16:3e:00:00:0a", "81.1.180.10"]]);
    let added = vec![s.fdb(add, &a, 6, &json!({COMPUTE1: of_second}))];
    assert_eq!(s.told().await, [nothing(), added.clone(), added.clone()]);

    // 6: its fixed IP changes, one is added, one removed
    let pair = |ip: &str| json!([["fa:16:3e:00:00:0a", ip]]);
    let changes = [
        (vec!["81.1.180.20"], json!({"before": pair("81.1.180.10"), "after": pair("81.1.180.20")})),
        (vec!["81.1.180.20", "81.1.180.21"], json!({"after": pair("81.1.180.21")})),
        (vec!["81.1.180.21"], json!({"before": pair("81.1.180.20")})),
        (vec!["81.1.180.10"], json!({"before": pair("81.1.180.21"), "after": pair("81.1.180.10")})),
    ];
    for (ips, sides) in changes {
        let ips: Vec<_> = ips.iter().map(|ip| json!({"ip_address": ip})).collect();
        world.set(&second, json!({"fixed_ips": ips})).await;
        let entries = json!({"chg_ip": {&a: {COMPUTE1: sides}}});
        let update = vec![json!({"method": "update_fdb_entries", "fdb_entries": entries})];
        assert_eq!(s.told().await, [nothing(), update.clone(), update]);
        assert_eq!(world.status(&second).await, "ACTIVE", "an address is no reason to leave ACTIVE");
    }

    // 7: down and up, out and in again: with another port of the network there, the flooding entry stays
    let removed = vec![s.fdb(remove, &a, 6, &json!({COMPUTE1: of_second}))];
    world.set(&second, json!({"admin_state_up": false})).await;
    assert_eq!(s.told().await, [nothing(), removed.clone(), removed.clone()]);
    world.set(&second, json!({"admin_state_up": true})).await;
    world.active(&second).await;
    assert_eq!(s.told().await, [nothing(), added.clone(), added.clone()]);
    s.compute1.unplug(&second).await;
    world.until(&second, "status", "DOWN").await;
    assert_eq!(s.told().await, [nothing(), removed.clone(), removed.clone()]);
    s.compute1.plug(&second).await;
    world.active(&second).await;
    assert_eq!(s.told().await, [nothing(), added.clone(), added]);

    // 8: it moves to compute2: for the others it is where it was, until it is unplugged there
    world.set(&second, json!({"binding:host_id": "compute2"})).await;
    assert_eq!(s.told().await, [nothing(), nothing(), nothing()]);
    s.compute1.unplug(&second).await;
    eventually("it is nowhere", || s.network.knows("fa:16:3e:00:00:0a").is_none()).await;
    assert_eq!(s.told().await, [nothing(), removed.clone(), removed]);
    s.compute2.plug(&second).await;
    world.active(&second).await;
    let added = vec![s.fdb(add, &a, 6, &json!({COMPUTE2: of_second}))];
    assert_eq!(s.told().await, [added.clone(), nothing(), added]);

    // 3: the only port on compute1 is deleted
    world.delete(&p8).await;
    let removed = vec![s.fdb(remove, &a, 6, &json!({COMPUTE1: of_p8}))];
    assert_eq!(s.told().await, [nothing(), removed.clone(), removed]);
    assert_eq!(s.compute1.with(|state| state.tables.len()), 0, "compute1 no longer has A");

    // 4: the first port of another network on compute1
    let b = world.network(tunnel_type, 4, "91.1.180.0/24").await;
    let other = json!({"network_id": b, "ip_version": 4, "cidr": "90.1.180.0/24"});
    world.create("subnet", other).await;
    for (mac, ips) in [
        ("fa:16:3e:90:e5:50", vec!["91.1.180.1"]),
        ("fa:16:3e:17:c9:26", vec!["90.1.180.1"]),
        ("fa:16:3e:69:92:30", vec!["90.1.180.3", "91.1.180.2"]),
    ] {
        let port = world.port(&b, "network", mac, &ips).await;
        s.network.plug(&port).await;
        world.active(&port).await;
    }
    assert_eq!(s.told().await, [nothing(), nothing(), nothing()]);
    let port = world.port(&b, "compute1", "fa:16:3e:00:00:0b", &["91.1.180.8"]).await;
    s.compute1.plug(&port).await;
    world.active(&port).await;
    let of_network = json!([
        f(),
        ["fa:16:3e:17:c9:26", "90.1.180.1"],
        ["fa:16:3e:69:92:30", "90.1.180.3"],
        ["fa:16:3e:69:92:30", "91.1.180.2"],
        ["fa:16:3e:90:e5:50", "91.1.180.1"],
    ]);
    let of_port = json!([f(), ["fa:16:3e:00:00:0b", "91.1.180.8"]]);
    let to_compute1 = vec![s.fdb(add, &b, 4, &json!({GATEWAY: of_network}))];
    let to_network = vec![s.fdb(add, &b, 4, &json!({COMPUTE1: of_port}))];
    assert_eq!(s.told().await, [to_compute1, nothing(), to_network]);
}
