use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use server::rest::Settings;

use crate::rest_server::{RestServer, path};

const CLIENTS: usize = 16;
const EACH: usize = 8;
/// Updates by each client of each object that all of them change.
const CHANGES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn clients_in_one_network_get_nothing_twice_and_lose_no_update() {
    // exactly as many keys and addresses as are asked for: a double one would leave another request without
    let count = u32::try_from(CLIENTS * EACH).unwrap();
    let server = Arc::new(RestServer::start_with(Settings { gre_keys: 1..=count, ..Settings::default() }).await);
    let shared = server.create("network", json!({"name": "0"})).await;
    let network = shared["id"].clone();
    let pools = json!([{"start": "10.0.0.2", "end": "10.0.0.129"}]);
    let body =
        json!({"network_id": network, "name": "0", "ip_version": 4, "cidr": "10.0.0.0/24", "allocation_pools": pools});
    let subnet = server.create("subnet", body).await["id"].clone();
    let port = server.create("port", json!({"network_id": network, "name": "0", "fixed_ips": []})).await;
    let mut counters = Vec::new();
    for (singular, id) in [("network", &network), ("subnet", &subnet), ("port", &port["id"])] {
        counters.push((singular, server.show(singular, id).await));
    }

    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(client(server.clone(), network.clone(), counters.clone()))).collect();
    let (mut ips, mut macs, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut ports = Vec::new();
    for client in clients {
        for (port, other) in client.await.unwrap() {
            assert!(ips.insert(text(&port["fixed_ips"][0]["ip_address"])), "{port}");
            assert!(macs.insert(text(&port["mac_address"])), "{port}");
            assert!(keys.insert(other["provider:segmentation_id"].as_u64().unwrap()), "{other}");
            ports.push(port["id"].clone());
        }
    }
    assert_eq!((ips.len(), macs.len(), keys.len()), (CLIENTS * EACH, CLIENTS * EACH, CLIENTS * EACH));

    // each client counted on from what it had seen, so nobody's step is missing
    for (singular, before) in counters {
        let counted = server.show(singular, &before["id"]).await;
        assert_eq!(counted["name"], (CLIENTS * CHANGES).to_string(), "{singular}");
        let changes = counted["revision_number"].as_u64().unwrap() - before["revision_number"].as_u64().unwrap();
        assert_eq!(changes, (CLIENTS * CHANGES) as u64, "a refused change of a {singular} counts as none");
    }

    // the pool is empty, and has all of its addresses back when the ports are gone
    let one = json!({"port": {"network_id": network}});
    server.refused(Method::POST, "/v2.0/ports", Some(one), 409, "IpAddressGenerationFailure").await;
    let deletions: Vec<_> = ports
        .chunks(EACH)
        .map(|some| {
            let (server, some) = (server.clone(), some.to_vec());
            tokio::spawn(async move {
                for port in some {
                    server.delete("port", &port).await;
                }
            })
        })
        .collect();
    for deletion in deletions {
        deletion.await.unwrap();
    }
    let many: Vec<Value> = (0..CLIENTS * EACH).map(|_| json!({"network_id": network})).collect();
    let (status, answer) = server.send(Method::POST, "/v2.0/ports", Some(&json!({"ports": many}))).await;
    assert_eq!(status.as_u16(), 201, "{answer}");
    let again = answer["ports"].as_array().unwrap().iter().map(|port| text(&port["fixed_ips"][0]["ip_address"]));
    assert_eq!(again.collect::<HashSet<_>>(), ips);
    assert_eq!(answer["ports"][0]["fixed_ips"][0]["subnet_id"], subnet);
}

/// Makes ports and networks, deletes some and makes others for them, and counts on in the names of what all share.
async fn client(server: Arc<RestServer>, network: Value, counters: Vec<(&str, Value)>) -> Vec<(Value, Value)> {
    let mut made = Vec::new();
    for turn in 0..EACH {
        let port = server.create("port", json!({"network_id": network})).await;
        let changed = server.update("port", &port["id"], json!({"name": format!("turn {turn}")})).await;
        // it is what was written, and is read back so
        assert_eq!((&changed["name"], &changed["fixed_ips"]), (&json!(format!("turn {turn}")), &port["fixed_ips"]));
        assert_eq!(server.show("port", &port["id"]).await, changed);
        let other = server.create("network", json!({"provider:network_type": "gre"})).await;
        if turn % 2 == 0 {
            server.delete("port", &port["id"]).await;
            let port = server.create("port", json!({"network_id": network})).await;
            made.push((port, other));
        } else {
            made.push((port, other));
        }
        if turn < CHANGES {
            for (singular, counter) in &counters {
                count_on(&server, singular, &counter["id"]).await;
            }
        }
    }
    made
}

