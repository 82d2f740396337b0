use reqwest::Method;
use serde_json::{Value, json};

use crate::rest_server::{RestServer, path};

#[tokio::test]
async fn a_subnet_lives_from_create_to_delete() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({"name": "n1"})).await["id"].clone();
    let body = json!({
        "network_id": network, "ip_version": 4, "cidr": "81.1.180.0/24", "name": "s1",
        "dns_nameservers": ["9.9.9.9"],
        "host_routes": [{"destination": "10.0.0.0/8", "nexthop": "81.1.180.7"}],
    });
    let subnet = server.create("subnet", body).await;
    assert_eq!(subnet["gateway_ip"], "81.1.180.1");
    assert_eq!(subnet["allocation_pools"], json!([{"start": "81.1.180.2", "end": "81.1.180.254"}]));
    assert_eq!((&subnet["enable_dhcp"], &subnet["ip_version"]), (&json!(true), &json!(4)));
    assert_eq!(subnet["dns_nameservers"], json!(["9.9.9.9"]));

    let shown = server.show("network", &network).await;
    assert_eq!(shown["subnets"], json!([subnet["id"]]));
    assert_eq!(shown["revision_number"], 2, "a network changes with its list of subnets");

    let pools = json!([{"start": "81.1.180.100", "end": "81.1.180.101"}]);
    let changes = json!({"name": "s2", "gateway_ip": null, "enable_dhcp": false, "allocation_pools": pools});
    let changed = server.update("subnet", &subnet["id"], changes).await;
    assert_eq!((&changed["name"], &changed["gateway_ip"]), (&json!("s2"), &Value::Null));
    assert_eq!(changed["allocation_pools"], pools);
    assert_eq!(changed["dns_nameservers"], json!(["9.9.9.9"]), "what is not named stays");

    let query = format!("network_id={}&cidr=81.1.180.0/24", network.as_str().unwrap());
    assert_eq!(json!(server.ids("subnets", &query).await), json!([subnet["id"]]));
    server.delete("subnet", &subnet["id"]).await;
    assert_eq!(server.show("network", &network).await["subnets"], json!([]));
}

#[tokio::test]
async fn deleting_a_network_takes_its_subnets_along() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await;
    let body = json!({"network_id": network["id"], "ip_version": 6, "cidr": "2001:db8::/64", "gateway_ip": null});
    let subnet = server.create("subnet", body).await;
    assert_eq!(subnet["allocation_pools"], json!([{"start": "2001:db8::1", "end": "2001:db8::ffff:ffff:ffff:ffff"}]));
    assert_eq!(subnet["gateway_ip"], Value::Null);
    server.delete("network", &network["id"]).await;
    assert_eq!(server.ids("subnets", "").await, Vec::<String>::new());
}

#[tokio::test]
async fn subnets_that_make_no_sense_are_refused_and_leave_nothing() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let subnet = |extra: Value| {
        let mut body = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Some(json!({"subnet": body}))
    };
    let pool = |start: &str, end: &str| json!({"start": start, "end": end});
    let path = "/v2.0/subnets";
    for (body, status, kind) in [
        (json!({"cidr": "10.0.0.5/24"}), 400, "HTTPBadRequest"),
        (json!({"cidr": "10.0.0.0"}), 400, "HTTPBadRequest"),
        (json!({"cidr": "2001:db8::/64"}), 400, "InvalidInput"),
        (json!({"cidr": "0.0.0.0/0"}), 400, "InvalidInput"),
        (json!({"gateway_ip": "10.0.0.255"}), 400, "InvalidInput"),
        (json!({"gateway_ip": "2001:db8::1"}), 400, "InvalidInput"),
        (json!({"allocation_pools": [pool("10.0.0.9", "10.0.0.8")]}), 400, "InvalidAllocationPool"),
        (json!({"allocation_pools": [pool("10.0.0.9", "10.0.1.8")]}), 400, "OutOfBoundsAllocationPool"),
        (json!({"allocation_pools": [pool("10.0.0.1", "10.0.0.8")]}), 409, "GatewayConflictWithAllocationPools"),
        (
            json!({"allocation_pools": [pool("10.0.0.2", "10.0.0.8"), pool("10.0.0.8", "10.0.0.9")]}),
            409,
            "OverlappingAllocationPools",
        ),
        (json!({"ipv6_ra_mode": "dhcpv6-stateful"}), 400, "InvalidInput"),
        (json!({"network_id": "00000000-0000-0000-0000-000000000000"}), 404, "NetworkNotFound"),
        (json!({"host_routes": [{"destination": "10.0.0.0/8"}]}), 400, "HTTPBadRequest"),
        (json!({"dns_nameservers": ["9.9.9.9", "9.9.9.9"]}), 400, "HTTPBadRequest"),
    ] {
        server.refused(Method::POST, path, subnet(body), status, kind).await;
    }
    assert_eq!(server.ids("subnets", "").await, Vec::<String>::new());

    let (status, _) = server.send(Method::POST, path, subnet(json!({})).as_ref()).await;
    assert_eq!(status, 201, "the same without its faults is accepted");
    let inside = subnet(json!({"cidr": "10.0.0.128/25"}));
    let message = server.refused(Method::POST, path, inside, 400, "InvalidInput").await;
    assert!(message.contains("overlaps with another subnet"), "{message}");
}

#[tokio::test]
async fn a_gateway_that_a_router_has_stays() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = server.create("subnet", body).await["id"].clone();
    let router = json!({"network_id": network, "device_owner": "network:router_interface",
        "fixed_ips": [{"ip_address": "10.0.0.1"}]});
    let router = server.create("port", router).await["id"].clone();
    // what stays as it is changes nothing, and the pool is another matter
    server.update("subnet", &subnet, json!({"gateway_ip": "10.0.0.1"})).await;
    let pool = json!({"allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.20"}]});
    server.update("subnet", &subnet, pool).await;
    let other = Some(json!({"subnet": {"gateway_ip": "10.0.0.2"}}));
    server.refused(Method::PUT, &path("subnet", &subnet), other, 409, "GatewayIpInUse").await;
    server.delete("port", &router).await;
    assert_eq!(server.update("subnet", &subnet, json!({"gateway_ip": "10.0.0.2"})).await["gateway_ip"], "10.0.0.2");
}
