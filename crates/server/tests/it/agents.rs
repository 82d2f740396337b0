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