async fn count_on(server: &RestServer, singular: &str, id: &Value) {
    let client = Client::new();
    loop {
        let seen = server.show(singular, id).await;
        let next = seen["name"].as_str().unwrap().parse::<usize>().unwrap() + 1;
        let request = client.put(format!("{}{}", server.url, path(singular, id)));
        let request = request.header("if-match", format!("revision_number={}", seen["revision_number"]));
        let answer = request.json(&json!({singular: {"name": next.to_string()}})).send().await.unwrap();
        match answer.status().as_u16() {
            200 => return,
            412 => {}
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_clients_release_are_given_again_and_never_to_two() {
    // as many as there can be at a time: one that is not returned leaves a client without
    let keys = u32::try_from(CLIENTS).unwrap();
    let server = Arc::new(RestServer::start_with(Settings { gre_keys: 1..=keys, ..Settings::default() }).await);
    let held = Arc::new(Mutex::new(HashSet::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (server, held) = (server.clone(), held.clone());
            tokio::spawn(async move {
                for turn in 0..EACH {
                    let network = server.create("network", json!({"provider:network_type": "gre"})).await;
                    let key = network["provider:segmentation_id"].as_u64().unwrap();
                    assert!((1..=u64::from(keys)).contains(&key), "{network}");
                    assert!(held.lock().unwrap().insert(key), "{key} is given to two");
                    // with a subnet that comes and goes with it, every other time
                    if (number + turn) % 2 == 0 {
                        let subnet = json!({"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
                        server.create("subnet", subnet).await;
                    }
                    assert!(held.lock().unwrap().remove(&key));
                    server.delete("network", &network["id"]).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    // all are there, and no more
    let mut again = HashSet::new();
    for _ in 0..CLIENTS {
        let network = server.create("network", json!({"provider:network_type": "gre"})).await;
        again.insert(network["provider:segmentation_id"].as_u64().unwrap());
    }
    assert_eq!(again, (1..=u64::from(keys)).collect());
    let one = json!({"network": {"provider:network_type": "gre"}});
    server.refused(Method::POST, "/v2.0/networks", Some(one), 503, "NoNetworkAvailable").await;
}

/// Without `If-Match`, too: a change says what is to be another, and leaves the rest.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_change_different_attributes_of_one_object_take_nothing_from_each_other() {
    let server = Arc::new(RestServer::start().await);
    let network = server.create("network", json!({})).await["id"].clone();
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = server.create("subnet", body).await["id"].clone();
    let port = server.create("port", json!({"network_id": network})).await["id"].clone();
    let group = server.create("security_group", json!({"name": "web"})).await["id"].clone();
    let attributes = |singular| match singular {
        "network" => ["name", "description", "dns_domain"].as_slice(),
        "port" => &["name", "description", "device_id", "dns_name"],
        _ => &["name", "description"],
    };
    for (singular, id) in [("network", network), ("subnet", subnet), ("port", port), ("security_group", group)] {
        let before = server.show(singular, &id).await["revision_number"].as_u64().unwrap();
        let clients: Vec<_> = attributes(singular)
            .iter()
            .map(|attribute| {
                let (server, id) = (server.clone(), id.clone());
                tokio::spawn(async move {
                    for turn in 0..CLIENTS {
                        let value =
                            format!("{}{turn}{}", &attribute[..1], if *attribute == "dns_domain" { "." } else { "" });
                        let changed = server.update(singular, &id, json!({*attribute: value})).await;
                        assert_eq!(changed[attribute], value);
                        // nobody else changes this one
                        assert_eq!(server.show(singular, &id).await[attribute], value, "{singular}");
                    }
                })
            })
            .collect();
        let count = clients.len() * CLIENTS;
        for client in clients {
            client.await.unwrap();
        }
        let after = server.show(singular, &id).await;
        let changes = after["revision_number"].as_u64().unwrap() - before;
        assert_eq!(changes, count as u64, "each change of the {singular} is one");
    }
}

/// Subnets come, change and go in one network.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_change_the_subnets_of_one_network_lose_none() {
    let server = Arc::new(RestServer::start().await);
    let network = server.create("network", json!({})).await["id"].clone();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (server, network) = (server.clone(), network.clone());
            tokio::spawn(async move {
                let mut kept = Vec::new();
                for turn in 0..CHANGES {
                    let cidr = format!("10.{number}.{turn}.0/24");
                    let body = json!({"network_id": network, "ip_version": 4, "cidr": cidr});
                    let subnet = server.create("subnet", body).await["id"].clone();
                    let pools =
                        json!([{"start": format!("10.{number}.{turn}.9"), "end": format!("10.{number}.{turn}.9")}]);
                    server.update("subnet", &subnet, json!({"name": cidr, "allocation_pools": pools})).await;
                    server.update("network", &network, json!({"name": cidr})).await;
                    let shown = server.show("subnet", &subnet).await;
                    assert_eq!((&shown["name"], &shown["allocation_pools"]), (&json!(cidr), &pools));
                    if turn % 2 == 0 {
                        server.delete("subnet", &subnet).await;
                    } else {
                        kept.push(subnet.as_str().unwrap().to_owned());
                    }
                }
                kept
            })
        })
        .collect();
    let mut kept = HashSet::new();
    for client in clients {
        kept.extend(client.await.unwrap());
    }
    assert_eq!(kept.len(), CLIENTS * CHANGES / 2);
    let shown = server.show("network", &network).await["subnets"].clone();
    let shown = shown.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
    assert_eq!(shown.collect::<HashSet<_>>(), kept);
    // each gives the one address of its pool, and no other
    let ports: Vec<Value> =
        kept.iter().map(|subnet| json!({"network_id": network, "fixed_ips": [{"subnet_id": subnet}]})).collect();
    let (status, answer) = server.send(Method::POST, "/v2.0/ports", Some(&json!({"ports": ports}))).await;
    assert_eq!(status.as_u16(), 201, "{answer}");
    for (port, subnet) in answer["ports"].as_array().unwrap().iter().zip(&kept) {
        let ip = &port["fixed_ips"][0];
        assert!(ip["subnet_id"] == **subnet && ip["ip_address"].as_str().unwrap().ends_with(".9"), "{ip}");
        server
            .refused(
                Method::POST,
                "/v2.0/ports",
                Some(json!({"port": {"network_id": network,
            "fixed_ips": [{"subnet_id": subnet}]}})),
                409,
                "IpAddressGenerationFailure",
            )
            .await;
    }
}
