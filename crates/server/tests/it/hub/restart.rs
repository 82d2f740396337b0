//! A server that restarts, and agents that were away: what is held is not sent again.

use sync::messages::ToAgent;

use super::agent::Agent;
use super::world::{World, eventually};

const NEW: &str = "fa:16:3e:00:00:09";

/// Whether anything about entries is among these.
fn entries(messages: &[ToAgent]) -> Vec<&'static str> {
    let name = |message: &ToAgent| match message {
        ToAgent::Snapshot(_) => Some("snapshot"),
        ToAgent::Complete(_) => Some("complete"),
        ToAgent::Delta(_) => Some("delta"),
        ToAgent::Dropped(_) => Some("dropped"),
        _ => None,
    };
    messages.iter().filter_map(name).collect()
}

async fn ports(world: &World, agents: &[Agent; 3]) -> Vec<String> {
    let a = world.network("gre", 6, "81.1.180.0/24").await;
    let mut ports = Vec::new();
    for (n, agent) in agents.iter().enumerate() {
        let (mac, ip) = (format!("fa:16:3e:00:00:0{n}"), format!("81.1.180.1{n}"));
        let port = world.port(&a, agent.name.as_str(), &mac, &[&ip]).await;
        agent.plug(&port).await;
        ports.push(port);
    }
    for port in &ports {
        world.active(port).await;
    }
    ports
}

#[tokio::test]
async fn a_server_that_restarts_sends_nothing_that_is_held_and_changes_no_status() {
    let mut world = World::new().await;
    let mut agents = world.hosts().await;
    let ports = ports(&world, &agents).await;
    let revision_numbers = |shown: &serde_json::Value| shown["revision_number"].clone();
    let before = revision_numbers(&world.show(&ports[0]).await);

    world.restart().await;
    for agent in &agents {
        let reason = agent.with(|state| state.ended.clone()).unwrap();
        assert!(reason.contains("shutting down"), "{reason}");
    }
    for port in &ports {
        assert_eq!(world.status(port).await, "ACTIVE", "before any agent is back");
    }
    for agent in &mut agents {
        agent.connect(world.server().agents()).await;
    }
    for agent in &agents {
        world.fence(agent).await;
        let messages = agent.messages();
        assert!(messages.iter().any(|message| matches!(message, ToAgent::HostComplete(_))));
        assert_eq!(entries(&messages), [] as [&str; 0]);
        assert!(!messages.iter().any(|message| matches!(message, ToAgent::Orders(orders) if !orders.ports.is_empty())));
    }
    for port in &ports {
        assert_eq!(world.status(port).await, "ACTIVE");
    }
    assert_eq!(revision_numbers(&world.show(&ports[0]).await), before, "nothing was written about the port");

    // The control: who holds nothing gets all.
    agents[0].forget();
    agents[0].connect(world.server().agents()).await;
    world.fence(&agents[0]).await;
    assert_eq!(entries(&agents[0].messages()), ["snapshot", "complete"]);
    assert!(agents[0].knows("fa:16:3e:00:00:01").is_some());
}

#[tokio::test]
async fn an_agent_that_was_away_gets_what_changed_and_no_more() {
    let world = World::new().await;
    let mut agents = world.hosts().await;
    let ports = ports(&world, &agents).await;
    agents[2].cut();
    agents[0].unplug(&ports[0]).await;
    world.until(&ports[0], "status", "DOWN").await;

    let server = world.server().agents();
    agents[2].connect(server).await;
    eventually("the delta", || agents[2].knows("fa:16:3e:00:00:00").is_none()).await;
    world.fence(&agents[2]).await;
    assert_eq!(entries(&agents[2].messages()), ["delta"]);
    assert!(agents[2].knows("fa:16:3e:00:00:01").is_some());
}

#[tokio::test]
async fn a_port_that_is_made_while_a_restarted_server_awaits_its_host_is_bound() {
    let mut world = World::new().await;
    let [mut compute1, ..] = world.hosts().await;
    let a = world.network("gre", 6, "81.1.180.0/24").await;
    world.restart().await;
    let port = world.port(&a, "compute1", "fa:16:3e:00:00:01", &["81.1.180.8"]).await;
    assert_eq!(world.show(&port).await["binding:vif_type"], "ovs");
    compute1.connect(world.server().agents()).await;
    compute1.plug(&port).await;
    world.active(&port).await;
}

/// A port on compute1 that was made and is published since.
async fn new_port(world: &World, compute1: &Agent, like: &str) -> String {
    let network = world.show(like).await["network_id"].as_str().unwrap().to_owned();
    let port = world.port(&network, "compute1", NEW, &["81.1.180.19"]).await;
    compute1.plug(&port).await;
    port
}

