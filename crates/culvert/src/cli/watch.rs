use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use futures::StreamExt as _;
use model::HostName;
use serde_json::Value;

use super::admin::Socket;
use super::output::{Format, Output, print};
use super::yaml;

/// Print live what is sent to a host, in Neutron's form
///
/// add_fdb_entries, remove_fdb_entries and update_fdb_entries, as Neutron's l2population sends them: as json one a line, as
/// yaml one a document. Ends with Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  culvert watch --host compute1
  culvert watch --host compute1 -o json | jq .method")]
pub(crate) struct Args {
    /// The host to watch
    #[arg(long)]
    host: HostName,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    socket: Socket,
}

impl Args {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let answer = self.socket.get("/watch", &[("host", self.host.as_str())]).await?;
        let mut chunks = answer.bytes_stream();
        let mut pending = Vec::new();
        while let Some(chunk) = chunks.next().await {
            pending.extend_from_slice(&chunk.context("the server closed the stream")?);
            // A chunk of the stream can hold half a line, or several.
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                self.print(&String::from_utf8_lossy(&line))?;
            }
        }
        anyhow::bail!("the server closed the stream: it ended or restarts")
    }

    fn print(&self, line: &str) -> anyhow::Result<()> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(());
        }
        let notification = || serde_json::from_str(line).context("the server sent a line that is not JSON");
        print(&match self.output.format {
            Format::Json => line.to_owned(),
            Format::Yaml => format!("---\n{}", yaml::of(&notification()?)),
            Format::Table => readable(&notification()?),
        })
    }
}

/// One line for each pair of MAC and IP:
/// `add_fdb_entries     gre 6      10.0.1.21        fa:16:3e:87:40:f3 81.1.180.1`.
fn readable(notification: &Value) -> String {
    let method = notification["method"].as_str().unwrap_or("?");
    let entries = &notification["fdb_entries"];
    let mut lines = Vec::new();
    for (network, fdb) in members(entries) {
        let segment = format!("{} {}", fdb["network_type"].as_str().unwrap_or("?"), fdb["segment_id"]);
        for (endpoint, pairs) in members(&fdb["ports"]) {
            lines.extend(
                pairs_of(pairs).map(|pair| format!("{method:<19} {network} {segment:<11} {endpoint:<15} {pair}")),
            );
        }
    }
    for (network, endpoints) in members(&entries["chg_ip"]) {
        for (endpoint, sides) in members(endpoints) {
            for (side, pairs) in members(sides) {
                lines.extend(
                    pairs_of(pairs).map(|pair| format!("{method:<19} {network} {side:<11} {endpoint:<15} {pair}")),
                );
            }
        }
    }
    lines.join("\n")
}

fn members(object: &Value) -> BTreeMap<&String, &Value> {
    object.as_object().into_iter().flatten().collect()
}

fn pairs_of(pairs: &Value) -> impl Iterator<Item = String> + '_ {
    pairs.as_array().into_iter().flatten().map(|pair| match (pair[0].as_str(), pair[1].as_str()) {
        (Some("00:00:00:00:00:00"), _) => "flooding entry".to_owned(),
        (Some(mac), Some(ip)) => format!("{mac} {ip}"),
        (mac, _) => format!("{} (no fixed IP)", mac.unwrap_or("?")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_for_each_pair() {
        let ports = json!({"10.0.1.21": [["00:00:00:00:00:00", "0.0.0.0"], ["fa:16:3e:00:00:01", "81.1.180.1"]]});
        let fdb = json!({"a": {"segment_id": 6, "network_type": "gre", "ports": ports}});
        let add = json!({"method": "add_fdb_entries", "fdb_entries": fdb});
        let expected = "add_fdb_entries     a gre 6       10.0.1.21       flooding entry\n\
                        add_fdb_entries     a gre 6       10.0.1.21       fa:16:3e:00:00:01 81.1.180.1";
        assert_eq!(readable(&add), expected);
        let sides =
            json!({"before": [["fa:16:3e:00:00:01", "81.1.180.1"]], "after": [["fa:16:3e:00:00:01", "81.1.180.2"]]});
        let update = json!({"method": "update_fdb_entries", "fdb_entries": {"chg_ip": {"a": {"10.0.1.21": sides}}}});
        let expected = "update_fdb_entries  a after       10.0.1.21       fa:16:3e:00:00:01 81.1.180.2\n\
                        update_fdb_entries  a before      10.0.1.21       fa:16:3e:00:00:01 81.1.180.1";
        assert_eq!(readable(&update), expected);
    }
}
