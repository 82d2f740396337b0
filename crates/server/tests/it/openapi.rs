//! The API keeps what its description says: schemathesis makes requests from it, good and bad, and checks the answers.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::rest::Settings;
use tokio::process::Command;

use crate::rest_server::{RestServer, path};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/openstack-client");
/// Where `schemathesis_hooks` is.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
/// No answer of 500 or more but one, none with a status, type or body that is not described.
const CHECKS: &str = "no_error_of_the_servers_but_a_binding_that_fails,status_code_conformance,\
    content_type_conformance,response_schema_conformance";
/// Requests for each operation and phase.
const EXAMPLES: &str = "6";

#[tokio::test]
async fn schemathesis_finds_no_answer_that_is_not_described() {
    let server = start().await;
    let answers = schemathesis(&server, "1", &["--max-examples", EXAMPLES]).await;
    // and it did reach the server
    assert!(answers.contains_key("POST /v2.0/networks 201") && answers.len() > 200, "{answers:#?}");
}

/// What the first seldom comes to: requests that name what is there, on hosts of which some cannot bind.
#[tokio::test]
async fn schemathesis_binds_ports() {
    let server = start().await;
    let paths = "/(ports|subnets|security-group-rules)$|/bindings";
    let options = ["--phases", "fuzzing", "--include-path-regex", paths, "--mode", "positive", "--max-examples", "50"];
    let bindings = "/v2.0/ports/{id}/bindings";
    let wanted: BTreeSet<String> = [
        ("POST /v2.0/subnets".to_owned(), &[201, 400][..]),
        ("POST /v2.0/ports".to_owned(), &[201, 400]),
        ("POST /v2.0/security-group-rules".to_owned(), &[201, 400]),
        (format!("GET {bindings}"), &[200]),
        (format!("POST {bindings}"), &[201, 409, 500]),
        (format!("GET {bindings}/{{host}}"), &[200, 404]),
        (format!("PUT {bindings}/{{host}}"), &[200, 404, 500]),
        (format!("DELETE {bindings}/{{host}}"), &[204, 404]),
        (format!("PUT {bindings}/{{host}}/activate"), &[200, 404, 409, 500]),
    ]
    .into_iter()
    .flat_map(|(request, statuses)| statuses.iter().map(move |status| format!("{request} {status}")))
    .collect();
    // What a request comes to depends on those before it, and on ids that are never the same: it goes on until it has come
    // to everything.
    let mut came = BTreeSet::new();
    for seed in ["1", "2", "3", "4", "5"] {
        came.extend(schemathesis(&server, seed, &options).await.into_keys());
        if came.is_superset(&wanted) {
            return;
        }
    }
    panic!("{:#?} never came: {came:#?}", wanted.difference(&came));
}

async fn start() -> RestServer {
    // so many that they do not run out
    RestServer::start_with(Settings { vxlan_keys: 1001..=60_000, ..Settings::default() }).await
}

/// Lets it make requests, all of which must be answered as described; the answers: method, path and status, how often.
async fn schemathesis(server: &RestServer, seed: &str, options: &[&str]) -> BTreeMap<String, usize> {
    let answers = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(SCRIPT)
        .args(["--python", "-m", "schemathesis.cli", "run", &format!("{}/openapi.json", server.url)])
        .args(["--checks", CHECKS, "--seed", seed, "--generation-database", "none"])
        .args(["--no-color", "--suppress-health-check", "all"])
        .args(options)
        .env("HYPOTHESIS_STORAGE_DIRECTORY", std::env::temp_dir())
        .env("PYTHONPATH", TESTS)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env("OBJECTS", objects(server).await.to_string())
        .env("ANSWERS", answers.path())
        .current_dir(std::env::temp_dir())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let mut counts = BTreeMap::new();
    for answer in std::fs::read_to_string(answers.path()).unwrap().lines() {
        *counts.entry(answer.to_owned()).or_default() += 1;
    }
    counts
}

/// What requests are to name: networks and groups to have something in, VMs' ports of all conditions, hosts that are
/// alive, one that is lost, and one that nobody has heard of.
async fn objects(server: &RestServer) -> Value {
    for (host, endpoint) in [("alive", "10.0.1.31"), ("also-alive", "10.0.1.39"), ("lost", "10.0.1.21")] {
        server.connect_host(host, endpoint).await;
    }
    let network = server.create("network", json!({})).await["id"].clone();
    let group = server.create("security_group", json!({})).await["id"].clone();
    let mut ports = Vec::new();
    for number in 0..24 {
        let body = json!({"network_id": network, "device_owner": "compute:nova", "binding:host_id": "alive"});
        let port = server.create("port", body).await["id"].clone();
        for host in ["also-alive", "lost"].iter().take(number % 3 * 2) {
            let bindings = format!("{}/bindings", path("port", &port));
            let (status, answer) =
                server.send(Method::POST, &bindings, Some(&json!({"binding": {"host": host}}))).await;
            assert_eq!(status, StatusCode::CREATED, "{answer}");
        }
        ports.push(port);
    }
    server.lose_host("lost");
    let hosts = ["alive", "also-alive", "lost", "unheard-of"];
    json!({"network_id": [network], "security_group_id": [group], "id": ports, "host": hosts})
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
