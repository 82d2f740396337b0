//! What tests ask of the overlay as an operator would: REST, `culvert status`, OVS's own tools.

use lab::{Host, Vm};
use serde_json::{Value, json};

use crate::overlay::{Overlay, Port, until};

impl Overlay {
    pub(crate) async fn change(&self, port: &Port, changes: Value) -> Value {
        self.rest.update("port", &port.id, changes).await.unwrap()
    }

    /// An attribute of the port.
    pub(crate) async fn show(&self, port: &Port, attribute: &str) -> Value {
        self.rest.show("port", &port.id).await.unwrap()[attribute].take()
    }

    /// What `culvert status -o json` says.
    pub(crate) async fn report(&self) -> Value {
        let args = ["status", "-o", "json"];
        serde_json::from_str(&self.server().exec(env!("CARGO_BIN_EXE_culvert"), args).await.unwrap()).unwrap()
    }

    /// What it says of a port.
    pub(crate) async fn report_of(&self, port: &Port) -> Value {
        let report = self.report().await;
        let ports = report["ports"].as_array().unwrap();
        ports.iter().find(|reported| reported["id"] == *port.id).cloned().unwrap_or_default()
    }

    /// Waits until all hosts are connected and have confirmed all that concerns them.
    pub(crate) async fn until_in_step(&self) {
        let in_step = |host: &Value| host["connected"] == true && host["lag"] == json!([]) && host["revision"] != 0;
        until("all hosts are in step with the server", async || {
            let report = self.report().await;
            let hosts = report["hosts"].as_array().unwrap();
            hosts.len() == self.hosts().len() && hosts.iter().all(in_step)
        })
        .await;
    }

    /// The tag of a VM's interface, as the host's database has it.
    pub(crate) async fn tag(&self, vm: &Vm) -> String {
        let host = self.at(vm.host().as_str());
        host.vsctl(["get", "Port", &vm.tap(), "tag"]).await.unwrap().trim().to_owned()
    }
}

/// The rows of a bridge that hold all of these words, in order of their text.
pub(crate) async fn rows(host: &Host, bridge: &str, words: &[&str]) -> Vec<String> {
    let mut rows = host.dump_flows(bridge).await.unwrap();
    rows.retain(|row| words.iter().all(|word| row.contains(word)));
    rows.sort();
    rows
}

/// The address that a row of the responder is about.
pub(crate) fn asked_for(row: &str) -> Option<&str> {
    row.split_once("arp_tpa=")?.1.split([',', ' ']).next()
}

/// Cookies of flows that the switch itself has learned begin so.
pub(crate) const LEARNED: &str = "cookie=0xc01f0b";
