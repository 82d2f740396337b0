use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::rest_server::{RestServer, path};

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

#[tokio::test]
async fn bad_bodies_get_neutrons_errors_and_leave_nothing() {
    let server = RestServer::start().await;
    for (body, kind, message) in [
        (json!({"network": {"foo": 1}}), "HTTPBadRequest", "Unrecognized attribute(s) 'foo'"),
        (json!({"network": {"status": "DOWN"}}), "HTTPBadRequest", "Attribute 'status' not allowed in POST"),
        (json!({"port": {}}), "HTTPBadRequest", "Unable to find 'network' in request body"),
        (json!({"networks": []}), "HTTPBadRequest", "Resources required"),
        (json!([]), "HTTPBadRequest", "Body contains invalid data"),
        (
            json!({"network": {"name": 7}}),
            "HTTPBadRequest",
            "Invalid input for name. Reason: '7' is not a valid string.",
        ),
        (
            json!({"network": {"admin_state_up": "maybe"}}),
            "InvalidInput",
            "Invalid input for operation: 'maybe' cannot be converted to boolean.",
        ),
        (json!({"network": {"mtu": "big"}}), "InvalidInput", "Invalid input for operation: 'big' is not an integer."),
        (
            json!({"network": {"mtu": 1451}}),
            "InvalidInput",
            "Invalid input for operation: Requested MTU is too big, maximum is 1450.",
        ),
        (
            json!({"network": {"provider:segmentation_id": 5}}),
            "InvalidInput",
            "Invalid input for operation: network_type required.",
        ),
    ] {
        let got = server.refused(Method::POST, "/v2.0/networks", Some(body), 400, kind).await;
        assert_eq!(got, message);
    }
    let long = json!({"network": {"name": "x".repeat(256)}});
    server.refused(Method::POST, "/v2.0/networks", Some(long), 400, "HTTPBadRequest").await;
    let too_large = json!({"network": {"provider:network_type": "vxlan", "provider:segmentation_id": 1 << 24}});
    server.refused(Method::POST, "/v2.0/networks", Some(too_large), 400, "InvalidInput").await;
    // one bad item of many: none is made
    let bulk = json!({"networks": [{"name": "good"}, {"mtu": 1}]});
    server.refused(Method::POST, "/v2.0/networks", Some(bulk), 400, "InvalidInput").await;
    assert_eq!(server.ids("networks", "").await, Vec::<String>::new());

    let network = server.create("network", json!({"name": "x".repeat(255)})).await;
    let read_only = json!({"network": {"name": "changed", "status": "DOWN"}});
    let path = path("network", &network["id"]);
    let message = server.refused(Method::PUT, &path, Some(read_only), 400, "HTTPBadRequest").await;
    assert_eq!(message, "Cannot update read-only attribute status");
    assert_eq!(server.show("network", &network["id"]).await, network, "nothing of it was done");
}

