//! What a lost stream, an empty inventory, a stale report and a second host of one endpoint must not do.

use model::Generation;
use serde_json::json;
use sync::messages::{PortReport, ToServer};

use super::agent::Agent;
use super::world::{World, eventually};

const MAC: &str = "fa:16:3e:b3:e7:7a";

/// A port on compute1 that `network` knows.
async fn a_port(world: &World) -> (Agent, Agent, Agent, String) {
    let [compute1, compute2, network] = world.hosts().await;
    let a = world.network("vxlan", 6, "81.1.180.0/24").await;
    let gateway = world.port(&a, "network", "fa:16:3e:87:40:f3", &["81.1.180.1"]).await;
    network.plug(&gateway).await;
    let port = world.port(&a, "compute1", MAC, &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    world.active(&gateway).await;
    world.active(&port).await;
    (compute1, compute2, network, port)
}

#[tokio::test]
async fn a_lost_stream_withdraws_nothing() {
    let world = World::with(|settings| settings.alive_bound_ms = 50).await;
    let (mut compute1, _, network, port) = a_port(&world).await;
    network.told();
    compute1.cut();
    // Past the bound: the host is dead, its port is not.
    world.until_alive("compute1", false).await;
    world.fence(&network).await;
    assert_eq!((network.told(), network.knows(MAC)), (vec![], Some("10.0.1.31".to_owned())));
    assert_eq!(world.status(&port).await, "ACTIVE");

    // The control: a host that says so itself withdraws it.
    compute1.unplug_unseen(&port);
    compute1.connect(world.server().agents()).await;
    world.until(&port, "status", "DOWN").await;
    world.fence(&network).await;
    assert_eq!(network.knows(MAC), None);
}

#[tokio::test]
async fn an_empty_list_of_interfaces_that_is_no_inventory_withdraws_nothing() {
    let world = World::new().await;
    let (mut compute1, _, network, port) = a_port(&world).await;
    // The host boots: its agent is up before its interfaces are.
    compute1.unplug_unseen(&port);
    compute1.forget();
    compute1.connect_without_inventory(world.server().agents()).await;
    compute1.inventory(false).await;
    world.fence(&compute1).await;
    world.fence(&network).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.31"));
    assert_eq!(world.status(&port).await, "ACTIVE");

    // The control: the same list, said to be complete.
    compute1.inventory(true).await;
    world.until(&port, "status", "DOWN").await;
    world.fence(&network).await;
    assert_eq!(network.knows(MAC), None);
}

#[tokio::test]
async fn a_stale_report_of_being_wired_is_refused() {
    let world = World::new().await;
    let (compute1, compute2, network, port) = a_port(&world).await;
    let stale = compute1.wired(&port).unwrap();
    // A → B → A, while compute1 does not look.
    compute1.unplug(&port).await;
    world.until(&port, "status", "DOWN").await;
    world.set(&port, json!({"binding:host_id": "compute2"})).await;
    world.set(&port, json!({"binding:host_id": "compute1"})).await;
    compute1.hold_wiring(true);
    compute1.plug(&port).await;
    world.until(&port, "status", "BUILD").await;

    let report = |generation, wired| {
        let port = port.parse().unwrap();
        ToServer::Report(PortReport { port, generation, wired, reason: String::new() })
    };
    compute1.send(report(stale, true)).await;
    world.fence(&compute1).await;
    world.fence(&network).await;
    assert_eq!((world.status(&port).await.as_str(), network.knows(MAC)), ("BUILD", None));
    // Nor may another host speak for it, even with the right generation.
    let current = Generation(stale.0 + 2);
    compute2.send(report(current, true)).await;
    world.fence(&compute2).await;
    world.fence(&network).await;
    assert_eq!((world.status(&port).await.as_str(), network.knows(MAC)), ("BUILD", None));

    // The control: the host itself, under the present binding.
    compute1.send(report(current, true)).await;
    world.active(&port).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.31"));
    // And a stale report of not being wired does not withdraw it.
    compute1.send(report(stale, false)).await;
    world.fence(&compute1).await;
    world.fence(&network).await;
    assert_eq!((world.status(&port).await.as_str(), network.knows(MAC).as_deref()), ("ACTIVE", Some("10.0.1.31")));
}

#[tokio::test]
async fn a_second_host_that_claims_an_endpoint_is_refused() {
    let world = World::new().await;
    let [compute1, ..] = world.hosts().await;
    let mut thief = Agent::new("thief", "10.0.1.31");
    thief.connect_without_inventory(world.server().agents()).await;
    eventually("the refusal", || thief.with(|state| state.ended.is_some())).await;
    let reason = thief.with(|state| state.ended.clone()).unwrap();
    assert!(["thief", "10.0.1.31", "compute1"].iter().all(|word| reason.contains(word)), "{reason}");
    // The first is not disturbed; another address is welcome.
    world.fence(&compute1).await;
    Agent::new("thief", "10.0.1.99").connect(world.server().agents()).await;
}

#[tokio::test]
async fn a_second_host_of_one_name_is_refused_while_the_first_is_connected() {
    let world = World::new().await;
    let [compute1, ..] = world.hosts().await;
    let mut double = Agent::new("compute1", "10.0.1.99");
    double.connect_without_inventory(world.server().agents()).await;
    eventually("the refusal", || double.with(|state| state.ended.is_some())).await;
    let reason = double.with(|state| state.ended.clone()).unwrap();
    assert!(["compute1", "10.0.1.31"].iter().all(|word| reason.contains(word)), "{reason}");
    world.fence(&compute1).await;
}

#[tokio::test]
async fn a_second_host_of_one_name_is_refused_while_the_agent_of_the_first_restarts() {
    let world = World::new().await;
    let [mut compute1, ..] = world.hosts().await;
    compute1.cut();
    world.until_connected("compute1", false).await;
    let mut double = Agent::new("compute1", "10.0.1.99");
    double.connect_without_inventory(world.server().agents()).await;
    eventually("the refusal", || double.with(|state| state.ended.is_some())).await;
    let reason = double.with(|state| state.ended.clone()).unwrap();
    assert!(["compute1", "10.0.1.31", "10 s"].iter().all(|word| reason.contains(word)), "{reason}");
    compute1.connect(world.server().agents()).await;

    // The control: a host that is not alive any more may come back at another address.
    let world = World::with(|settings| settings.alive_bound_ms = 50).await;
    let [mut compute1, ..] = world.hosts().await;
    compute1.cut();
    world.until_alive("compute1", false).await;
    double.connect(world.server().agents()).await;
}

#[tokio::test]
async fn a_newer_stream_of_a_host_replaces_the_older() {
    let world = World::new().await;
    let (compute1, _, network, port) = a_port(&world).await;
    let mut newer = Agent::new("compute1", "10.0.1.31");
    newer.plugged_before(&port);
    newer.connect(world.server().agents()).await;
    eventually("the older stream's end", || compute1.with(|state| state.ended.is_some())).await;
    let reason = compute1.with(|state| state.ended.clone()).unwrap();
    assert!(reason.contains("newer stream"), "{reason}");
    world.active(&port).await;
    world.fence(&newer).await;
    assert_eq!(network.knows(MAC).as_deref(), Some("10.0.1.31"));
}
