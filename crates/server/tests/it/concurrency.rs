use std::collections::HashSet;
use std::sync::Arc;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use server::rest::Settings;

use crate::rest_server::{RestServer, path};

const CLIENTS: usize = 16;
const EACH: usize = 8;
/// Updates of the one port that all clients change.
const CHANGES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn clients_in_one_network_get_nothing_twice_and_lose_no_update() {
    // exactly as many keys and addresses as are asked for: a double one would leave another request without
    let count = u32::try_from(CLIENTS * EACH).unwrap();
    let server = Arc::new(RestServer::start_with(Settings { gre_keys: 1..=count, ..Settings::default() }).await);
    let network = server.create("network", json!({})).await["id"].clone();
    let pools = json!([{"start": "10.0.0.2", "end": "10.0.0.129"}]);
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24", "allocation_pools": pools});
    let subnet = server.create("subnet", body).await["id"].clone();
    let counter = server.create("port", json!({"network_id": network, "name": "0", "fixed_ips": []})).await;

    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(client(server.clone(), network.clone(), counter["id"].clone()))).collect();
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
    let counted = server.show("port", &counter["id"]).await;
    assert_eq!(counted["name"], (CLIENTS * CHANGES).to_string());
    let changes = counted["revision_number"].as_u64().unwrap() - counter["revision_number"].as_u64().unwrap();
    assert_eq!(changes, (CLIENTS * CHANGES) as u64, "a refused change counts as none");

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

/// Makes ports and networks, deletes some and makes others for them, and counts on in the name of the one port.
async fn client(server: Arc<RestServer>, network: Value, counter: Value) -> Vec<(Value, Value)> {
    let mut made = Vec::new();
    for turn in 0..EACH {
        let port = server.create("port", json!({"network_id": network})).await;
        server.update("port", &port["id"], json!({"name": "changed"})).await;
        let other = server.create("network", json!({"provider:network_type": "gre"})).await;
        if turn % 2 == 0 {
            server.delete("port", &port["id"]).await;
            let port = server.create("port", json!({"network_id": network})).await;
            made.push((port, other));
        } else {
            made.push((port, other));
        }
        if turn < CHANGES {
            count_on(&server, &counter).await;
        }
    }
    made
}

async fn count_on(server: &RestServer, counter: &Value) {
    let client = Client::new();
    loop {
        let seen = server.show("port", counter).await;
        let next = seen["name"].as_str().unwrap().parse::<usize>().unwrap() + 1;
        let request = client.put(format!("{}{}", server.url, path("port", counter)));
        let request = request.header("if-match", format!("revision_number={}", seen["revision_number"]));
        let answer = request.json(&json!({"port": {"name": next.to_string()}})).send().await.unwrap();
        match answer.status().as_u16() {
            200 => return,
            412 => {}
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
}
