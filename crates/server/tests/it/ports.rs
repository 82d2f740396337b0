use std::net::IpAddr;

use model::{Generation, PortId, PortStatus, TunnelType};
use reqwest::Method;
use serde_json::{Value, json};
use store::WiredReport;

use crate::rest_server::{RestServer, path};

/// A network with the subnets 81.1.180.0/24 and 2001:db8::/64, as ids.
async fn dual_stack(server: &RestServer) -> (Value, Value, Value) {
    let network = server.create("network", json!({"provider:network_type": "gre"})).await["id"].clone();
    let v4 = json!({"network_id": network, "ip_version": 4, "cidr": "81.1.180.0/24"});
    let v4 = server.create("subnet", v4).await["id"].clone();
    let v6 = json!({"network_id": network, "ip_version": 6, "cidr": "2001:db8::/64"});
    let v6 = server.create("subnet", v6).await["id"].clone();
    (network, v4, v6)
}

fn fixed_ip(subnet: &Value, ip: &str) -> Value {
    json!({"subnet_id": subnet, "ip_address": ip})
}

#[tokio::test]
async fn a_port_gets_an_address_of_each_version_and_a_mac() {
    let server = RestServer::start().await;
    let (network, v4, v6) = dual_stack(&server).await;
    let port = server.create("port", json!({"network_id": network})).await;
    assert_eq!(port["fixed_ips"], json!([fixed_ip(&v4, "81.1.180.2"), fixed_ip(&v6, "2001:db8::2")]));
    assert!(port["mac_address"].as_str().unwrap().starts_with("fa:16:3e:"));
    assert_eq!((&port["status"], &port["binding:vif_type"]), (&json!("DOWN"), &json!("unbound")));
    assert_eq!((&port["binding:host_id"], &port["binding:vif_details"]), (&json!(""), &json!({})));

    let body = json!({"network_id": network, "mac_address": "FA-16-3E-00-00-01", "fixed_ips": [], "name": "bare"});
    let bare = server.create("port", body).await;
    assert_eq!((&bare["mac_address"], &bare["fixed_ips"]), (&json!("fa:16:3e:00:00:01"), &json!([])));
    assert_eq!(server.show("port", &bare["id"]).await, bare);
    server.delete("port", &bare["id"]).await;
    server.refused(Method::GET, &path("port", &bare["id"]), None, 404, "PortNotFound").await;
}

#[tokio::test]
async fn fixed_ips_are_chosen_changed_added_and_removed() {
    let server = RestServer::start().await;
    let (network, v4, v6) = dual_stack(&server).await;
    let wanted =
        json!([{"ip_address": "81.1.180.8"}, {"subnet_id": v4}, {"subnet_id": v6, "ip_address": "2001:DB8::8"}]);
    let port = server.create("port", json!({"network_id": network, "fixed_ips": wanted})).await;
    let first = [fixed_ip(&v4, "81.1.180.8"), fixed_ip(&v4, "81.1.180.2"), fixed_ip(&v6, "2001:db8::8")];
    assert_eq!(port["fixed_ips"], json!(first));

    // one goes, one stays, one comes; the order is the request's
    let wanted = json!([{"ip_address": "81.1.180.18"}, {"ip_address": "81.1.180.8"}]);
    let changed = server.update("port", &port["id"], json!({"fixed_ips": wanted})).await;
    let second = json!([fixed_ip(&v4, "81.1.180.18"), fixed_ip(&v4, "81.1.180.8")]);
    assert_eq!(changed["fixed_ips"], second);
    // a subnet alone is content with what the port has there
    let wanted = json!([{"subnet_id": v4}, {"subnet_id": v6}]);
    let changed = server.update("port", &port["id"], json!({"fixed_ips": wanted})).await;
    assert_eq!(changed["fixed_ips"][0], fixed_ip(&v4, "81.1.180.18"));
    assert_eq!(changed["fixed_ips"][1]["subnet_id"], v6);
    // what was given up can be had again
    server.create("port", json!({"network_id": network, "fixed_ips": [{"ip_address": "81.1.180.8"}]})).await;
    assert_eq!(server.update("port", &port["id"], json!({"fixed_ips": []})).await["fixed_ips"], json!([]));
}

