use std::process::Command;

use serde_json::Value;

use crate::hardening::{Server, post_ports};

/// The server gives at most 5,000 objects in a page.
const PORTS: usize = 5_200;

#[tokio::test]
async fn a_list_longer_than_a_page_is_whole() {
    let server = Server::start(&[]).await;
    culvert(&server, "network create n1 --type vxlan -o json");
    let network = culvert(&server, "network show n1 -o json")["id"].clone();
    let port = format!(r#"{{"network_id": {network}}}"#);
    for _ in 0..PORTS / 1300 {
        let body = format!(r#"{{"ports": [{}]}}"#, vec![port.as_str(); 1300].join(","));
        let answer = server.ask(&post_ports(&body)).await;
        assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
    }
    for (limit, expected) in [("", PORTS), ("--limit 10", 10), ("--limit 5100", 5100), ("--limit 9000", PORTS)] {
        let listed = culvert(&server, &format!("port list {limit} -c id -o json"));
        let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|port| port["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), expected, "{limit}");
        assert!(ids.windows(2).all(|two| two[0] < two[1]), "{limit}: one is there twice, or out of order");
    }
}

fn culvert(server: &Server, line: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_culvert"));
    command.args(line.split_whitespace()).env("CULVERT_SERVER", format!("http://{}", server.address));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
