//! A server that restarts, and agents that were away: what is held is not sent again.

use sync::messages::ToAgent;

use super::agent::Agent;
use super::world::{World, eventually};

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
