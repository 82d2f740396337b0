use std::process::Stdio;
use std::time::Duration;

use lab::ControlSpec;
use model::TunnelType;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::typed::{Typed, from_yaml};
use crate::overlay::{Overlay, Port};
use crate::support::TestLab;

/// `culvert watch` prints what is sent to its host as it is sent, a line each, in Neutron's form: a port of another host
/// changes its address, goes, and comes.
#[tokio::test]
async fn watch_prints_what_is_sent_to_a_host() {
    let overlay = Overlay::start(TestLab::of_two("watch").await, ControlSpec::default()).await;
    let network = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    overlay.add_vm(&network, "here", "compute2", "81.1.180.9").await;
    let port = overlay.add_vm(&network, "there", "compute1", "81.1.180.8").await;
    overlay.until_in_step().await;
    let culvert = Typed::at(&overlay);
    let mut watch = Watch::start(culvert.command("watch --host compute2 -o json"));
    let mut yaml = Watch::start(culvert.command("watch --host compute2 -o yaml"));
    let script = concat!("stty rows 24 cols 40; ", env!("CARGO_BIN_EXE_culvert"), " watch --host compute2");
    let mut terminal = Watch::start(culvert.program("script", &["-qec", script, "/dev/null"]));
    // A narrow terminal does not show the address whole, but that it has changed.
    yaml.until_begun(&overlay, &port, 100, None).await;
    terminal.until_begun(&overlay, &port, 130, Some("after")).await;
    let before = watch.until_begun(&overlay, &port, 160, None).await;

    let (mac, endpoint) = (port.mac.to_string(), "10.0.1.31");
    set_address(&overlay, &port, "81.1.180.8").await;
    let sides = json!({ "before": [[mac, before]], "after": [[mac, "81.1.180.8"]] });
    let changed = json!({ "chg_ip": { network.id.clone(): { endpoint: sides } } });
    assert_eq!(watch.next().await, json!({ "method": "update_fdb_entries", "fdb_entries": changed }));

    let ports = json!({ endpoint: [["00:00:00:00:00:00", "0.0.0.0"], [mac, "81.1.180.8"]] });
    let entries = json!({ network.id.clone(): { "network_type": "gre", "segment_id": 6, "ports": ports } });
    overlay.unplug(&port.vm).await.unwrap();
    assert_eq!(watch.next().await, json!({ "method": "remove_fdb_entries", "fdb_entries": entries }));
    overlay.plug_port(&port).await;
    assert_eq!(watch.next().await, json!({ "method": "add_fdb_entries", "fdb_entries": entries }));

    // As YAML the same, a document each.
    let said = yaml.until("method: add_fdb_entries").await.join("\n");
    let documents: Vec<&str> = said.split("---\n").collect();
    let last = from_yaml(format!("---\n{}", documents[documents.len() - 3..].join("---\n"))).await;
    let add = json!({ "method": "add_fdb_entries", "fdb_entries": entries });
    let remove = json!({ "method": "remove_fdb_entries", "fdb_entries": entries });
    assert_eq!(last, json!([{ "method": "update_fdb_entries", "fdb_entries": changed }, remove, add]));
    // For people lines that fit.
    let network = &network.id[..15];
    let pairs = ["  10.0.1.31        flooding entry", &format!("  10.0.1.31        {mac}  8…")];
    let mut expected = vec![format!("remove_fdb_entries  gre 6  {}…", &network[..12])];
    expected.extend(pairs.map(ToOwned::to_owned));
    expected.push(format!("add_fdb_entries  gre 6  {network}…"));
    terminal.until("remove_fdb_entries").await;
    let mut seen = vec![terminal.last.clone()];
    for _ in 1..expected.len() {
        seen.push(terminal.line().await);
    }
    assert_eq!(seen, expected);
    overlay.check_control().unwrap();
}

/// A `culvert watch` that runs; it ends with this.
struct Watch {
    lines: Lines<BufReader<ChildStdout>>,
    last: String,
    _process: Child,
}

impl Watch {
    fn start(mut command: Command) -> Watch {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Watch { lines, last: String::new(), _process: process }
    }

    /// It says nothing of its own when it is ready: the port changes its address, from this one on, until that is seen, or what
    /// is said of it. Its last address.
    async fn until_begun(&mut self, overlay: &Overlay, port: &Port, first: u8, sign: Option<&str>) -> String {
        for last in first..first + 30 {
            let ip = format!("81.1.180.{last}");
            set_address(overlay, port, &ip).await;
            let seen = async { while !self.line().await.contains(sign.unwrap_or(&ip)) {} };
            if timeout(Duration::from_millis(500), seen).await.is_ok() {
                return ip;
            }
        }
        panic!("nothing was seen");
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// The lines up to the next that begins so.
    async fn until(&mut self, begin: &str) -> Vec<String> {
        let mut lines = vec![self.line().await];
        while !self.last.starts_with(begin) {
            lines.push(self.line().await);
        }
        lines
    }

    async fn line(&mut self) -> String {
        let line = timeout(Duration::from_secs(30), self.lines.next_line()).await.unwrap();
        line.unwrap().unwrap().trim_end_matches('\r').clone_into(&mut self.last);
        self.last.clone()
    }
}

async fn set_address(overlay: &Overlay, port: &Port, ip: &str) {
    overlay.change(port, json!({ "fixed_ips": [{ "ip_address": ip }] })).await;
}
