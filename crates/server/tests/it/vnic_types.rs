//! Kinds of interfaces (`binding:vnic_type`): those that Open vSwitch does not serve by itself are bound nowhere.

use reqwest::Method;
use serde_json::json;

use crate::rest_server::{RestServer, path};

#[tokio::test]
async fn what_takes_a_card_of_its_own_is_bound_nowhere_until_it_is_something_else() {
    let server = RestServer::start().await;
    server.connect_host("compute1", "10.0.1.31").await;
    let network = server.create("network", json!({})).await["id"].clone();
    let of = |kind: &str| json!({"network_id": network, "binding:host_id": "compute1", "binding:vnic_type": kind});
    for kind in ["normal", "vdpa"] {
        assert_eq!(server.create("port", of(kind)).await["binding:vif_type"], "ovs", "{kind}");
    }
    let port = server.create("port", of("direct")).await;
    assert_eq!((&port["binding:vif_type"], &port["binding:vif_details"]), (&json!("binding_failed"), &json!({})));

    // nor when the host's agent comes again, or the host is enabled again, which mends what else has failed
    server.lose_host("compute1");
    let waiting = server.create("port", of("normal")).await;
    assert_eq!(waiting["binding:vif_type"], "binding_failed");
    server.connect_host("compute1", "10.0.1.31").await;
    assert_eq!(server.show("port", &waiting["id"]).await["binding:vif_type"], "ovs");
    assert_eq!(server.show("port", &port["id"]).await, port);

    for (kind, vif_type) in [("normal", "ovs"), ("macvtap", "binding_failed"), ("vdpa", "ovs"), ("normal", "ovs")] {
        let port = server.update("port", &port["id"], json!({"binding:vnic_type": kind})).await;
        let is = [&port["binding:vnic_type"], &port["binding:vif_type"], &port["binding:host_id"]];
        assert_eq!(is, [kind, vif_type, "compute1"]);
    }
    let refused = json!({"port": {"binding:vnic_type": "bogus"}});
    let port = path("port", &port["id"]);
    server.refused(Method::PUT, &port, Some(refused), 400, "HTTPBadRequest").await;
}