#[tokio::test]
async fn addresses_and_macs_that_cannot_be_had_are_refused_and_leave_nothing() {
    let server = RestServer::start().await;
    let (network, v4, _) = dual_stack(&server).await;
    let other = server.create("network", json!({})).await["id"].clone();
    let taken =
        json!({"network_id": network, "fixed_ips": [{"ip_address": "81.1.180.8"}], "mac_address": "02:00:00:00:00:01"});
    let holder = server.create("port", taken).await;
    for (extra, status, kind) in [
        (json!({"fixed_ips": [{"ip_address": "81.1.180.8"}]}), 409, "IpAddressAlreadyAllocated"),
        (
            json!({"fixed_ips": [{"ip_address": "81.1.180.9"}, {"ip_address": "81.1.180.8"}]}),
            409,
            "IpAddressAlreadyAllocated",
        ),
        (json!({"fixed_ips": [{"ip_address": "10.9.9.9"}]}), 400, "InvalidIpForNetwork"),
        (json!({"fixed_ips": [{"ip_address": "81.1.180.255"}]}), 400, "InvalidIpForSubnet"),
        (json!({"fixed_ips": [{"subnet_id": v4, "ip_address": "10.9.9.9"}]}), 400, "InvalidIpForSubnet"),
        (json!({"fixed_ips": [{}]}), 400, "InvalidInput"),
        (json!({"fixed_ips": [{"foo": 1}]}), 400, "HTTPBadRequest"),
        (json!({"fixed_ips": "81.1.180.9"}), 400, "HTTPBadRequest"),
        (json!({"fixed_ips": [{"subnet_id": v4}], "network_id": other}), 400, "InvalidInput"),
        (json!({"mac_address": "02:00:00:00:00:01"}), 409, "MacAddressInUse"),
        (json!({"mac_address": "01:00:5e:00:00:01"}), 400, "HTTPBadRequest"),
        (json!({"network_id": "00000000-0000-0000-0000-000000000000"}), 404, "NetworkNotFound"),
        (json!({"network_id": "n1"}), 400, "HTTPBadRequest"),
        (json!({"binding:host_id": "no spaces please"}), 400, "InvalidInput"),
        (json!({"binding:vnic_type": "bogus"}), 400, "HTTPBadRequest"),
        (json!({"security_groups": ["00000000-0000-0000-0000-000000000000"]}), 404, "SecurityGroupNotFound"),
        (
            json!({"port_security_enabled": false, "allowed_address_pairs": [{"ip_address": "10.0.0.1"}]}),
            409,
            "AddressPairAndPortSecurityRequired",
        ),
    ] {
        let mut body = json!({"network_id": network});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        server.refused(Method::POST, "/v2.0/ports", Some(json!({"port": body})), status, kind).await;
    }
    server.refused(Method::POST, "/v2.0/ports", Some(json!({"port": {}})), 400, "HTTPBadRequest").await;
    assert_eq!(json!(server.ids("ports", "").await), json!([holder["id"]]));
    // the refused ones gave back what they had taken
    let next = server.create("port", json!({"network_id": network, "fixed_ips": [{"ip_address": "81.1.180.9"}]})).await;
    // and an update that fails half-way changes nothing
    let body =
        json!({"port": {"name": "new", "fixed_ips": [{"ip_address": "81.1.180.10"}, {"ip_address": "81.1.180.8"}]}});
    server.refused(Method::PUT, &path("port", &next["id"]), Some(body), 409, "IpAddressAlreadyAllocated").await;
    assert_eq!(server.show("port", &next["id"]).await, next);
    let body = json!({"port": {"mac_address": "02:00:00:00:00:01"}});
    server.refused(Method::PUT, &path("port", &next["id"]), Some(body), 409, "MacAddressInUse").await;
    // the same MAC on another network is another
    server.create("port", json!({"network_id": other, "mac_address": "02:00:00:00:00:01"})).await;
}

#[tokio::test]
async fn a_pool_runs_dry_and_fills_again() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/29"});
    server.create("subnet", body).await;
    let mut ports = Vec::new();
    for _ in 0..5 {
        ports.push(server.create("port", json!({"network_id": network})).await);
    }
    let body = Some(json!({"port": {"network_id": network}}));
    let message = server.refused(Method::POST, "/v2.0/ports", body, 409, "IpAddressGenerationFailure").await;
    assert_eq!(message, format!("No more IP addresses available on network {}.", network.as_str().unwrap()));
    // two are freed: the one after the last given out comes first, so a freed address rests as long as it can
    server.delete("port", &ports[0]["id"]).await;
    server.delete("port", &ports[3]["id"]).await;
    let again = server.create("port", json!({"network_id": network})).await;
    assert_eq!(again["fixed_ips"][0]["ip_address"], ports[0]["fixed_ips"][0]["ip_address"]);
    let again = server.create("port", json!({"network_id": network})).await;
    assert_eq!(again["fixed_ips"][0]["ip_address"], ports[3]["fixed_ips"][0]["ip_address"]);
}

