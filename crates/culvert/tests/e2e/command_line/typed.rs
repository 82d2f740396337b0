use std::collections::BTreeSet;
use std::process::{Output, Stdio};

use lab::Node;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::TestLab;

/// Types `culvert …` where a lab's server is.
#[derive(Debug)]
pub(crate) struct Typed(Node);

impl Typed {
    pub(crate) fn at(lab: &TestLab) -> Typed {
        Typed(lab.server())
    }

    /// What it printed on standard output; it must succeed.
    pub(crate) async fn ok(&self, line: &str) -> String {
        let output = self.run(line).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "culvert {line}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} -o json")).await).unwrap()
    }

    /// What it prints as JSON, and as YAML says no less and no more.
    pub(crate) async fn yaml_and_json(&self, line: &str) -> Value {
        let json = self.json(line).await;
        assert_eq!(from_yaml(self.ok(&format!("{line} -o yaml")).await).await, json!([json]), "{line}");
        json
    }

    /// The ids of a list.
    pub(crate) async fn ids(&self, line: &str) -> Vec<String> {
        let objects = self.json(line).await;
        objects.as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
    }

    /// What it printed on standard error; it must end with this status, and print nothing else.
    pub(crate) async fn fails(&self, line: &str, status: i32) -> String {
        let output = self.run(line).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "culvert {line}: {error}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "culvert {line}");
        error
    }

    async fn run(&self, line: &str) -> Output {
        self.command(line).stdin(Stdio::null()).output().await.unwrap()
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        self.program(env!("CARGO_BIN_EXE_culvert"), &line.split_whitespace().collect::<Vec<_>>())
    }

    /// Any program, where the server is.
    pub(crate) fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.0.command(program, args);
        command.env_remove("CULVERT_SERVER").env_remove("NO_COLOR");
        command
    }
}

/// The documents of a YAML text, as a parser has them that is not ours: it comes with the OpenStack client.
pub(crate) async fn from_yaml(text: String) -> Value {
    const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/openstack-client");
    let read = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
    let mut command = Command::new(SCRIPT);
    command.args(["--python", "-c", read]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().unwrap();
    running.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = running.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every name that the objects of a value have, with those above it: `hosts[].state`.
pub(crate) fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(names).map(|name| format!("[].{name}")).collect(),
        Value::Object(members) => {
            let below = |(name, value): (&String, &Value)| {
                let below = names(value).into_iter().map(|inner| format!("{name}.{inner}").replace(".[", "["));
                below.chain([name.clone()]).collect::<Vec<_>>()
            };
            members.iter().flat_map(below).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Every text in a value that is called by one of these names.
pub(crate) fn texts<'a>(value: &'a Value, called: &[&str]) -> Vec<&'a str> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| texts(item, called)).collect(),
        Value::Object(members) => {
            let own = members.iter().filter(|(name, _)| called.contains(&name.as_str()));
            let own = own.filter_map(|(_, value)| value.as_str());
            own.chain(members.values().flat_map(|inner| texts(inner, called))).collect()
        }
        _ => Vec::new(),
    }
}
