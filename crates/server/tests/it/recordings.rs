//! A recorded run of the `openstack` client against a stock Neutron 21, replayed against this server: the same statuses,
//! errors, attributes and types, and, but for what is random or ours to choose, the same values.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::rest_server::RestServer;

const RECORDING: &str = include_str!("../recordings/neutron-21.json");

/// Attributes whose values are not Neutron's: made at random or by the clock, or of parts that are not here yet.
const OURS: &[&str] = &[
    "id",
    "created_at",
    "updated_at",
    "revision_number",
    "mac_address",
    "allowed_address_pairs",
    "security_groups",
    "provider:segmentation_id",
    "binding:vif_details",
];

/// An extension that is here, and was not there.
const MORE: &str = "/v2.0/extensions/tag-ports-during-bulk-creation";

/// The port whose address Neutron chose at random.
const RANDOM_ADDRESS: &str = "cli-p2";

#[tokio::test]
async fn a_recorded_run_of_the_client_gets_the_same_answers() {
    let server = RestServer::start().await;
    server.connect_host("compute1", "10.0.1.31").await;
    server.connect_host("compute2", "10.0.1.39").await;
    let recording: Vec<Value> = serde_json::from_str(RECORDING).unwrap();
    let mut replay = Replay::default();
    for exchange in &recording {
        let path = replay.translate(&exchange["path"]);
        let path = path.as_str().unwrap();
        if path == MORE {
            server.get(path).await;
            continue;
        }
        let body = replay.translate(&exchange["body"]);
        let method: Method = exchange["method"].as_str().unwrap().parse().unwrap();
        let (status, answer) = server.send(method, path, Some(&body).filter(|body| !body.is_null())).await;
        assert_eq!(json!(status.as_u16()), exchange["status"], "{exchange}\n{answer}");
        replay.compare(&exchange["response"], &answer, path);
    }
    assert!(replay.compared > 40, "only {} objects were compared", replay.compared);
}

#[derive(Default)]
struct Replay {
    /// Recorded id → ours.
    ids: HashMap<String, String>,
    compared: usize,
}

impl Replay {
    /// A recorded value with our ids in it.
    fn translate(&self, value: &Value) -> Value {
        let mut text = value.to_string();
        for (recorded, ours) in &self.ids {
            text = text.replace(recorded, ours);
        }
        serde_json::from_str(&text).unwrap()
    }

    fn compare(&mut self, recorded: &Value, ours: &Value, path: &str) {
        let Some(recorded) = recorded.as_object() else { return };
        for (name, recorded) in recorded {
            let ours = &ours[name];
            match recorded {
                Value::Array(list) => {
                    for recorded in list {
                        let id = recorded["id"].as_str().and_then(|id| self.ids.get(id)).unwrap();
                        let ours = ours.as_array().unwrap().iter().find(|ours| ours["id"] == json!(id)).unwrap();
                        self.compare_objects(recorded.as_object().unwrap(), ours, path);
                    }
                }
                Value::Object(recorded) if name == "NeutronError" => {
                    assert_eq!(&self.translate(&json!(recorded)), ours, "{path}");
                    self.compared += 1;
                }
                Value::Object(recorded) => {
                    let id = recorded["id"].as_str().unwrap().to_owned();
                    self.ids.entry(id).or_insert(ours["id"].as_str().unwrap().to_owned());
                    self.compare_objects(recorded, ours, path);
                }
                _ => panic!("{path}: {name} is no object: {recorded}"),
            }
        }
    }

    fn compare_objects(&mut self, recorded: &Map<String, Value>, ours: &Value, path: &str) {
        for (name, recorded_value) in recorded {
            let value = ours.get(name).unwrap_or_else(|| panic!("{path}: {name} is missing in {ours}"));
            let kind = |value: &Value| std::mem::discriminant(value);
            assert_eq!(kind(value), kind(recorded_value), "{path}: {name}: {value}, not {recorded_value}");
            let random = name == "fixed_ips" && recorded.get("name") == Some(&json!(RANDOM_ADDRESS));
            if !random && !OURS.contains(&name.as_str()) {
                assert_eq!(*value, self.translate(recorded_value), "{path}: {name}");
            }
        }
        self.compared += 1;
    }
}