#[tokio::test]
async fn requests_that_no_resource_takes_are_refused() {
    let server = RestServer::start().await;
    server.refused(Method::GET, "/v2.0/nonsense", None, 404, "HTTPNotFound").await;
    server.refused(Method::GET, "/v3/networks", None, 404, "HTTPNotFound").await;
    server.refused(Method::DELETE, "/v2.0/networks", None, 405, "HTTPMethodNotAllowed").await;
    server.refused(Method::PATCH, "/v2.0/networks", None, 405, "HTTPMethodNotAllowed").await;
    server.refused(Method::POST, "/v2.0/agents", Some(json!({"agent": {}})), 405, "HTTPMethodNotAllowed").await;
    server.refused(Method::GET, "/v2.0/networks?foo=bar", None, 400, "HTTPBadRequest").await;
    server.refused(Method::GET, "/v2.0/networks?limit=-1", None, 400, "BadRequest").await;
    server.refused(Method::GET, "/v2.0/networks?sort_key=foo&sort_dir=asc", None, 400, "HTTPBadRequest").await;
    server.refused(Method::GET, &format!("/v2.0/networks?limit=1&marker={NOBODY}"), None, 404, "NetworkNotFound").await;
    for (singular, kind) in [
        ("network", "NetworkNotFound"),
        ("subnet", "SubnetNotFound"),
        ("port", "PortNotFound"),
        ("agent", "AgentNotFound"),
    ] {
        for id in [NOBODY, "some-name"] {
            let path = path(singular, &json!(id));
            server.refused(Method::GET, &path, None, 404, kind).await;
            server.refused(Method::DELETE, &path, None, 404, kind).await;
            server.refused(Method::PUT, &path, Some(json!({singular: {}})), 404, kind).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_json_or_too_much_is_refused() {
    let server = RestServer::start().await;
    let post = |content_type: &'static str, body: Vec<u8>| {
        let request = Client::new().post(format!("{}/v2.0/networks", server.url));
        async move {
            let response = request.header("content-type", content_type).body(body).send().await.unwrap();
            let status = response.status().as_u16();
            (status, response.json::<Value>().await.unwrap()["NeutronError"]["type"].as_str().unwrap().to_owned())
        }
    };
    let refused = |status: u16, kind: &str| (status, kind.to_owned());
    assert_eq!(post("application/json", b"{".to_vec()).await, refused(400, "HTTPBadRequest"));
    assert_eq!(post("application/json", vec![0xff, 0xfe]).await, refused(400, "HTTPBadRequest"));
    assert_eq!(post("application/json", "[".repeat(100_000).into_bytes()).await, refused(400, "HTTPBadRequest"));
    // what a browser sends on any page's behalf
    let body = br#"{"network": {}}"#.to_vec();
    assert_eq!(post("text/plain", body).await, refused(415, "HTTPUnsupportedMediaType"));
    assert_eq!(post("application/json", vec![b' '; 3 << 20]).await, refused(413, "HTTPRequestEntityTooLarge"));
    assert_eq!(server.ids("networks", "").await, Vec::<String>::new());
}

/// Every attribute of every resource with values that it may not be ready for.
#[tokio::test]
async fn no_value_of_any_attribute_is_a_server_error() {
    let server = RestServer::start().await;
    let network = server.create("network", json!({})).await;
    let subnet = json!({"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = server.create("subnet", subnet).await;
    let port = server.create("port", json!({"network_id": network["id"]})).await;
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("\0"),
        json!("ü".repeat(256)),
        json!("::"),
        json!("10.0.0.0/33"),
        json!([]),
        json!([null]),
        json!([[]]),
        json!([{}]),
        json!(["x", "x"]),
        json!([{"subnet_id": null, "ip_address": null}]),
        json!([{"start": "10.0.0.9", "end": "::1"}]),
        json!({}),
        json!({"a": {"b": [1, null]}}),
    ];
    let (mut accepted, mut refused) = (0, 0);
    for (singular, object) in [("network", &network), ("subnet", &subnet), ("port", &port)] {
        for attribute in object.as_object().unwrap().keys() {
            for value in &odd {
                let mut body = match singular {
                    "subnet" => json!({"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"}),
                    "port" => json!({"network_id": network["id"]}),
                    _ => json!({}),
                };
                body[attribute] = value.clone();
                let post = Some(json!({singular: body}));
                let (created, answer) = server.send(Method::POST, &format!("/v2.0/{singular}s"), post.as_ref()).await;
                assert!(!created.is_server_error(), "{post:?}: {answer}");
                if created.is_success() {
                    server.delete(singular, &answer[singular]["id"]).await;
                }
                let put = Some(json!({singular: {attribute: value}}));
                let (updated, answer) = server.send(Method::PUT, &path(singular, &object["id"]), put.as_ref()).await;
                assert!(!updated.is_server_error(), "{put:?}: {answer}");
                for status in [created, updated] {
                    if status.is_success() { accepted += 1 } else { refused += 1 }
                }
            }
            let query = format!("/v2.0/{singular}s?{attribute}=%00&sort_key={attribute}");
            let (listed, answer) = server.send(Method::GET, &query, None).await;
            assert!(!listed.is_server_error(), "{query}: {answer}");
        }
        server.show(singular, &object["id"]).await;
    }
    assert!(accepted > 50 && refused > 1000, "{accepted} were accepted, {refused} refused");
    server.store.check_integrity().await.unwrap();
}
