use reqwest::Method;
use serde_json::{Value, json};

use crate::rest_server::{RestServer, path};

async fn subnet(server: &RestServer, network: &Value, cidr: &str, mode: Option<&str>) -> Value {
    let mut body = json!({"network_id": network, "ip_version": if cidr.contains(':') { 6 } else { 4 }, "cidr": cidr});
    if let Some(mode) = mode {
        body["ipv6_address_mode"] = json!(mode);
        body["ipv6_ra_mode"] = json!(mode);
    }
    server.create("subnet", body).await["id"].clone()
}

fn addresses(port: &Value) -> Vec<&str> {
    port["fixed_ips"].as_array().unwrap().iter().map(|ip| ip["ip_address"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn ports_form_their_addresses_where_the_subnet_says_so() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    subnet(&server, &network, "10.0.0.0/24", None).await;
    let before = server.create("port", json!({"network_id": network, "mac_address": "34:56:78:9a:bc:de"})).await;
    assert_eq!(addresses(&before), ["10.0.0.2"]);

    // the ports that are there form theirs as soon as the subnet is
    let slaac = subnet(&server, &network, "2001:db8:1::/64", Some("slaac")).await;
    let port = server.show("port", &before["id"]).await;
    assert_eq!(addresses(&port), ["10.0.0.2", "2001:db8:1:0:3656:78ff:fe9a:bcde"]);
    assert!(port["revision_number"].as_i64() > before["revision_number"].as_i64());

    // a new one forms one in each, beside what it asks for
    subnet(&server, &network, "2001:db8:2::/64", Some("dhcpv6-stateless")).await;
    let body =
        json!({"network_id": network, "mac_address": "02:00:00:00:00:01", "fixed_ips": [{"ip_address": "10.0.0.9"}]});
    let chosen = server.create("port", body).await;
    assert_eq!(addresses(&chosen), ["10.0.0.9", "2001:db8:1::ff:fe00:1", "2001:db8:2::ff:fe00:1"]);
    // and keeps them when what it asks for changes
    let changed = server.update("port", &chosen["id"], json!({"fixed_ips": [{"ip_address": "10.0.0.10"}]})).await;
    assert_eq!(addresses(&changed), ["10.0.0.10", "2001:db8:1::ff:fe00:1", "2001:db8:2::ff:fe00:1"]);
    let changed = server.update("port", &chosen["id"], json!({"mac_address": "02:00:00:00:00:02"})).await;
    assert_eq!(addresses(&changed), ["10.0.0.10", "2001:db8:1::ff:fe00:2", "2001:db8:2::ff:fe00:2"]);
    // a router's port has the address that it is given
    let router = json!({"network_id": network, "device_owner": "network:router_interface",
        "fixed_ips": [{"ip_address": "2001:db8:1::1"}]});
    let router = server.create("port", router).await;
    assert_eq!(addresses(&router), ["2001:db8:1::1"]);

    // nobody else can be given an address there
    let body = Some(json!({"port": {"network_id": network, "fixed_ips": [{"ip_address": "2001:db8:1::77"}]}}));
    server.refused(Method::POST, "/v2.0/ports", body, 400, "AllocationOnAutoAddressSubnet").await;

    // what ports have formed does not keep a subnet, a router's address does
    server.refused(Method::DELETE, &path("subnet", &slaac), None, 409, "SubnetInUse").await;
    assert_eq!(addresses(&server.show("port", &chosen["id"]).await).len(), 3, "nothing of it was done");
    server.delete("port", &router["id"]).await;
    server.delete("subnet", &slaac).await;
    assert_eq!(addresses(&server.show("port", &chosen["id"]).await), ["10.0.0.10", "2001:db8:2::ff:fe00:2"]);
    server.store.check_integrity().await.unwrap();
}

#[tokio::test]
async fn stateful_subnets_give_addresses_out() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    subnet(&server, &network, "2001:db8::/64", Some("dhcpv6-stateful")).await;
    let port = server.create("port", json!({"network_id": network})).await;
    assert_eq!(addresses(&port), ["2001:db8::2"]);
}

#[tokio::test]
async fn modes_that_make_no_sense_are_refused() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    for (extra, message) in [
        (
            json!({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}),
            "If both attributes are set, they must be the same value",
        ),
        (json!({"ipv6_ra_mode": "slaac", "enable_dhcp": false}), "cannot be set when enable_dhcp is set to False"),
        (json!({"ipv6_ra_mode": "slaac", "cidr": "2001:db8::/80"}), "requires the prefix to be /64"),
        (
            json!({"ipv6_ra_mode": "slaac", "ip_version": 4, "cidr": "10.0.0.0/24"}),
            "ipv6_ra_mode is not valid when ip_version is 4",
        ),
    ] {
        let mut body = json!({"network_id": network, "ip_version": 6, "cidr": "2001:db8::/64"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let got =
            server.refused(Method::POST, "/v2.0/subnets", Some(json!({"subnet": body})), 400, "InvalidInput").await;
        assert!(got.contains(message), "{got}");
    }
    let slaac = subnet(&server, &network, "2001:db8::/64", Some("slaac")).await;
    let off = Some(json!({"subnet": {"enable_dhcp": false}}));
    let got = server.refused(Method::PUT, &path("subnet", &slaac), off, 400, "InvalidInput").await;
    assert!(got.contains("Cannot disable enable_dhcp with ipv6 attributes set"), "{got}");
}

#[tokio::test]
async fn a_subnet_can_be_for_ports_of_certain_owners_alone() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let body =
        json!({"network_id": network, "ip_version": 4, "cidr": "10.0.1.0/24", "service_types": ["compute:nova"]});
    server.create("subnet", body).await;
    let body = Some(json!({"port": {"network_id": network}}));
    server.refused(Method::POST, "/v2.0/ports", body, 409, "IpAddressGenerationFailureNoMatchingSubnet").await;
    subnet(&server, &network, "10.0.0.0/24", None).await;
    let port = server.create("port", json!({"network_id": network})).await;
    assert_eq!(addresses(&port), ["10.0.0.2"]);
    let vm = server.create("port", json!({"network_id": network, "device_owner": "compute:nova"})).await;
    assert_eq!(addresses(&vm), ["10.0.1.2"]);
}
