use reqwest::Method;
use serde_json::{Value, json};
use server::rest::Settings;

use crate::rest_server::{RestServer, path};

#[tokio::test]
async fn a_network_lives_from_create_to_delete() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({"name": "n1", "provider:network_type": "gre"})).await;
    assert_eq!(network["mtu"], 1458);
    assert_eq!(network["status"], "ACTIVE");
    let key = network["provider:segmentation_id"].as_u64().unwrap();
    assert!((1..=1000).contains(&key), "{key}");
    assert_eq!(server.show("network", &network["id"]).await, network);

    let changes = json!({"name": "n2", "mtu": "1400", "shared": "True"});
    let changed = server.update("network", &network["id"], changes).await;
    assert_eq!((&changed["name"], &changed["mtu"], &changed["shared"]), (&json!("n2"), &json!(1400), &json!(true)));
    assert_eq!(changed["revision_number"], 2);
    assert_eq!(changed["created_at"], network["created_at"]);
    // an integer, whatever way it is written; a fraction is none
    assert_eq!(server.update("network", &network["id"], json!({"mtu": 1300.0})).await["mtu"], 1300);
    let fraction = Some(json!({"network": {"mtu": 1300.5}}));
    server.refused(Method::PUT, &path("network", &network["id"]), fraction, 400, "InvalidInput").await;
    // 0 asks for the default again
    assert_eq!(server.update("network", &network["id"], json!({"mtu": 0})).await["mtu"], 1458);

    server.delete("network", &network["id"]).await;
    let gone = path("network", &network["id"]);
    let message = server.refused(Method::GET, &gone, None, 404, "NetworkNotFound").await;
    assert_eq!(message, format!("Network {} could not be found.", network["id"].as_str().unwrap()));
}

#[tokio::test]
async fn segments_are_chosen_or_given_and_never_shared() {
    let server = RestServer::start_with(Settings { vxlan_keys: 7..=9, ..Settings::default() }).await;
    let given = json!({"provider:network_type": "vxlan", "provider:segmentation_id": "8"});
    let network = server.create("network", given.clone()).await;
    assert_eq!((&network["provider:segmentation_id"], &network["mtu"]), (&json!(8), &json!(1450)));
    let again = Some(json!({"network": given}));
    server.refused(Method::POST, "/v2.0/networks", again, 409, "TunnelIdInUse").await;

    // vxlan is the default type; two keys are left
    let mut keys = Vec::new();
    for _ in 0..2 {
        keys.push(server.create("network", json!({})).await["provider:segmentation_id"].as_u64().unwrap());
    }
    keys.sort_unstable();
    assert_eq!(keys, [7, 9]);
    server.refused(Method::POST, "/v2.0/networks", Some(json!({"network": {}})), 503, "NoNetworkAvailable").await;

    // the same key of the other type is another segment, and one outside the range can be asked for
    server.create("network", json!({"provider:network_type": "gre", "provider:segmentation_id": 8})).await;
    server.create("network", json!({"provider:network_type": "vxlan", "provider:segmentation_id": 70000})).await;

    server.delete("network", &network["id"]).await;
    server.create("network", json!({"provider:network_type": "vxlan", "provider:segmentation_id": 8})).await;
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let server = RestServer::start().await;
    let body = json!({"networks": [
        {"name": "c", "shared": true}, {"network": {"name": "a"}}, {"name": "b", "admin_state_up": false, "mtu": 1000},
    ]});
    let (status, made) = server.send(Method::POST, "/v2.0/networks", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    let ids: Vec<&str> = made["networks"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let [c, a, b] = ids[..] else { panic!("{made}") };

    let mut all = server.ids("networks", "").await;
    all.sort_unstable();
    let mut expected = [a, b, c];
    expected.sort_unstable();
    assert_eq!(all, expected);

    for (query, expected) in [
        ("name=a", vec![a]),
        ("name=a&name=c&sort_key=name&sort_dir=asc", vec![a, c]),
        ("name=nobody", vec![]),
        ("shared=True", vec![c]),
        ("shared=false&admin_state_up=true", vec![a]),
        ("mtu=1000", vec![b]),
        ("sort_key=name&sort_dir=asc", vec![a, b, c]),
        ("sort_key=name&sort_dir=desc", vec![c, b, a]),
        ("sort_key=name&sort_dir=asc&limit=2", vec![a, b]),
        (&format!("sort_key=name&sort_dir=asc&limit=2&marker={b}"), vec![c]),
        (&format!("sort_key=name&sort_dir=asc&marker={c}&page_reverse=True&limit=1"), vec![b]),
        (&format!("id={a}&id={b}&sort_key=name&sort_dir=asc"), vec![a, b]),
        ("id=not-a-uuid", vec![]),
        ("ipv4_address_scope=&name=a", vec![a]),
    ] {
        assert_eq!(server.ids("networks", query).await, expected, "{query}");
    }

    let page = server.get("/v2.0/networks?limit=2&sort_key=name&sort_dir=asc&fields=name").await;
    assert_eq!(page["networks"], json!([{"name": "a"}, {"name": "b"}]));
    let next = page["networks_links"][0]["href"].as_str().unwrap();
    let next = server.get(next.strip_prefix(&server.url).unwrap()).await;
    assert_eq!(next["networks"], json!([{"name": "c"}]));
    let links: Vec<&Value> = next["networks_links"].as_array().unwrap().iter().map(|link| &link["rel"]).collect();
    assert_eq!(links, ["previous"], "the last page has none after it");

    let shown = server.get(&format!("/v2.0/networks/{a}?fields=id&fields=name&fields=unknown")).await;
    assert_eq!(shown, json!({"network": {"id": a, "name": "a"}}));
}

#[tokio::test]
async fn version_documents_and_extensions_are_there() {
    let server = RestServer::start().await;
    let root = server.get("/").await;
    assert_eq!(root["versions"][0]["id"], "v2.0");
    assert_eq!(root["versions"][0]["links"][0]["href"], format!("{}/v2.0/", server.url));
    for path in ["/v2.0", "/v2.0/"] {
        let resources = server.get(path).await["resources"].clone();
        let names: Vec<&Value> = resources.as_array().unwrap().iter().map(|one| &one["collection"]).collect();
        assert_eq!(
            names,
            ["networks", "subnets", "ports", "agents", "security_groups", "security_group_rules", "availability_zones"]
        );
        for resource in resources.as_array().unwrap() {
            let address = resource["links"][0]["href"].as_str().unwrap();
            let answer = server.get(address.strip_prefix(&server.url).unwrap()).await;
            assert!(answer[resource["collection"].as_str().unwrap()].is_array(), "{address}: {answer}");
        }
    }
    let extensions = server.get("/v2.0/extensions").await;
    assert!(extensions["extensions"].as_array().unwrap().iter().any(|one| one["alias"] == "provider"));
    assert_eq!(server.get("/v2.0/extensions/binding").await["extension"]["alias"], "binding");
    let missing = "/v2.0/extensions/router";
    server.refused(Method::GET, missing, None, 404, "HTTPNotFound").await;
}

#[tokio::test]
async fn a_network_stays_shared_while_others_use_it() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({"name": "n1", "project_id": "p1", "shared": true})).await;
    let (id, at) = (&network["id"], path("network", &network["id"]));
    let subnet =
        |project: &str| json!({"network_id": id, "ip_version": 4, "cidr": "10.0.0.0/24", "project_id": project});
    let port = |project: &str, owner: &str| json!({"network_id": id, "project_id": project, "device_owner": owner});
    for (kind, body) in [("port", port("p2", "compute:nova")), ("subnet", subnet("p2"))] {
        let guest = server.create(kind, body).await["id"].clone();
        let unshare = Some(json!({"network": {"shared": false, "name": "renamed"}}));
        let message = server.refused(Method::PUT, &at, unshare, 409, "InvalidSharedSetting").await;
        let expected = "Unable to reconfigure sharing settings for network n1. Multiple tenants are using it.";
        assert_eq!(message, expected, "{kind}");
        // another change is none of this
        server.update("network", id, json!({"shared": true, "mtu": 1400})).await;
        server.delete(kind, &guest).await;
    }
    // what the owner has, and what the network's own services have, is in nobody's way
    server.create("port", port("p2", "network:dhcp")).await;
    server.create("port", port("p1", "compute:nova")).await;
    server.create("subnet", subnet("p1")).await;
    assert_eq!(server.update("network", id, json!({"shared": false})).await["shared"], false);
}

