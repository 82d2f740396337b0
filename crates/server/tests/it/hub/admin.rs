//! What operators ask over the admin socket.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use server::admin::report::{Confirmed, Propagation, Status};

use super::world::{World, eventually};

async fn status(world: &World) -> Status {
    serde_json::from_value(world.admin(Method::GET, "/status", None).await.1).unwrap()
}

#[tokio::test]
async fn status_shows_hosts_networks_and_ports() {
    let world = World::new().await;
    let [compute1, mut compute2, network] = world.hosts().await;
    let a = world.network("gre", 6, "81.1.180.0/24").await;
    let gateway = world.port(&a, "network", "fa:16:3e:87:40:f3", &["81.1.180.1"]).await;
    network.plug(&gateway).await;
    world.active(&gateway).await;
    compute2.cut();
    network.lag();
    let port = world.port(&a, "compute1", "fa:16:3e:b3:e7:7a", &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    eventually("the port is published", || network.knows("fa:16:3e:b3:e7:7a").is_some()).await;
    world.until(&port, "status", "BUILD").await;
    world.fence(&compute1).await;

    let status = status(&world).await;
    let host = |name: &str| status.hosts.iter().find(|host| host.name.as_str() == name).unwrap();
    assert_eq!(status.hosts.len(), 3);
    assert!(host("compute1").alive && host("compute1").connected && host("compute1").lag.is_empty());
    assert_eq!(host("compute1").revision, Some(status.server.revision));
    assert_eq!(host("compute1").endpoint.to_string(), "10.0.1.31");
    assert_eq!(host("compute1").software, "test agent");
    assert!(host("compute2").alive && !host("compute2").connected, "gone for less than the bound");
    assert_eq!(host("compute2").revision, None);
    assert_eq!(host("network").lag, [a.parse().unwrap()]);
    assert!(host("network").revision < Some(status.server.revision));
    let shown = &status.networks[0];
    assert_eq!((shown.name.as_str(), shown.segment.to_string(), shown.ports), ("n", "gre 6".to_owned(), 2));
    assert_eq!(shown.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["compute1", "network"]);
    let shown = status.ports.iter().find(|shown| shown.id.to_string() == port).unwrap();
    assert_eq!((shown.status.as_str(), shown.wired, shown.vif_type.as_str()), ("BUILD", true, "ovs"));
}

#[tokio::test]
async fn propagation_names_who_has_confirmed_and_who_lags() {
    let world = World::new().await;
    let [compute1, compute2, mut network] = world.hosts().await;
    let a = world.network("gre", 6, "81.1.180.0/24").await;
    for (host, name, ip) in [(&compute2, "compute2", "81.1.180.9"), (&network, "network", "81.1.180.1")] {
        let port = world.port(&a, name, &format!("fa:16:3e:00:00:0{}", &ip[9..]), &[ip]).await;
        host.plug(&port).await;
        world.active(&port).await;
    }
    let port = world.port(&a, "compute1", "fa:16:3e:b3:e7:7a", &["81.1.180.8"]).await;
    let path = format!("/ports/{port}/propagation");
    let asked =
        async || -> Propagation { serde_json::from_value(world.admin(Method::GET, &path, None).await.1).unwrap() };
    let state = |known: &Propagation, host: &str| {
        known.hosts.iter().find(|of| of.host.as_str() == host).map(|of| (of.state, of.reason.clone()))
    };

    let known = asked().await;
    assert!(!known.propagated && known.published.is_none() && known.hosts.is_empty());
    assert_eq!(known.unpublished.as_deref(), Some("no interface with its id is plugged on compute1"));

    network.lag();
    compute1.plug(&port).await;
    eventually("the port is published", || network.knows("fa:16:3e:b3:e7:7a").is_some()).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let known = loop {
        let known = asked().await;
        if state(&known, "compute2").is_some_and(|(state, _)| state == Confirmed::Confirmed) {
            break known;
        }
        assert!(Instant::now() < deadline, "compute2 has not confirmed: {known:?}");
    };
    assert!(!known.propagated && known.published.is_some() && known.unpublished.is_none(), "{known:?}");
    assert_eq!(state(&known, "compute1").unwrap().0, Confirmed::Confirmed, "it has wired the port");
    let (lagging, why) = state(&known, "network").unwrap();
    assert!(lagging == Confirmed::Lagging && why.unwrap().contains("up to revision"), "{known:?}");

    network.catch_up().await;
    world.active(&port).await;
    let known = asked().await;
    assert!(known.propagated, "{known:?}");
    // A host that is gone holds nobody up, and is named.
    network.cut();
    world.until_connected("network", false).await;
    let known = asked().await;
    assert_eq!((known.propagated, state(&known, "network").unwrap().0), (true, Confirmed::Disconnected));

    let (status, answer) =
        world.admin(Method::GET, "/ports/7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b/propagation", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(answer["error"].as_str().unwrap().starts_with("there is no port 7b0c7d5a"), "{answer}");
}

/// Asks who has confirmed the port, until it is so.
async fn propagation(world: &World, port: &str, is_so: impl Fn(&Propagation) -> bool) -> Propagation {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, answer) = world.admin(Method::GET, &format!("/ports/{port}/propagation"), None).await;
        let known: Propagation = serde_json::from_value(answer).unwrap();
        if is_so(&known) {
            return known;
        }
        assert!(Instant::now() < deadline, "{known:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn reason(known: &Propagation, host: &str) -> Option<String> {
    known.hosts.iter().find(|of| of.host.as_str() == host).and_then(|of| of.reason.clone())
}

/// It counts as confirmed, and is named with what the host said; no more once the host says that it is in.
#[tokio::test]
async fn propagation_names_the_row_that_a_host_has_refused() {
    let world = World::new().await;
    let [compute1, _, network] = world.hosts().await;
    let a = world.network("gre", 6, "81.1.180.0/24").await;
    let gateway = world.port(&a, "network", "fa:16:3e:87:40:f3", &["81.1.180.1"]).await;
    network.plug(&gateway).await;
    world.active(&gateway).await;
    let port = world.port(&a, "compute1", "fa:16:3e:b3:e7:7a", &["81.1.180.8"]).await;
    let refusal = "the switch refused a flow: OFPFMFC_TABLE_FULL";
    network.refuse(&port, Some(refusal));
    compute1.plug(&port).await;
    world.active(&port).await;
    let known = propagation(&world, &port, |known| reason(known, "network").is_some()).await;
    assert!(known.propagated, "a row that cannot be holds nobody up: {known:?}");
    assert_eq!(reason(&known, "network").as_deref(), Some(refusal));
    let shown = status(&world).await;
    let host = shown.hosts.iter().find(|host| host.name.as_str() == "network").unwrap();
    assert_eq!(host.problems.iter().map(|problem| &problem.reason[..]).collect::<Vec<_>>(), [refusal]);

    network.refuse(&port, None);
    let another = world.port(&a, "compute1", "fa:16:3e:b3:e7:7b", &["81.1.180.9"]).await;
    compute1.plug(&another).await;
    world.active(&another).await;
    propagation(&world, &port, |known| known.propagated && reason(known, "network").is_none()).await;
}

/// A host that confirms nothing is sent no more than so much; that what is asked for is not among it is said.
#[tokio::test]
async fn propagation_names_the_backlog_of_a_host() {
    const MOST_UNCONFIRMED: usize = 256;
    let world = World::with(|settings| settings.propagation_bound_ms = 600_000).await;
    let [compute1, _, network] = world.hosts().await;
    let a = world.network("gre", 6, "81.1.180.0/24").await;
    let gateway = world.port(&a, "network", "fa:16:3e:87:40:f3", &["81.1.180.1"]).await;
    network.plug(&gateway).await;
    world.active(&gateway).await;
    let port = world.port(&a, "compute1", "fa:16:3e:b3:e7:7a", &["81.1.180.8"]).await;
    network.lag();
    compute1.plug(&port).await;
    let sent = propagation(&world, &port, |known| known.published.is_some()).await;
    eventually("it is sent", || network.knows("fa:16:3e:b3:e7:7a").is_some()).await;
    let why = reason(&propagation(&world, &port, |_| true).await, "network").unwrap();
    assert!(why.contains("up to revision") && !why.contains("backlog"), "{why}");

    let mut last = sent.published;
    for change in 0..=MOST_UNCONFIRMED {
        let ip = format!("81.1.180.{}", 8 + change % 2);
        world.set(&port, json!({"fixed_ips": [{"ip_address": ip}]})).await;
        // Each is sent by itself.
        let known = propagation(&world, &port, |known| known.published > last || change == 0).await;
        last = known.published;
        world.fence(&network).await;
    }
    let known = propagation(&world, &port, |_| true).await;
    let why = reason(&known, "network").unwrap();
    let waits = format!("backlog: revision {} waits", known.published.unwrap());
    assert!(!known.propagated && why.contains(&waits), "{why}");

    network.catch_up().await;
    propagation(&world, &port, |known| known.propagated).await;
}

#[tokio::test]
async fn watch_streams_what_is_sent_to_a_host_in_neutrons_form() {
    let world = World::new().await;
    let [compute1, _, network] = world.hosts().await;
    let a = world.network("gre", 6, "81.1.180.0/24").await;
    let gateway = world.port(&a, "network", "fa:16:3e:87:40:f3", &["81.1.180.1"]).await;
    network.plug(&gateway).await;
    world.active(&gateway).await;

    let client = Client::builder().unix_socket(world.admin_socket()).build().unwrap();
    let mut watch = client.get("http://culvert/watch?host=compute1").send().await.unwrap();
    let port = world.port(&a, "compute1", "fa:16:3e:b3:e7:7a", &["81.1.180.8"]).await;
    compute1.plug(&port).await;
    let first = watch.chunk().await.unwrap().unwrap();
    let said: Value = serde_json::from_slice(&first).unwrap();
    assert!(first.ends_with(b"\n"));
    let ports = json!({"10.0.1.21": [["00:00:00:00:00:00", "0.0.0.0"], ["fa:16:3e:87:40:f3", "81.1.180.1"]]});
    let fdb = json!({a: {"segment_id": 6, "network_type": "gre", "ports": ports}});
    assert_eq!(said, json!({"method": "add_fdb_entries", "fdb_entries": fdb}));

    // One who begins later is not told again what the host has, only what changes.
    world.active(&port).await;
    let mut later = client.get("http://culvert/watch?host=compute1").send().await.unwrap();
    world.delete(&gateway).await;
    let said: Value = serde_json::from_slice(&later.chunk().await.unwrap().unwrap()).unwrap();
    assert_eq!(said, json!({"method": "remove_fdb_entries", "fdb_entries": fdb}));
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_says_why() {
    let world = World::new().await;
    let [mut compute1, compute2, _] = world.hosts().await;
    let ask = |host: &str| Some(json!({"host": host, "tunnel_type": "vxlan", "key": 6}));
    let (code, answer) = world.admin(Method::POST, "/explain/drop", ask("nowhere")).await;
    assert_eq!(code, StatusCode::NOT_FOUND);
    assert!(answer["error"].as_str().unwrap().contains("no host named nowhere"), "{answer}");
    let (code, answer) = world.admin(Method::GET, "/watch?host=nowhere", None).await;
    assert_eq!(code, StatusCode::NOT_FOUND, "{answer}");
    compute1.cut();
    world.until_connected("compute1", false).await;
    let (code, answer) = world.admin(Method::POST, "/explain/drop", ask("compute1")).await;
    assert_eq!(code, StatusCode::CONFLICT, "{answer}");
    // The control.
    let (code, answer) = world.admin(Method::POST, "/explain/drop", ask(compute2.name.as_str())).await;
    assert_eq!(code, StatusCode::OK, "{answer}");
    assert!(answer["explanation"].as_str().unwrap().contains("Vxlan"), "{answer}");
}

#[tokio::test]
async fn the_socket_is_the_operators_alone_and_a_live_servers_is_not_taken_away() {
    let world = World::new().await;
    let mode = std::fs::metadata(world.admin_socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = world.start_another().await.unwrap_err().to_string();
    assert!(refused.contains("another server"), "{refused}");
    assert_eq!(world.admin(Method::GET, "/status", None).await.0, StatusCode::OK);
}
