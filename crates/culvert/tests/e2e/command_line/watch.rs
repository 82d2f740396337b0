use std::process::Stdio;
use std::time::Duration;

use lab::ControlSpec;
use model::TunnelType;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use super::typed::Typed;
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
    let mut watch = Watch::start(&Typed::at(&overlay), "compute2");
    let before = watch.until_begun(&overlay, &port).await;

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
    overlay.check_control().unwrap();
}

/// `culvert watch -o json` that runs; it ends with this.
struct Watch {
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Watch {
    fn start(culvert: &Typed, host: &str) -> Watch {
        let mut command = culvert.command(&format!("watch --host {host} -o json"));
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        Watch { lines: BufReader::new(process.stdout.take().unwrap()).lines(), _process: process }
    }

    /// It says nothing of its own when it is ready: the port changes its address until that is seen. Its last address.
    async fn until_begun(&mut self, overlay: &Overlay, port: &Port) -> String {
        for last in 100..200 {
            let ip = format!("81.1.180.{last}");
            set_address(overlay, port, &ip).await;
            let seen = async { while !self.next().await.to_string().contains(&format!("{ip}\"")) {} };
            if timeout(Duration::from_millis(500), seen).await.is_ok() {
                return ip;
            }
        }
        panic!("nothing was seen");
    }

    async fn next(&mut self) -> Value {
        let line = timeout(Duration::from_secs(30), self.lines.next_line()).await.unwrap();
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }
}

async fn set_address(overlay: &Overlay, port: &Port, ip: &str) {
    overlay.change(port, json!({ "fixed_ips": [{ "ip_address": ip }] })).await;
}
