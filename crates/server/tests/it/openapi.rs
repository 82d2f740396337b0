//! The API keeps what its description says: schemathesis makes requests from it, good and bad, and checks the answers.

use reqwest::Method;
use serde_json::json;
use server::rest::Settings;
use tokio::process::Command;

use crate::rest_server::RestServer;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/openstack-client");
/// No answer of 500 or more, none with a status, type or body that is not described.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// Requests for each operation and phase.
const EXAMPLES: &str = "6";

#[tokio::test]
async fn schemathesis_finds_no_answer_that_is_not_described() {
    // so many that they do not run out
    let server = RestServer::start_with(Settings { vxlan_keys: 1001..=60_000, ..Settings::default() }).await;
    let output = Command::new(SCRIPT)
        .args(["--python", "-m", "schemathesis.cli", "run", &format!("{}/openapi.json", server.url)])
        .args(["--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", "1", "--generation-database", "none"])
        .args(["--no-color", "--suppress-health-check", "all"])
        .env("HYPOTHESIS_STORAGE_DIRECTORY", std::env::temp_dir())
        .current_dir(std::env::temp_dir())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // and it did reach the server
    assert!(!server.ids("networks", "limit=5").await.is_empty(), "{said}");
}

#[tokio::test]
async fn the_description_is_of_what_is_served() {
    let server = RestServer::start().await;
    let document = server.get("/openapi.json").await;
    assert_eq!((&document["openapi"], &document["servers"][0]["url"]), (&json!("3.1.0"), &json!(server.url)));
    let shown = server.create("network", json!({})).await;
    let described = document["components"]["schemas"]["Network"]["properties"].as_object().unwrap();
    let names: Vec<&String> = shown.as_object().unwrap().keys().collect();
    assert_eq!(described.keys().collect::<Vec<_>>(), names);
    // what a creation may say is what a creation takes
    let mut network = json!({});
    for name in document["components"]["schemas"]["NetworkCreate"]["properties"].as_object().unwrap().keys() {
        network[name] = shown[name].clone();
    }
    network["provider:segmentation_id"] = json!(77);
    let (status, answer) = server.send(Method::POST, "/v2.0/networks", Some(&json!({"network": network}))).await;
    assert_eq!(status.as_u16(), 201, "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_described_where_none_is_expected() {
    let server = RestServer::start().await;
    let document = server.get("/openapi.json").await;
    for (method, path, described) in [
        (Method::GET, "/v2.0/networks?limit=1", "/v2.0/networks"),
        (Method::PUT, "/v2.0/networks/x/tags/t", "/v2.0/networks/{id}/tags/{tag}"),
        (Method::DELETE, "/v2.0/ports/x", "/v2.0/ports/{id}"),
        (Method::GET, "/v2.0/extensions", "/v2.0/extensions"),
    ] {
        let responses = &document["paths"][described][method.as_str().to_lowercase()]["responses"];
        for status in ["408", "413", "503"] {
            assert!(responses.get(status).is_some(), "{method} {described}: {status}");
        }
        let body = Some(json!(" ".repeat(3 << 20)));
        server.refused(method, path, body, 413, "HTTPRequestEntityTooLarge").await;
    }
}

#[tokio::test]
async fn the_filters_by_tags_are_described() {
    let server = RestServer::start().await;
    let document = server.get("/openapi.json").await;
    for (path, tagged) in [("/v2.0/networks", true), ("/v2.0/ports", true), ("/v2.0/agents", false)] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        for name in ["tags", "tags-any", "not-tags", "not-tags-any"] {
            let described = parameters.iter().filter(|parameter| parameter["name"] == name).count();
            assert_eq!(described, usize::from(tagged), "{path}: {name}");
        }
    }
}

/// Another path is served by nobody, and another method of these paths by nobody: the description is made of the routes.
#[tokio::test]
async fn what_is_described_is_served_and_no_other_method() {
    let server = RestServer::start().await;
    let document = server.get("/openapi.json").await;
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path =
            path.replace("{alias}", "binding").replace("{id}", "x").replace("{host}", "h1").replace("{tag}", "t");
        let path = path.replace("{project}", "p1");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let (status, answer) = server.send(method.parse().unwrap(), &path, None).await;
            let error = answer["NeutronError"]["message"].as_str().unwrap_or_default();
            let missing = status == 405 || error == "The resource could not be found.";
            assert_eq!(missing, methods.get(method.to_lowercase()).is_none(), "{method} {path}: {status}: {answer}");
            let described = &methods[method.to_lowercase()]["responses"];
            assert!(missing || described.get(status.as_str()).is_some(), "{method} {path}: {status} is not described");
            operations += usize::from(!missing);
        }
    }
    assert!(operations > 60, "{operations}");
    for path in ["/v2.0/ports/x/bindings/h1/activate", "/v2.0/quotas/p1/details", "/v2.0/security-groups/x/tags/t"] {
        server.refused(Method::GET, &format!("{path}/further"), None, 404, "HTTPNotFound").await;
    }
}