#[tokio::test]
async fn after_a_restart_active_waits_for_hosts_that_are_not_back_yet() {
    let mut world = World::with(|settings| settings.alive_bound_ms = 60_000).await;
    let mut agents = world.hosts().await;
    let ports = ports(&world, &agents).await;
    world.restart().await;
    let server = world.server().agents();
    agents[0].connect(server).await;
    let port = new_port(&world, &agents[0], &ports[0]).await;
    let path = format!("/ports/{port}/propagation");
    let asked = async || world.admin(reqwest::Method::GET, &path, None).await.1;
    let published = loop {
        let known = asked().await;
        if known["published"].is_u64() {
            break known;
        }
    };
    let states = |known: &serde_json::Value| {
        let hosts = known["hosts"].as_array().unwrap().clone();
        hosts.iter().map(|host| host["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(published["propagated"], false, "{published}");
    assert_eq!(states(&published), ["confirmed", "lagging", "lagging"], "{published}");
    assert_eq!(world.status(&port).await, "BUILD");

    // Back, and confirmed; the other is still awaited.
    agents[2].connect(server).await;
    eventually("the entry", || agents[2].knows(NEW).is_some()).await;
    world.fence(&agents[2]).await;
    assert_eq!(states(&asked().await), ["confirmed", "lagging", "confirmed"]);
    assert_eq!(world.status(&port).await, "BUILD");
    // Back without its port: it is not interested any more.
    agents[1].unplug_unseen(&ports[1]);
    agents[1].connect(server).await;
    world.active(&port).await;
}

#[tokio::test]
async fn after_a_restart_a_host_that_does_not_come_back_is_not_waited_for_longer_than_it_counts_as_alive() {
    let mut world = World::with(|settings| settings.alive_bound_ms = 300).await;
    let mut agents = world.hosts().await;
    let ports = ports(&world, &agents).await;
    world.restart().await;
    agents[0].connect(world.server().agents()).await;
    let port = new_port(&world, &agents[0], &ports[0]).await;
    world.active(&port).await;
}

#[tokio::test]
async fn agents_that_are_ahead_of_a_restored_database_get_everything_anew() {
    let mut world = World::new().await;
    let mut agents = world.hosts().await;
    let ports = ports(&world, &agents).await;
    let epoch =
        async |world: &World| world.admin(reqwest::Method::GET, "/status", None).await.1["server"]["epoch"].clone();
    let mut copy = None;
    world.restart_after(|settings| copy = Some(std::fs::read(&settings.database).unwrap())).await;
    for agent in &mut agents {
        agent.connect(world.server().agents()).await;
    }
    // What the copy does not have: a port that all learn of, and one that goes.
    let port = new_port(&world, &agents[0], &ports[0]).await;
    world.active(&port).await;
    world.delete(&ports[1]).await;
    for (agent, mac) in [(&agents[2], "fa:16:3e:00:00:01"), (&agents[0], "fa:16:3e:00:00:01")] {
        eventually("the port is gone", || agent.knows(mac).is_none()).await;
    }
    assert!(agents[2].knows(NEW).is_some());
    let before = epoch(&world).await;

    world.restart_after(|settings| std::fs::write(&settings.database, copy.unwrap()).unwrap()).await;
    for agent in &mut agents {
        agent.come_back(world.server().agents()).await;
    }
    assert_ne!(epoch(&world).await, before, "revisions are given out again, so under another epoch");
    for (agent, knows) in [(&agents[0], [1, 2]), (&agents[1], [0, 2]), (&agents[2], [0, 1])] {
        let macs = knows.map(|n| format!("fa:16:3e:00:00:0{n}"));
        eventually("the copy's ports", || macs.iter().all(|mac| agent.knows(mac).is_some())).await;
        assert_eq!(agent.knows(NEW), None, "{}", agent.name);
    }
    // And all goes on from there.
    let port = new_port(&world, &agents[0], &ports[0]).await;
    world.active(&port).await;
    assert!(agents[1].knows(NEW).is_some() && agents[2].knows(NEW).is_some());
}

#[tokio::test]
async fn a_server_on_a_missing_database_cuts_nobody_off() {
    let mut world = World::new().await;
    let mut agents = world.hosts().await;
    let ports = ports(&world, &agents).await;
    let remove = |settings: &server::Settings| std::fs::remove_file(&settings.database).unwrap();
    world.restart_after(|settings| remove(settings)).await;
    let server = world.server().agents();
    let refusal = async |agent: &mut Agent| {
        agent.connect_without_inventory(server).await;
        eventually("the refusal", || agent.with(|state| state.ended.is_some())).await;
        agent.with(|state| state.ended.clone()).unwrap()
    };
    let reason = refusal(&mut agents[0]).await;
    let says = ["compute1", "culvert.db", "`database`", "adopt_agents"];
    assert!(says.iter().all(|word| reason.contains(word)), "{reason}");
    // Also when the first network is made: to whom it is given the host still is unknown.
    world.network("gre", 7, "192.0.2.0/24").await;
    refusal(&mut agents[0]).await;
    assert_eq!((agents[0].isolated(&ports[0]), agents[0].knows("fa:16:3e:00:00:01").is_some()), (None, true));
    // A host that is new to both is welcome.
    Agent::new("compute9", "10.0.1.49").connect(server).await;

    // The control: who means it says so.
    world.restart_after(|settings| settings.adopt_agents = true).await;
    agents[0].connect(world.server().agents()).await;
    world.fence(&agents[0]).await;
    assert_eq!(agents[0].isolated(&ports[0]).as_deref(), Some("no port has this id"));
    // From then on the host is known here.
    world.restart_after(|settings| settings.adopt_agents = false).await;
    agents[0].connect(world.server().agents()).await;
}
