//! Behaviour 8: port life as REST shows it.

use serde_json::json;

use super::agent::Agent;
use super::world::{World, eventually};

const MAC: &str = "fa:16:3e:b3:e7:7a";

/// compute1 and `network`, where the gateway of a GRE network is; returns the network's id too.
async fn two_hosts(world: &World) -> (Agent, Agent, String) {
    let [compute1, _, network] = world.hosts().await;
    let a = world.network("gre", 6, "81.1.180.0/24").await;
    let gateway = world.port(&a, "network", "fa:16:3e:87:40:f3", &["81.1.180.1"]).await;
    network.plug(&gateway).await;
    world.active(&gateway).await;
    (compute1, network, a)
}

#[tokio::test]
async fn down_then_build_until_the_others_know_then_active() {
    let world = World::new().await;
    let (compute1, network, a) = two_hosts(&world).await;
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    assert_eq!(world.status(&port).await, "DOWN");

    network.lag();
    compute1.plug(&port).await;
    world.until(&port, "status", "BUILD").await;
    let published = || network.knows(MAC).as_deref() == Some("10.0.1.31");
    eventually("published once it is wired", published).await;
    world.fence(&compute1).await;
    assert_eq!(world.status(&port).await, "BUILD", "`network` has not confirmed");

    network.catch_up().await;
    world.active(&port).await;
}

#[tokio::test]
async fn administratively_down_and_up() {
    let world = World::new().await;
    let (compute1, network, a) = two_hosts(&world).await;
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    world.active(&port).await;

    world.set(&port, json!({"admin_state_up": false})).await;
    assert_eq!(world.status(&port).await, "DOWN");
    world.fence(&compute1).await;
    assert_eq!(compute1.isolated(&port).as_deref(), Some("administratively down"));
    world.fence(&network).await;
    assert_eq!(network.knows(MAC), None);

    world.set(&port, json!({"admin_state_up": true})).await;
    world.active(&port).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.31"));
}

#[tokio::test]
async fn unplugged_and_plugged_again() {
    let world = World::new().await;
    let (compute1, network, a) = two_hosts(&world).await;
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    world.active(&port).await;

    compute1.unplug(&port).await;
    world.until(&port, "status", "DOWN").await;
    world.fence(&network).await;
    assert_eq!(network.knows(MAC), None);

    compute1.plug(&port).await;
    world.active(&port).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.31"));
}

#[tokio::test]
async fn deleted_while_plugged_and_unplugged_after() {
    let world = World::new().await;
    let (compute1, network, a) = two_hosts(&world).await;
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    world.active(&port).await;

    world.delete(&port).await;
    world.fence(&network).await;
    assert_eq!(network.knows(MAC), None);
    world.fence(&compute1).await;
    assert_eq!(compute1.isolated(&port).as_deref(), Some("no port has this id"));
    compute1.unplug(&port).await;

    // The control: the address is free again, and a new port under it lives.
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    world.active(&port).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.31"));
}

#[tokio::test]
async fn the_interface_may_appear_before_the_port_is_made_or_bound() {
    let world = World::new().await;
    let (compute1, network, a) = two_hosts(&world).await;
    let port = "0f9e2c1a-5b1d-4c3e-9a77-0123456789ab";
    compute1.plug(port).await;
    world.fence(&compute1).await;
    assert_eq!(compute1.isolated(port).as_deref(), Some("no port has this id"));

    // The API chooses ids, so the port is made in the database, by another than the server: it hears of that with its own
    // next commit.
    world.port_in_the_database(port, &a, MAC, "81.1.180.8").await;
    world.network("vxlan", 6, "81.1.181.0/24").await;
    let made = || compute1.isolated(port).is_some_and(|reason| reason.contains("not bound"));
    eventually("the host hears that there is a port, not bound", made).await;
    assert_eq!(world.status(port).await, "DOWN");

    world.set(port, json!({"binding:host_id": "compute1"})).await;
    world.active(port).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.31"));
}

#[tokio::test]
async fn plugged_here_and_bound_elsewhere_is_kept_apart_and_shown() {
    let world = World::new().await;
    let (compute1, network, a) = two_hosts(&world).await;
    let port = world.port(&a, "compute2", MAC, &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    world.fence(&compute1).await;
    assert_eq!(compute1.isolated(&port).as_deref(), Some("bound to compute2"));
    assert_eq!(world.status(&port).await, "DOWN");
    world.fence(&network).await;
    assert_eq!(network.knows(MAC), None);
    let (_, status) = world.admin(reqwest::Method::GET, "/status", None).await;
    let shown = status["ports"].as_array().unwrap().iter().find(|shown| shown["id"] == port.as_str()).unwrap();
    assert_eq!(shown["plugged"], json!(["compute1"]));
    assert_eq!(shown["problems"], json!([{"about": "compute1", "reason": "bound to compute2"}]));
}

#[tokio::test]
async fn a_host_that_comes_later_gets_its_ports_bound_by_itself() {
    let world = World::new().await;
    let (_compute1, network, a) = two_hosts(&world).await;
    let port = world.port(&a, "compute9", MAC, &["81.1.180.8"]).await;
    assert_eq!(world.show(&port).await["binding:vif_type"], "binding_failed");
    assert_eq!(world.status(&port).await, "DOWN");

    let mut compute9 = Agent::new("compute9", "10.0.1.49");
    compute9.connect(world.server().agents()).await;
    world.until(&port, "binding:vif_type", "ovs").await;
    compute9.plug(&port).await;
    world.active(&port).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.49"));
}

#[tokio::test]
async fn an_interface_that_is_there_when_its_host_first_comes_is_wired() {
    let world = World::new().await;
    let (_compute1, network, a) = two_hosts(&world).await;
    let port = world.port(&a, "compute9", MAC, &["81.1.180.8"]).await;
    let mut compute9 = Agent::new("compute9", "10.0.1.49");
    compute9.plugged_before(&port);
    compute9.connect(world.server().agents()).await;
    world.active(&port).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.49"));
}

#[tokio::test]
async fn a_laggard_is_waited_for_no_longer_than_the_bound() {
    let world = World::with(|settings| settings.propagation_bound_ms = 300).await;
    let (compute1, network, a) = two_hosts(&world).await;
    network.lag();
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    let begun = std::time::Instant::now();
    compute1.plug(&port).await;
    world.active(&port).await;
    assert!(begun.elapsed() >= std::time::Duration::from_millis(300), "it was waited for");
}

#[tokio::test]
async fn a_host_that_is_not_connected_is_not_waited_for() {
    let world = World::new().await;
    let (compute1, mut network, a) = two_hosts(&world).await;
    network.cut();
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    world.active(&port).await;

    // Nor one that goes while it is waited for.
    network.connect(world.server().agents()).await;
    network.lag();
    let port = world.port(&a, "compute1", "fa:16:3e:00:00:01", &["81.1.180.9"]).await;
    compute1.plug(&port).await;
    world.until(&port, "status", "BUILD").await;
    network.cut();
    world.active(&port).await;
}

#[tokio::test]
async fn active_does_not_wait_if_told_so() {
    let world = World::with(|settings| settings.active_waits_for_propagation = false).await;
    let (compute1, network, a) = two_hosts(&world).await;
    network.lag();
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    world.active(&port).await;
}