#[tokio::test]
async fn ports_of_the_networks_own_services_hold_neither_it_nor_its_subnets() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let mut subnets = Vec::new();
    for cidr in ["10.0.0.0/24", "10.0.1.0/24"] {
        let body = json!({"network_id": network, "ip_version": 4, "cidr": cidr});
        subnets.push(server.create("subnet", body).await["id"].clone());
    }
    let port = |owner: &str| {
        let fixed_ips: Vec<Value> = subnets.iter().map(|subnet| json!({"subnet_id": subnet})).collect();
        json!({"network_id": network, "device_owner": owner, "fixed_ips": fixed_ips})
    };
    let mut own = Vec::new();
    for owner in ["network:dhcp", "network:distributed", "network:floatingip_agent_gateway"] {
        own.push(server.create("port", port(owner)).await["id"].clone());
    }
    for owner in ["compute:nova", "network:router_interface", ""] {
        let user = server.create("port", port(owner)).await["id"].clone();
        server.refused(Method::DELETE, &path("subnet", &subnets[0]), None, 409, "SubnetInUse").await;
        let message = server.refused(Method::DELETE, &path("network", &network), None, 409, "NetworkInUse").await;
        assert!(message.contains(&format!("these ports is: {}.", user.as_str().unwrap())), "{message}");
        assert_eq!(server.show("port", &own[0]).await["fixed_ips"].as_array().unwrap().len(), 2, "nothing half done");
        server.delete("port", &user).await;
    }
    let (_, mut followed) = server.store.follow().await.unwrap();
    server.delete("subnet", &subnets[0]).await;
    // as Neutron: the port stays, without that address
    let port = server.show("port", &own[0]).await;
    let left: Vec<&Value> = port["fixed_ips"].as_array().unwrap().iter().map(|ip| &ip["subnet_id"]).collect();
    assert_eq!((left, &port["revision_number"]), (vec![&subnets[1]], &json!(2)));
    assert_eq!(followed.try_recv().unwrap().changes.len(), own.len(), "hosts hear of each");
    server.delete("network", &network).await;
    assert_eq!(server.ids("ports", "").await, Vec::<String>::new());
    // in one commit: the ports, then the network
    let deleted = followed.try_recv().unwrap().changes;
    assert_eq!(deleted.len(), own.len() + 1, "{deleted:?}");
    assert!(matches!(deleted.last(), Some(model::Change::NetworkDeleted(_))), "{deleted:?}");
    assert!(followed.try_recv().is_err());
}
