use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::rest_server::{RestServer, path};

/// A VM's port on compute1; compute2 is alive, too. Its id, and the path of its bindings.
async fn vm(server: &RestServer) -> (Value, String) {
    server.connect_host("compute1", "10.0.1.31").await;
    server.connect_host("compute2", "10.0.1.39").await;
    let network = server.create("network", json!({})).await["id"].clone();
    let body = json!({"network_id": network, "device_owner": "compute:nova", "binding:host_id": "compute1"});
    let port = server.create("port", body).await["id"].clone();
    let bindings = format!("{}/bindings", path("port", &port));
    (port, bindings)
}

fn binding(body: &Value) -> Value {
    json!({"binding": body})
}

#[tokio::test]
async fn a_port_moves_by_a_binding_that_is_prepared_and_put_in_force() {
    let server = RestServer::start().await;
    let (port, bindings) = vm(&server).await;
    let details = json!({"connectivity": "l2", "port_filter": false, "ovs_hybrid_plug": false,
        "datapath_type": "netdev", "bridge_name": "br-int"});
    let source = json!({"host": "compute1", "status": "ACTIVE", "vif_type": "ovs", "vif_details": details,
        "vnic_type": "normal", "profile": {}});
    assert_eq!(server.get(&bindings).await["bindings"], json!([source]));

    let body = binding(&json!({"host": "compute2", "profile": {"a": 1}}));
    let (status, made) = server.send(Method::POST, &bindings, Some(&body)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let target = json!({"host": "compute2", "status": "INACTIVE", "vif_type": "ovs", "vif_details": details,
        "vnic_type": "normal", "profile": {"a": 1}});
    assert_eq!(made["binding"], target);
    // nothing has moved
    let shown = server.show("port", &port).await;
    assert_eq!((&shown["binding:host_id"], &shown["binding:profile"]), (&json!("compute1"), &json!({})));
    let one = format!("{bindings}/compute2");
    let (status, changed) = server.send(Method::PUT, &one, Some(&binding(&json!({"profile": {"b": 2}})))).await;
    assert_eq!((status, &changed["binding"]["profile"]), (StatusCode::OK, &json!({"b": 2})));

    // the answer is the binding itself, and there is no body to send
    let (status, active) = server.send(Method::PUT, &format!("{one}/activate"), None).await;
    assert_eq!((status, &active["host"], &active["status"]), (StatusCode::OK, &json!("compute2"), &json!("ACTIVE")));
    let shown = server.show("port", &port).await;
    assert_eq!((&shown["binding:host_id"], &shown["binding:profile"]), (&json!("compute2"), &json!({"b": 2})));
    let former = server.get(&format!("{bindings}/compute1")).await["binding"].clone();
    assert_eq!((&former["status"], &former["vif_type"]), (&json!("INACTIVE"), &json!("unbound")));
    server.refused(Method::PUT, &format!("{one}/activate"), None, 409, "PortBindingAlreadyActive").await;

    let former = format!("{bindings}/compute1");
    assert_eq!(server.send(Method::DELETE, &former, None).await.0, StatusCode::NO_CONTENT);
    server.refused(Method::DELETE, &former, None, 404, "PortBindingNotFound").await;
    server.refused(Method::PUT, &format!("{former}/activate"), None, 404, "PortBindingNotFound").await;
    // without the one in force the port is unbound, and the next is in force at once
    assert_eq!(server.send(Method::DELETE, &one, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(server.show("port", &port).await["binding:vif_type"], "unbound");
    let (_, made) = server.send(Method::POST, &bindings, Some(&binding(&json!({"host": "compute1"})))).await;
    assert_eq!(made["binding"]["status"], "ACTIVE");
    server.delete("port", &port).await;
    server.store.check_integrity().await.unwrap();
}

/// As any other change of the host: a report of the wiring before is told apart.
#[tokio::test]
async fn putting_a_binding_in_force_is_a_new_generation() {
    let server = RestServer::start().await;
    let (port, bindings) = vm(&server).await;
    let id = port.as_str().unwrap().parse().unwrap();
    let generation = async || server.store.get::<store::Port>(id).await.unwrap().generation;
    let before = generation().await;
    server.send(Method::POST, &bindings, Some(&binding(&json!({"host": "compute2"})))).await;
    assert_eq!(generation().await, before);
    server.send(Method::PUT, &format!("{bindings}/compute2/activate"), None).await;
    assert_eq!(generation().await, before.next());
}

#[tokio::test]
async fn bindings_that_cannot_be_get_neutrons_errors() {
    let server = RestServer::start().await;
    let (port, bindings) = vm(&server).await;
    for (body, status, kind) in [
        (json!({}), 400, "HTTPBadRequest"),
        (json!({"host": "compute2", "vnic_type": "bogus"}), 400, "HTTPBadRequest"),
        (json!({"host": "compute2", "profile": "x"}), 400, "HTTPBadRequest"),
        (json!({"host": "compute2", "status": "ACTIVE"}), 400, "HTTPBadRequest"),
        (json!({"host": "compute1"}), 409, "PortBindingAlreadyExists"),
        (json!({"host": "nowhere"}), 500, "PortBindingError"),
    ] {
        server.refused(Method::POST, &bindings, Some(binding(&body)), status, kind).await;
    }
    server.lose_host("compute2");
    let lost = Some(binding(&json!({"host": "compute2"})));
    server.refused(Method::POST, &bindings, lost.clone(), 500, "PortBindingError").await;
    assert_eq!(server.get(&bindings).await["bindings"].as_array().unwrap().len(), 1);
    // only VMs move
    server.update("port", &port, json!({"device_owner": "network:dhcp"})).await;
    server.refused(Method::GET, &bindings, None, 400, "BadRequest").await;
    server.refused(Method::POST, &bindings, lost, 400, "BadRequest").await;
    server.refused(Method::GET, "/v2.0/ports/some-name/bindings", None, 404, "PortNotFound").await;
}
