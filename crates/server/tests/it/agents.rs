//! Agents that an administrator takes out of use.

use serde_json::json;

use crate::rest_server::RestServer;

#[tokio::test]
async fn a_disabled_host_gets_no_more_ports_and_keeps_those_it_has() {
    let server = RestServer::start().await;
    server.connect_host("compute1", "10.0.1.31").await;
    let network = server.create("network", json!({})).await["id"].clone();
    let on_compute1 = json!({"network_id": network, "binding:host_id": "compute1"});
    let before = server.create("port", on_compute1.clone()).await;
    assert_eq!(before["binding:vif_type"], "ovs");

    let agent = server.get("/v2.0/agents?host=compute1").await["agents"][0].clone();
    server.update("agent", &agent["id"], json!({"admin_state_up": false})).await;
    let port = server.create("port", on_compute1.clone()).await;
    assert_eq!(port["binding:vif_type"], "binding_failed");
    // nor does it when its agent comes back
    server.lose_host("compute1");
    server.connect_host("compute1", "10.0.1.31").await;
    assert_eq!(server.show("port", &port["id"]).await["binding:vif_type"], "binding_failed");
    assert_eq!(server.show("port", &before["id"]).await["binding:vif_type"], "ovs");
    let agent = server.show("agent", &agent["id"]).await;
    assert_eq!((&agent["admin_state_up"], &agent["alive"]), (&json!(false), &json!(true)));

    server.update("agent", &agent["id"], json!({"admin_state_up": true})).await;
    assert_eq!(server.show("port", &port["id"]).await["binding:vif_type"], "ovs");
    assert_eq!(server.create("port", on_compute1).await["binding:vif_type"], "ovs");
}

#[tokio::test]
async fn agents_are_ordered_by_what_they_have() {
    let server = RestServer::start().await;
    for (host, endpoint) in [("b", "10.0.1.1"), ("c", "10.0.1.2"), ("a", "10.0.1.3")] {
        server.connect_host(host, endpoint).await;
    }
    let agents = server.get("/v2.0/agents?host=c").await;
    server.update("agent", &agents["agents"][0]["id"], json!({"admin_state_up": false})).await;
    for (query, expected) in [
        ("sort_key=host&sort_dir=asc", ["a", "b", "c"]),
        ("sort_key=host&sort_dir=desc", ["c", "b", "a"]),
        ("sort_key=created_at&sort_dir=asc", ["b", "c", "a"]),
        ("sort_key=admin_state_up&sort_dir=asc&sort_key=host&sort_dir=desc", ["c", "b", "a"]),
        ("sort_key=agent_type&sort_dir=asc&sort_key=host&sort_dir=asc", ["a", "b", "c"]),
        ("sort_key=host&sort_dir=asc&limit=3", ["a", "b", "c"]),
    ] {
        let answer = server.get(&format!("/v2.0/agents?{query}")).await;
        let hosts: Vec<&serde_json::Value> =
            answer["agents"].as_array().unwrap().iter().map(|agent| &agent["host"]).collect();
        assert_eq!(hosts, expected, "{query}");
    }
}
