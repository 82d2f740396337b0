use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::rest_server::{RestServer, path};

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// The path of a network's tags, or of one of them.
fn tags(network: &Value, tag: Option<&str>) -> String {
    let tag = tag.map(|tag| format!("/{tag}")).unwrap_or_default();
    format!("{}/tags{tag}", path("network", network))
}

#[tokio::test]
async fn tags_come_and_go_and_each_change_counts_once() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await;
    let (id, before) = (&network["id"], network["revision_number"].as_i64().unwrap());
    for tag in ["red", "blue", "red"] {
        let (status, _) = server.send(Method::PUT, &tags(id, Some(tag)), None).await;
        assert_eq!(status, StatusCode::CREATED);
    }
    let shown = server.show("network", id).await;
    assert_eq!((&shown["tags"], &shown["revision_number"]), (&json!(["blue", "red"]), &json!(before + 2)));
    assert_eq!(server.send(Method::GET, &tags(id, Some("red")), None).await.0, StatusCode::NO_CONTENT);
    server.refused(Method::GET, &tags(id, Some("green")), None, 404, "TagNotFound").await;
    server.refused(Method::DELETE, &tags(id, Some("green")), None, 404, "TagNotFound").await;
    assert_eq!(server.send(Method::DELETE, &tags(id, Some("red")), None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&tags(id, None)).await, json!({"tags": ["blue"]}));

    let all = json!({"tags": ["green", "amber"]});
    assert_eq!(server.send(Method::PUT, &tags(id, None), Some(&all)).await, (StatusCode::OK, all));
    assert_eq!(server.get(&tags(id, None)).await, json!({"tags": ["amber", "green"]}));
    // a change of something else leaves them
    let renamed = server.update("network", id, json!({"name": "n"})).await;
    assert_eq!(renamed["tags"], json!(["amber", "green"]));
    assert_eq!(server.send(Method::DELETE, &tags(id, None), None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(server.show("network", id).await["tags"], json!([]));

    for (body, message) in [
        (json!({}), "Invalid tags body"),
        (json!({"tags": "x"}), "'x' is not a list"),
        (json!({"tags": [7]}), "'7' is not a valid string"),
        (json!({"tags": ["red", "red"]}), "Duplicate items in the list: 'red'"),
    ] {
        let got = server.refused(Method::PUT, &tags(id, None), Some(body), 400, "InvalidInput").await;
        assert_eq!(got, format!("Invalid input for operation: {message}."));
    }
    server.refused(Method::PUT, &tags(id, Some(&"x".repeat(256))), None, 400, "InvalidInput").await;
    let message =
        server.refused(Method::PUT, &tags(&json!(NOBODY), Some("red")), None, 404, "TagResourceNotFound").await;
    assert_eq!(message, format!("Resource networks {NOBODY} could not be found."));
    server
        .refused(Method::PUT, &path("network", id), Some(json!({"network": {"tags": []}})), 400, "HTTPBadRequest")
        .await;
}

#[tokio::test]
async fn whatever_can_have_tags_has_them_and_is_found_by_them() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = server.create("subnet", subnet).await["id"].clone();
    let group = server.create("security_group", json!({"name": "web"})).await["id"].clone();
    let plain = server.create("port", json!({"network_id": network})).await["id"].clone();
    // ports can have them from the beginning
    let port = server.create("port", json!({"network_id": network, "tags": ["red", "blue"]})).await;
    assert_eq!(port["tags"], json!(["red", "blue"]));
    for (singular, id) in [("network", &network), ("subnet", &subnet), ("security_group", &group)] {
        let one = format!("{}/tags/red", path(singular, id));
        assert_eq!(server.send(Method::PUT, &one, None).await.0, StatusCode::CREATED);
        assert_eq!(server.show(singular, id).await["tags"], json!(["red"]));
        assert_eq!(json!(server.ids(&format!("{singular}s"), "tags=red").await), json!([id]));
    }
    assert_eq!(json!(server.ids("ports", "tags=red,blue").await), json!([port["id"]]));
    assert_eq!(json!(server.ids("ports", "tags-any=red,green").await), json!([port["id"]]));
    assert_eq!(json!(server.ids("ports", "not-tags=red,blue").await), json!([plain]));
    assert_eq!(json!(server.ids("ports", "not-tags-any=blue").await), json!([plain]));
    assert!(server.ids("ports", "tags=red,green").await.is_empty());
}

/// Two who add a tag each both keep theirs.
#[tokio::test]
async fn tags_of_many_at_once_are_all_kept() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await["id"].clone();
    let paths: Vec<String> = (0..16).map(|tag| tags(&network, Some(&format!("t{tag:02}")))).collect();
    futures::future::join_all(paths.iter().map(|path| server.send(Method::PUT, path, None))).await;
    let wanted: Vec<String> = (0..16).map(|tag| format!("t{tag:02}")).collect();
    assert_eq!(server.get(&tags(&network, None)).await, json!({"tags": wanted}));
}
