//! Invariant 1: a change costs nothing to a host that has no port on the network.

use std::collections::BTreeMap;

use serde_json::json;

use super::agent::Agent;
use super::proxy::Proxy;
use super::world::World;

#[tokio::test]
async fn a_host_without_a_port_on_the_network_gets_not_one_byte_about_it() {
    let world = World::new().await;
    let server = world.server().agents();
    let (mut compute1, mut compute2) = (Agent::new("compute1", "10.0.1.31"), Agent::new("compute2", "10.0.1.39"));
    let mut network = Agent::new("network", "10.0.1.21");
    let proxy = Proxy::before(server).await;
    compute1.connect(server).await;
    compute2.connect(proxy.address).await;
    network.connect(server).await;

    // What the fence itself costs, which is the same each time.
    world.fence(&compute2).await;
    let before = proxy.bytes();
    world.fence(&compute2).await;
    let fence = proxy.bytes() - before;
    assert!(fence > 0, "the proxy sees what passes");
    let quiet = proxy.bytes();

    let a = world.network("gre", 6, "81.1.180.0/24").await;
    let gateway = world.port(&a, "network", "fa:16:3e:87:40:f3", &["81.1.180.1"]).await;
    network.plug(&gateway).await;
    let mut ports = Vec::new();
    for n in 10..30 {
        let port = world.port(&a, "compute1", &format!("fa:16:3e:00:00:{n}"), &[&format!("81.1.180.{n}")]).await;
        compute1.plug(&port).await;
        ports.push(port);
    }
    for port in &ports {
        world.active(port).await;
    }
    world.set(&ports[0], json!({"fixed_ips": [{"ip_address": "81.1.180.99"}]})).await;
    world.set(&ports[1], json!({"admin_state_up": false})).await;
    compute1.unplug(&ports[2]).await;
    world.until(&ports[2], "status", "DOWN").await;
    world.delete(&ports[3]).await;
    world.fence(&network).await;
    assert_eq!(network.with(|state| state.tables.values().map(BTreeMap::len).sum::<usize>()), 17);

    // After the fence nothing can be under way any more.
    world.fence(&compute2).await;
    assert_eq!(proxy.bytes() - quiet, fence, "bytes to compute2 beside the fence's own");

    // The control: with a port of the network it gets all of it.
    let port = world.port(&a, "compute2", "fa:16:3e:73:49:41", &["81.1.180.9"]).await;
    let before = proxy.bytes();
    compute2.plug(&port).await;
    world.active(&port).await;
    assert!(proxy.bytes() - before > 17 * 30, "a snapshot of 17 entries");
    assert_eq!(compute2.knows("fa:16:3e:87:40:f3").as_deref(), Some("10.0.1.21"));
}
