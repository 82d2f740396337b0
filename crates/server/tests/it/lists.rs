//! Lists: their order, their pages, what is filtered by the database and what after it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rest_server::RestServer;

/// More than the server reads at once.
const MANY: usize = 1203;

async fn networks(server: &RestServer, networks: Vec<Value>) -> Vec<String> {
    let (status, answer) = server.send(Method::POST, "/v2.0/networks", Some(&json!({"networks": networks}))).await;
    assert_eq!(status.as_u16(), 201, "{answer}");
    names(&answer)
}

fn names(answer: &Value) -> Vec<String> {
    let networks = answer["networks"].as_array().unwrap().iter();
    networks.map(|network| network["name"].as_str().unwrap().to_owned()).collect()
}

fn link(answer: &Value, rel: &str) -> Option<String> {
    let links = answer["networks_links"].as_array()?;
    let found = links.iter().find(|link| link["rel"] == rel)?;
    let (_, path) = found["href"].as_str()?.split_once("/v2.0/")?;
    Some(format!("/v2.0/{path}"))
}

/// All pages from one on, following its links.
async fn follow(server: &RestServer, path: &str, rel: &str) -> Vec<Vec<String>> {
    let (mut pages, mut path) = (Vec::new(), Some(path.to_owned()));
    while let Some(next) = path {
        let answer = server.get(&next).await;
        let page = names(&answer);
        // as with Neutron, an empty page is the end
        path = link(&answer, rel).filter(|_| !page.is_empty());
        pages.extend(Some(page).filter(|page| !page.is_empty()));
    }
    pages
}

#[tokio::test]
async fn pages_are_the_list_in_parts_in_every_order_and_both_ways() {
    let server = RestServer::start().await;
    for letters in ["ba", "dc", "ab", "aa"] {
        let many = letters.chars().map(|letter| json!({"name": letter.to_string()}));
        networks(&server, many.collect()).await;
    }
    for query in [
        "",
        "sort_key=name&sort_dir=asc",
        "sort_key=name&sort_dir=desc",
        "sort_key=mtu&sort_dir=asc&sort_key=name&sort_dir=desc",
        "sort_key=name&sort_dir=desc&description=&sort_key=id&sort_dir=asc",
        "admin_state_up=True&sort_key=admin_state_up&sort_dir=asc",
    ] {
        let all = server.ids("networks", query).await;
        assert_eq!(all.len(), 8, "{query}");
        for limit in [1, 3, 8, 100] {
            let path = format!("/v2.0/networks?{query}&limit={limit}&fields=id&fields=name");
            let forwards = follow(&server, &path, "next").await;
            assert_eq!(forwards.len(), 8_usize.div_ceil(limit), "{path}");
            let sorted = names(&server.get(&format!("/v2.0/networks?{query}")).await);
            assert_eq!(forwards.concat(), sorted, "{path}");
            let mut backwards = follow(&server, &format!("{path}&page_reverse=True"), "previous").await;
            backwards.reverse();
            assert_eq!(backwards.concat(), sorted, "{path} backwards");
        }
    }
    let by_name = names(&server.get("/v2.0/networks?sort_key=name&sort_dir=desc").await);
    assert_eq!(by_name, ["d", "c", "b", "b", "a", "a", "a", "a"]);
}

