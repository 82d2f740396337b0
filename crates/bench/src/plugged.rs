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
    let ids = json!(["map", [["iface-id", port.to_string()], ["iface-status", "active"]]]);
    transact(
        host,
        &json!([
            "Open_vSwitch",
            { "op": "insert", "table": "Interface", "uuid-name": "interface",
              "row": { "name": device, "type": kind, "external_ids": ids } },
            { "op": "insert", "table": "Port", "uuid-name": "port",
              "row": { "name": device, "tag": 4095, "interfaces": ["named-uuid", "interface"] } },
            { "op": "mutate", "table": "Bridge", "where": [["name", "==", "br-int"]],
              "mutations": [["ports", "insert", ["named-uuid", "port"]]] },
            // As ovs-vsctl does: it makes vswitchd look.
            { "op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]] },
        ]),
    )
}

fn transact(host: &Host, params: &Value) -> anyhow::Result<Commit> {
    let mut stream = UnixStream::connect(host.ovsdb_socket())?;
    let request = json!({ "method": "transact", "params": params, "id": 0 }).to_string();
    let sent = Instant::now();
    stream.write_all(request.as_bytes())?;
    let reply = Deserializer::from_reader(&stream).into_iter::<Value>().next().context("no reply from OVSDB")??;
    let replied = Instant::now();
    let results = reply["result"].as_array().with_context(|| reply.to_string())?;
    if results.iter().any(|result| result.get("error").is_some_and(|error| !error.is_null())) {
        bail!("OVSDB refused the transaction: {reply}");
    }
    Ok(Commit { sent, replied })
}
