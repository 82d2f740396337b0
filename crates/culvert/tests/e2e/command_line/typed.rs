use std::process::{Output, Stdio};

use lab::Node;
use serde_json::Value;
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
