//! An update that says what is so already is none.

use serde_json::{Map, Value, json};

use crate::rest_server::{RestServer, path};

#[tokio::test]
async fn an_update_that_changes_nothing_is_not_counted_and_tells_nobody() {
    let server = RestServer::start().await;
    server.connect_host("h1", "10.0.1.31").await;
    let network = server.create("network", json!({"name": "n", "shared": true})).await["id"].clone();
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24", "host_routes": [
        {"destination": "10.1.0.0/16", "nexthop": "10.0.0.9"},
    ]});
    let subnet = server.create("subnet", subnet).await["id"].clone();
    let body = json!({"network_id": network, "binding:host_id": "h1", "name": "p", "device_owner": "compute:nova"});
    let port = server.create("port", body).await["id"].clone();
    let group = server.create("security_group", json!({"name": "g"})).await["id"].clone();
    let rule = json!({"security_group_id": group, "direction": "ingress"});
    let rule = server.create("security_group_rule", rule).await["id"].clone();
    let agent = server.get("/v2.0/agents").await["agents"][0]["id"].clone();

    let document = server.get("/openapi.json").await;
    for (singular, name, id) in [
        ("network", "Network", &network),
        ("subnet", "Subnet", &subnet),
        ("port", "Port", &port),
        ("security_group", "SecurityGroup", &group),
        ("security_group_rule", "SecurityGroupRule", &rule),
        ("agent", "Agent", &agent),
    ] {
        let (_, mut followed) = server.store.follow().await.unwrap();
        let revision = server.store.revision();
        let before = server.show(singular, id).await;
        // all that can be said, a few things, nothing
        let writable = document["components"]["schemas"][format!("{name}Update")]["properties"].as_object().unwrap();
        let same: Map<String, Value> = writable.keys().map(|name| (name.clone(), before[name].clone())).collect();
        for body in [json!(same), json!({})] {
            assert_eq!(server.update(singular, id, body.clone()).await, before, "{singular}: {body}");
            assert_eq!(server.show(singular, id).await, before, "{singular}: {body}");
        }
        assert_eq!(server.store.revision(), revision, "{singular}");
        assert!(followed.try_recv().is_err(), "{singular}");
        if singular == "security_group_rule" {
            assert!(same.is_empty(), "a rule can be changed after all: {same:?}");
            continue;
        }
        let after = server.update(singular, id, json!({"description": "another"})).await;
        assert_ne!(after["description"], before["description"]);
        assert!(followed.try_recv().is_ok(), "{singular}");
        if let Some(count) = before["revision_number"].as_i64() {
            assert_eq!(after["revision_number"], count + 1, "{singular}");
            assert_ne!(after["updated_at"], Value::Null);
        }
    }
}

#[tokio::test]
async fn a_change_of_addresses_alone_is_counted_once() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    server.create("subnet", subnet).await;
    let port = server.create("port", json!({"network_id": network})).await;
    let other = json!({"fixed_ips": [{"ip_address": "10.0.0.77"}]});
    for _ in 0..2 {
        let after = server.update("port", &port["id"], other.clone()).await;
        assert_eq!(after["fixed_ips"][0]["ip_address"], "10.0.0.77");
        assert_eq!(after["revision_number"], port["revision_number"].as_i64().unwrap() + 1);
        assert_eq!(server.get(&path("port", &port["id"])).await["port"], after);
    }
}

/// As with Neutron, which shows them in an order of its own.
#[tokio::test]
async fn the_order_of_a_ports_groups_says_nothing() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let mut groups = Vec::new();
    for name in ["a", "b", "c"] {
        groups.push(server.create("security_group", json!({"name": name})).await["id"].clone());
    }
    let port = server.create("port", json!({"network_id": network, "security_groups": groups[..2]})).await;
    let revision = server.store.revision();
    let update = async |of: [usize; 2]| {
        server.update("port", &port["id"], json!({"security_groups": of.map(|at| groups[at].clone())})).await
    };
    assert_eq!(update([1, 0]).await, port);
    assert_eq!(server.store.revision(), revision);
    let other = update([1, 2]).await;
    assert_eq!(other["security_groups"], json!(groups[1..]));
    assert_eq!(other["revision_number"], port["revision_number"].as_i64().unwrap() + 1);
}
