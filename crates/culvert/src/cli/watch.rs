use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use futures::StreamExt as _;
use model::HostName;
use serde_json::Value;

use super::admin::Socket;
use super::output::{Format, Output, print};
use super::table::cut;
use super::yaml;
use crate::terminal::Screen;

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
            Format::Table => readable(&notification()?, &Screen::of_stdout()),
        })
    }
}

/// What was sent about each network, and indented under it a line for each pair of MAC and IP. No line is longer than the
/// screen is wide.
fn readable(notification: &Value, screen: &Screen) -> String {
    let method = notification["method"].as_str().unwrap_or("?");
    let entries = &notification["fdb_entries"];
    let mut lines = Vec::new();
    for (network, fdb) in members(entries).into_iter().filter(|(key, _)| *key != CHANGES) {
        let tunnel_type = fdb["network_type"].as_str().unwrap_or("?");
        lines.push(format!("{method}  {tunnel_type} {}  {network}", fdb["segment_id"]));
        for (endpoint, pairs) in members(&fdb["ports"]) {
            lines.extend(pairs_of(pairs).map(|pair| format!("  {endpoint:<15}  {pair}")));
        }
    }
    for (network, endpoints) in members(&entries[CHANGES]) {
        lines.push(format!("{method}  {network}"));
        for (endpoint, sides) in members(endpoints) {
            for side in ["before", "after"] {
                lines.extend(pairs_of(&sides[side]).map(|pair| format!("  {endpoint:<15}  {side:<6}  {pair}")));
            }
        }
    }
    let fitting = lines.iter().map(|line| screen.width.map_or_else(|| line.clone(), |width| cut(line, width)));
    fitting.collect::<Vec<_>>().join("\n")
}

/// In the place of networks: addresses that change, by network.
const CHANGES: &str = "chg_ip";

fn members(object: &Value) -> BTreeMap<&String, &Value> {
    object.as_object().into_iter().flatten().collect()
}

fn pairs_of(pairs: &Value) -> impl Iterator<Item = String> + '_ {
    pairs.as_array().into_iter().flatten().map(|pair| match (pair[0].as_str(), pair[1].as_str()) {
        (Some("00:00:00:00:00:00"), _) => "flooding entry".to_owned(),
        (Some(mac), Some(ip)) => format!("{mac}  {ip}"),
        (mac, _) => format!("{}  no fixed IP", mac.unwrap_or("?")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_for_each_pair_under_what_was_sent() {
        let network = "7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b";
        let ports = json!({"10.0.1.21": [["00:00:00:00:00:00", "0.0.0.0"], ["fa:16:3e:00:00:01", "81.1.180.1"]]});
        let fdb = json!({network: {"segment_id": 6, "network_type": "gre", "ports": ports}});
        let add = json!({"method": "add_fdb_entries", "fdb_entries": fdb});
        let expected = "\
add_fdb_entries  gre 6  7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b
  10.0.1.21        flooding entry
  10.0.1.21        fa:16:3e:00:00:01  81.1.180.1";
        assert_eq!(readable(&add, &Screen::PLAIN), expected);
        assert_eq!(readable(&add, &Screen { width: Some(80), colours: true }), expected);
        let sides =
            json!({"before": [["fa:16:3e:00:00:01", "81.1.180.1"]], "after": [["fa:16:3e:00:00:01", "81.1.180.2"]]});
        let changes = json!({"chg_ip": {network: {"10.0.1.21": sides}}});
        let update = json!({"method": "update_fdb_entries", "fdb_entries": changes});
        let expected = "\
update_fdb_entries  7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b
  10.0.1.21        before  fa:16:3e:00:00:01  81.1.180.1
  10.0.1.21        after   fa:16:3e:00:00:01  81.1.180.2";
        assert_eq!(readable(&update, &Screen::PLAIN), expected);
    }

    #[test]
    fn no_line_is_longer_than_the_screen_is_wide() {
        let ports = json!({"2001:db8:0:1::21": [["fa:16:3e:00:00:01", "2001:db8::f816:3eff:fe00:1"]]});
        let fdb =
            json!({"7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b": {"segment_id": 6, "network_type": "gre", "ports": ports}});
        let add = json!({"method": "add_fdb_entries", "fdb_entries": fdb});
        let expected = "\
add_fdb_entries  gre 6  7b0c7d5a-2a6b-…
  2001:db8:0:1::21  fa:16:3e:00:00:01 …";
        assert_eq!(readable(&add, &Screen { width: Some(39), colours: false }), expected);
    }
}