#[tokio::test]
async fn a_list_longer_than_a_piece_is_complete_and_filtered() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let mut expected = Vec::new();
    for part in 0..3 {
        let ports: Vec<Value> = (0..MANY / 3)
            .map(|n| json!({"network_id": network, "name": format!("{part}-{n:04}"), "description": if n % 2 == 0 { "even" } else { "odd" }}))
            .collect();
        expected.extend(ports.iter().map(|port| port["name"].as_str().unwrap().to_owned()));
        let (status, answer) = server.send(Method::POST, "/v2.0/ports", Some(&json!({"ports": ports}))).await;
        assert_eq!(status.as_u16(), 201, "{answer}");
    }
    let listed = |answer: Value| -> Vec<String> {
        answer["ports"].as_array().unwrap().iter().map(|port| port["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = listed(server.get("/v2.0/ports?sort_key=name&sort_dir=asc").await);
    assert_eq!(all, expected);
    // no column: what the database finds is filtered after it
    let odd = listed(server.get("/v2.0/ports?description=odd&sort_key=name&sort_dir=asc&limit=300").await);
    let wanted: Vec<&String> = expected.iter().filter(|name| name[2..].parse::<u32>().unwrap() % 2 == 1).collect();
    assert_eq!(odd.iter().collect::<Vec<_>>(), wanted[..300]);
}

/// What each of these lists may be ordered by, as with Neutron.
const ORDERS: [(&str, &[&str]); 5] = [
    ("networks", &["id", "name", "project_id", "tenant_id", "admin_state_up", "status", "mtu"]),
    (
        "subnets",
        &[
            "id",
            "name",
            "project_id",
            "network_id",
            "cidr",
            "enable_dhcp",
            "ip_version",
            "gateway_ip",
            "ipv6_ra_mode",
            "ipv6_address_mode",
            "subnetpool_id",
        ],
    ),
    (
        "ports",
        &[
            "id",
            "name",
            "project_id",
            "network_id",
            "admin_state_up",
            "mac_address",
            "device_id",
            "device_owner",
            "status",
        ],
    ),
    ("security_groups", &["id", "name", "project_id"]),
    (
        "security_group_rules",
        &[
            "id",
            "project_id",
            "security_group_id",
            "remote_group_id",
            "direction",
            "protocol",
            "port_range_min",
            "port_range_max",
            "ethertype",
            "remote_ip_prefix",
        ],
    ),
];

#[tokio::test]
async fn lists_are_ordered_by_what_neutron_orders_them_by() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    for subnet in [
        json!({"ip_version": 6, "cidr": "2001:db8:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}),
        json!({"ip_version": 4, "cidr": "10.0.9.0/24"}),
        json!({"ip_version": 4, "cidr": "10.0.10.0/24", "gateway_ip": null}),
        json!({"ip_version": 6, "cidr": "2001:db8:2::/64", "ipv6_ra_mode": "dhcpv6-stateful"}),
    ] {
        let mut subnet = subnet;
        subnet["network_id"] = network.clone();
        server.create("subnet", subnet).await;
    }
    server.create("port", json!({"network_id": network})).await;
    let group = server.create("security_group", json!({"name": "web"})).await["id"].clone();
    for (port, from) in [(443, json!("10.0.0.0/8")), (80, Value::Null)] {
        let rule = json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": port,
            "port_range_max": port, "remote_ip_prefix": from});
        server.create("security_group_rule", rule).await;
    }
    for (plural, keys) in ORDERS {
        for key in keys {
            // forwards, backwards, and page by page
            let up = server.ids(plural, &format!("sort_key={key}&sort_dir=asc")).await;
            let mut down = server.ids(plural, &format!("sort_key={key}&sort_dir=desc&sort_key=id&sort_dir=desc")).await;
            down.reverse();
            let exact = server.ids(plural, &format!("sort_key={key}&sort_dir=asc&sort_key=id&sort_dir=asc")).await;
            assert_eq!(exact, down, "{plural} by {key}");
            assert!(!up.is_empty());
            let mut pages = Vec::new();
            while pages.len() < up.len() {
                let marker = pages.last().map(|last| format!("&marker={last}")).unwrap_or_default();
                let page = server.ids(plural, &format!("sort_key={key}&sort_dir=asc&limit=1{marker}")).await;
                assert_eq!(page.len(), 1, "{plural} by {key}");
                pages.extend(page);
            }
            assert_eq!(pages, up, "{plural} by {key}");
        }
    }
    let values = async |plural: &str, key: &str| -> Vec<Value> {
        let answer = server.get(&format!("/v2.0/{}?sort_key={key}&sort_dir=asc", plural.replace('_', "-"))).await;
        answer[plural].as_array().unwrap().iter().map(|object| object[key].clone()).collect()
    };
    assert_eq!(values("subnets", "ip_version").await, [4, 4, 6, 6]);
    assert_eq!(values("subnets", "gateway_ip").await.first(), Some(&Value::Null));
    assert_eq!(
        values("subnets", "ipv6_ra_mode").await,
        json!([null, null, "dhcpv6-stateful", "slaac"]).as_array().unwrap()[..]
    );
    assert_eq!(values("security_group_rules", "port_range_min").await.last(), Some(&json!(443)));
}

#[tokio::test]
async fn bad_orders_and_conditions_are_refused() {
    let server = RestServer::start().await;
    for (query, message) in [
        ("sort_key=name", "The number of sort_keys and sort_dirs must be same"),
        ("sort_key=subnets&sort_dir=asc", "['subnets'] is invalid attribute for sort_keys"),
        ("sort_key=name&sort_dir=up", "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'"),
        ("foo=bar", "['foo'] is invalid attribute for filtering"),
    ] {
        let path = format!("/v2.0/networks?{query}");
        assert_eq!(server.refused(Method::GET, &path, None, 400, "HTTPBadRequest").await, message);
    }
    server.refused(Method::GET, "/v2.0/networks?admin_state_up=maybe", None, 400, "InvalidInput").await;
}
