use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lab::Host;
use model::PortId;
use serde_json::{Deserializer, Value, json};

/// When a transaction was sent to the database, and when the reply said that it is committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    pub(crate) sent: Instant,
    pub(crate) replied: Instant,
}

impl Commit {
    pub(crate) fn took(self) -> Duration {
        self.replied - self.sent
    }
}

/// Plugs an interface into `br-int` as Nova and libvirt do, with tag 4095: one transaction and no process, so that the
/// moment of the commit is known. `kind` is the interface's type: empty for a device that there is.
pub(crate) fn plug(host: &Host, device: &str, kind: &str, port: PortId) -> anyhow::Result<Commit> {
    Ok(transact(host, plugging(device, kind, &port.to_string()))?.0)
}

/// Does by hand what an agent does of a plug in the database: the interface, then its tag, each until `ovs-vswitchd` has it
/// in effect. The time from sending the one to the other's effect.
pub(crate) fn plug_alone(host: &Host, device: &str) -> anyhow::Result<Duration> {
    let (plugged, next_cfg) = transact(host, plugging(device, "", "nobody's"))?;
    until_in_effect(host, next_cfg)?;
    let tag = json!({ "op": "update", "table": "Port", "where": [["name", "==", device]], "row": { "tag": 1 } });
    until_in_effect(host, transact(host, vec![tag])?.1)?;
    Ok(plugged.sent.elapsed())
}

fn plugging(device: &str, kind: &str, id: &str) -> Vec<Value> {
    let ids = json!(["map", [["iface-id", id], ["iface-status", "active"]]]);
    vec![
        json!({ "op": "insert", "table": "Interface", "uuid-name": "interface",
            "row": { "name": device, "type": kind, "external_ids": ids } }),
        json!({ "op": "insert", "table": "Port", "uuid-name": "port",
            "row": { "name": device, "tag": 4095, "interfaces": ["named-uuid", "interface"] } }),
        json!({ "op": "mutate", "table": "Bridge", "where": [["name", "==", "br-int"]],
            "mutations": [["ports", "insert", ["named-uuid", "port"]]] }),
    ]
}

/// Commits the operations, and with them what makes `ovs-vswitchd` look, as `ovs-vsctl` does; its number.
fn transact(host: &Host, mut operations: Vec<Value>) -> anyhow::Result<(Commit, i64)> {
    let next = json!([["next_cfg", "+=", 1]]);
    operations.push(json!({ "op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": next }));
    operations.push(json!({ "op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"] }));
    let (commit, reply) = ask(host, operations)?;
    let rows = reply["result"].as_array().and_then(|results| results.iter().rfind(|result| !result["rows"].is_null()));
    let next_cfg = rows.and_then(|result| result["rows"][0]["next_cfg"].as_i64());
    Ok((commit, next_cfg.with_context(|| format!("no next_cfg in {reply}"))?))
}

fn until_in_effect(host: &Host, next_cfg: i64) -> anyhow::Result<()> {
    let rows = [json!({ "cur_cfg": next_cfg })];
    let wait = json!({ "op": "wait", "table": "Open_vSwitch", "where": [], "columns": ["cur_cfg"], "until": "==",
        "rows": rows, "timeout": 60_000 });
    ask(host, vec![wait]).map(drop)
}

fn ask(host: &Host, operations: Vec<Value>) -> anyhow::Result<(Commit, Value)> {
    let mut stream = UnixStream::connect(host.ovsdb_socket())?;
    let params: Vec<Value> = [json!("Open_vSwitch")].into_iter().chain(operations).collect();
    let request = json!({ "method": "transact", "params": params, "id": 0 }).to_string();
    let sent = Instant::now();
    stream.write_all(request.as_bytes())?;
    let reply = Deserializer::from_reader(&stream).into_iter::<Value>().next().context("no reply from OVSDB")??;
    let replied = Instant::now();
    let results = reply["result"].as_array().with_context(|| reply.to_string())?;
    if results.iter().any(|result| result.get("error").is_some_and(|error| !error.is_null())) {
        bail!("OVSDB refused the transaction: {reply}");
    }
    Ok((Commit { sent, replied }, reply))
}