#[tokio::test]
async fn a_port_is_bound_at_once_or_when_its_host_comes() {
    let server = RestServer::start().await;
    let (network, ..) = dual_stack(&server).await;
    server.connect_host("compute1", "10.0.1.31").await;
    let bound = server.create("port", json!({"network_id": network, "binding:host_id": "compute1"})).await;
    assert_eq!(bound["binding:vif_type"], "ovs");
    let details = &bound["binding:vif_details"];
    assert_eq!((&details["bridge_name"], &details["datapath_type"]), (&json!("br-int"), &json!("netdev")));

    let waiting = server.create("port", json!({"network_id": network, "binding:host_id": "compute2"})).await;
    assert_eq!((&waiting["binding:vif_type"], &waiting["binding:vif_details"]), (&json!("binding_failed"), &json!({})));
    server.connect_host("compute2", "10.0.1.39").await;
    assert_eq!(server.show("port", &waiting["id"]).await["binding:vif_type"], "ovs");

    server.lose_host("compute1");
    let moved = server.update("port", &waiting["id"], json!({"binding:host_id": "compute1"})).await;
    assert_eq!(moved["binding:vif_type"], "binding_failed");
    let free = server.update("port", &waiting["id"], json!({"binding:host_id": ""})).await;
    assert_eq!((&free["binding:vif_type"], &free["binding:host_id"]), (&json!("unbound"), &json!("")));
    // a lost agent is not a lost port
    assert_eq!(server.show("port", &bound["id"]).await["binding:vif_type"], "ovs");
    let body = json!({"port": {"mac_address": "02:00:00:00:00:01"}});
    server.refused(Method::PUT, &path("port", &bound["id"]), Some(body), 409, "PortBound").await;
}

#[tokio::test]
async fn a_port_is_bound_only_where_its_segment_is_served() {
    let server = RestServer::start().await;
    server.connect_host_of("compute1", "10.0.1.31", &[TunnelType::Gre]).await;
    server.connect_host("compute2", "10.0.1.39").await;
    for (network_type, vif_type) in [("gre", "ovs"), ("vxlan", "binding_failed")] {
        let network = server.create("network", json!({"provider:network_type": network_type})).await["id"].clone();
        let here = server.create("port", json!({"network_id": network, "binding:host_id": "compute1"})).await;
        assert_eq!(here["binding:vif_type"], vif_type, "{network_type}");
        let body = json!({"network_id": network, "binding:host_id": "compute2", "device_owner": "compute:nova"});
        let moved = server.create("port", body).await;
        assert_eq!(moved["binding:vif_type"], "ovs", "the control");
        let bindings = format!("{}/bindings", path("port", &moved["id"]));
        let (status, prepared) =
            server.send(Method::POST, &bindings, Some(&json!({"binding": {"host": "compute1"}}))).await;
        let bound = prepared["binding"]["vif_type"] == "ovs";
        assert_eq!((status.is_success(), bound), (vif_type == "ovs", vif_type == "ovs"), "{status} {prepared}");
        let moved = server.update("port", &moved["id"], json!({"binding:host_id": "compute1"})).await;
        assert_eq!(moved["binding:vif_type"], vif_type, "{network_type}");
    }
}

#[tokio::test]
async fn a_port_that_goes_down_or_moves_is_no_longer_wired() {
    let server = RestServer::start().await;
    let (network, ..) = dual_stack(&server).await;
    server.connect_host("compute1", "10.0.1.31").await;
    server.connect_host("compute2", "10.0.1.39").await;
    let port = server.create("port", json!({"network_id": network, "binding:host_id": "compute1"})).await;
    let id: PortId = port["id"].as_str().unwrap().parse().unwrap();
    let report = |generation| WiredReport { port: id, generation: Generation(generation), wired: true };
    let wire = async |generation| {
        let stale = server.store.record(vec![report(generation)], vec![(id, PortStatus::Active)]).await.unwrap();
        assert_eq!(stale, []);
        assert_eq!(server.show("port", &port["id"]).await["status"], "ACTIVE");
    };
    wire(1).await;
    for (change, generation) in [
        (json!({"admin_state_up": false}), 2),
        (json!({"binding:host_id": "compute2"}), 3),
        (json!({"binding:host_id": null}), 4),
        (json!({"binding:host_id": "compute1"}), 5),
    ] {
        let changed = server.update("port", &port["id"], change.clone()).await;
        assert_eq!(changed["status"], "DOWN", "{change}");
        // what was reported of the wiring before is refused, and no status follows from it
        let stale = server.store.record(vec![report(generation - 1)], vec![(id, PortStatus::Active)]).await.unwrap();
        assert_eq!(stale, [report(generation - 1)], "{change}");
        assert_eq!(server.show("port", &port["id"]).await["status"], "DOWN", "{change}");
        if server.update("port", &port["id"], json!({"admin_state_up": true})).await["binding:vif_type"] == "ovs" {
            wire(generation).await;
        }
    }
    // a change that is no reason to wire anew leaves it wired
    let renamed = server.update("port", &port["id"], json!({"name": "x", "binding:host_id": "compute1"})).await;
    assert_eq!(renamed["status"], "ACTIVE");
}

