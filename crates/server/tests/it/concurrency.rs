use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use server::rest::Settings;

use crate::rest_server::RestServer;

const TASKS: usize = 16;
const EACH: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_out_twice_to_concurrent_requests() {
    // exactly as many keys and addresses as are asked for: a double one would leave another request without
    let count = u32::try_from(TASKS * EACH).unwrap();
    let server = Arc::new(RestServer::start_with(Settings { gre_keys: 1..=count, ..Settings::default() }).await);
    let network = server.create("network", json!({})).await["id"].clone();
    let pools = json!([{"start": "10.0.0.2", "end": "10.0.0.129"}]);
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24", "allocation_pools": pools});
    server.create("subnet", body).await;

    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (server, network) = (server.clone(), network.clone());
            tokio::spawn(async move {
                let mut made = Vec::new();
                for _ in 0..EACH {
                    let port = server.create("port", json!({"network_id": network})).await;
                    let other = server.create("network", json!({"provider:network_type": "gre"})).await;
                    made.push((port, other));
                }
                made
            })
        })
        .collect();
    let (mut ips, mut macs, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for task in tasks {
        for (port, other) in task.await.unwrap() {
            assert!(ips.insert(text(&port["fixed_ips"][0]["ip_address"])), "{port}");
            assert!(macs.insert(text(&port["mac_address"])), "{port}");
            assert!(keys.insert(other["provider:segmentation_id"].as_u64().unwrap()), "{other}");
        }
    }
    assert_eq!((ips.len(), macs.len(), keys.len()), (TASKS * EACH, TASKS * EACH, TASKS * EACH));
}
