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
const EXAMPLES: &str = "12";

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