#[tokio::test]
async fn what_is_in_use_cannot_be_deleted() {
    let server = RestServer::start().await;
    let (network, v4, _) = dual_stack(&server).await;
    let port = server.create("port", json!({"network_id": network})).await;
    let message = server.refused(Method::DELETE, &path("network", &network), None, 409, "NetworkInUse").await;
    assert!(message.contains(port["id"].as_str().unwrap()), "{message}");
    server.refused(Method::DELETE, &path("subnet", &v4), None, 409, "SubnetInUse").await;
    server.delete("port", &port["id"]).await;
    server.delete("subnet", &v4).await;
    server.delete("network", &network).await;
}

#[tokio::test]
async fn ports_are_found_by_what_they_have() {
    let server = RestServer::start().await;
    let (network, v4, _) = dual_stack(&server).await;
    server.connect_host("compute1", "10.0.1.31").await;
    let one = json!({
        "network_id": network, "binding:host_id": "compute1", "device_id": "vm-1", "device_owner": "compute:nova",
        "mac_address": "02:00:00:00:00:0a", "fixed_ips": [{"ip_address": "81.1.180.8"}],
    });
    let one = server.create("port", one).await["id"].clone();
    let two = server.create("port", json!({"network_id": network, "name": "two"})).await["id"].clone();
    let (network, v4) = (network.as_str().unwrap(), v4.as_str().unwrap());
    for (query, expected) in [
        ("fixed_ips=ip_address=81.1.180.8".to_owned(), vec![&one]),
        (format!("fixed_ips=ip_address=81.1.180.8&fixed_ips=subnet_id={v4}"), vec![&one]),
        (format!("fixed_ips=subnet_id={v4}&name=two"), vec![&two]),
        (
            "fixed_ips=ip_address=81.1.180.8&fixed_ips=ip_address=81.1.180.2&sort_key=name&sort_dir=asc".to_owned(),
            vec![&one, &two],
        ),
        ("fixed_ips=ip_address=81.1.180.77".to_owned(), vec![]),
        ("fixed_ips=ip_address_substr=180.8".to_owned(), vec![&one]),
        (format!("network_id={network}&device_id=vm-1"), vec![&one]),
        ("device_owner=compute:nova".to_owned(), vec![&one]),
        ("device_id=".to_owned(), vec![&two]),
        ("binding:host_id=compute1".to_owned(), vec![&one]),
        ("binding%3Ahost_id=".to_owned(), vec![&two]),
        ("binding:host_id=compute9".to_owned(), vec![]),
        ("mac_address=02:00:00:00:00:0A".to_owned(), vec![&one]),
        ("status=DOWN&sort_key=name&sort_dir=asc".to_owned(), vec![&one, &two]),
        ("status=ACTIVE".to_owned(), vec![]),
    ] {
        assert_eq!(json!(server.ids("ports", &query).await), json!(expected), "{query}");
    }
}

#[tokio::test]
async fn address_pairs_are_kept_and_completed() {
    let server = RestServer::start().await;
    let (network, ..) = dual_stack(&server).await;
    let pairs = json!([{"ip_address": "10.0.0.0/24"}, {"ip_address": "10.1.0.1", "mac_address": "02:00:00:00:00:02"}]);
    let port = server.create("port", json!({"network_id": network, "allowed_address_pairs": pairs})).await;
    assert_eq!(port["allowed_address_pairs"][0]["mac_address"], port["mac_address"]);
    assert_eq!(port["allowed_address_pairs"][1]["mac_address"], "02:00:00:00:00:02");
    let ip: IpAddr = port["fixed_ips"][0]["ip_address"].as_str().unwrap().parse().unwrap();
    assert!(ip.is_ipv4());
}

#[tokio::test]
async fn agents_are_shown_set_and_deleted_once_gone() {
    let server = RestServer::start().await;
    server.connect_host("compute1", "10.0.1.31").await;
    let agent = server.get("/v2.0/agents?host=compute1").await["agents"][0].clone();
    assert_eq!((&agent["agent_type"], &agent["alive"]), (&json!("Open vSwitch agent"), &json!(true)));
    assert_eq!(agent["configurations"]["tunneling_ip"], "10.0.1.31");
    assert_eq!(agent["configurations"]["tunnel_types"], json!(["gre", "vxlan"]));
    assert_eq!(server.show("agent", &agent["id"]).await, agent);
    let set = server.update("agent", &agent["id"], json!({"admin_state_up": false})).await;
    assert_eq!(set["admin_state_up"], false);
    server.refused(Method::DELETE, &path("agent", &agent["id"]), None, 409, "AgentInUse").await;
    server.lose_host("compute1");
    assert_eq!(server.show("agent", &agent["id"]).await["alive"], false);
    server.delete("agent", &agent["id"]).await;
    assert_eq!(server.ids("agents", "").await, Vec::<String>::new());
}
