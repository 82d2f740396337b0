//! `If-Match: revision_number=N`.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::rest_server::{RestServer, path};

async fn send(server: &RestServer, method: Method, path: &str, revision: &str, body: Option<Value>) -> (u16, Value) {
    let request = Client::new().request(method, format!("{}{path}", server.url)).header("if-match", revision);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_change_of_what_the_client_has_not_seen_is_refused() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({"name": "n"})).await;
    let network_id = network["id"].clone();
    let subnet = json!({"network_id": network_id, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = server.create("subnet", subnet).await;
    let port = server.create("port", json!({"network_id": network_id})).await;
    for (singular, id) in [("port", &port["id"]), ("subnet", &subnet["id"]), ("network", &network_id)] {
        let (path, body) = (path(singular, id), json!({singular: {"name": "new"}}));
        let seen = server.show(singular, id).await["revision_number"].as_i64().unwrap();
        let (status, changed) =
            send(&server, Method::PUT, &path, &format!("revision_number={seen}"), Some(body.clone())).await;
        assert_eq!((status, &changed[singular]["revision_number"]), (200, &json!(seen + 1)), "{changed}");
        // a quoted tag is the same
        for method in [Method::PUT, Method::DELETE] {
            let body = Some(body.clone()).filter(|_| method == Method::PUT);
            let (status, error) = send(&server, method, &path, &format!("\"revision_number={seen}\""), body).await;
            let error = &error["NeutronError"];
            assert_eq!((status, error["type"].as_str()), (412, Some("RevisionNumberConstraintFailed")));
            assert_eq!(error["message"], format!("Constrained to {seen}, but current revision is {}", seen + 1));
        }
        let (status, error) = send(&server, Method::DELETE, &path, "revision_number=x", None).await;
        assert_eq!((status, error["NeutronError"]["type"].as_str()), (400, Some("BadRequest")));
        let (status, _) = send(&server, Method::DELETE, &path, &format!("revision_number={}", seen + 1), None).await;
        // the deletion of the subnet and the port above changed the network
        assert_eq!(status, 204, "{singular}");
    }
}
