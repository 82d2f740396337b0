//! A gate between an agent and its OVSDB: each transaction waits there until it is noted which flows there are.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use lab::Host;
use serde_json::{Deserializer, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// The gate. It looks at the flows itself, with OVS's own tool, so that "before" means before.
#[derive(Debug)]
pub(crate) struct Gate {
    /// What the agent is to take for the database's socket.
    pub(crate) socket: PathBuf,
    passed: Arc<Mutex<Vec<Passed>>>,
}

/// A transaction, and the flows of `br-tun` when it was on its way.
#[derive(Debug)]
struct Passed {
    transaction: String,
    flows: String,
}

impl Gate {
    pub(crate) fn start(host: &Host) -> Gate {
        let socket = host.rundir().join("gate.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let passed = Arc::new(Mutex::new(Vec::new()));
        let (noted, host) = (passed.clone(), host.clone());
        tokio::spawn(async move {
            while let Ok((agent, _)) = listener.accept().await {
                let Ok(database) = UnixStream::connect(host.ovsdb_socket()).await else { continue };
                tokio::spawn(serve(agent, database, host.clone(), noted.clone()));
            }
        });
        Gate { socket, passed }
    }

    /// The flows that there were when the transaction came that this is true of; there must be one.
    pub(crate) fn flows_at(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let passed = self.passed.lock().unwrap();
        let found = passed.iter().find(|passed| is_it(&passed.transaction));
        found.unwrap_or_else(|| panic!("no such transaction: {what}; there were {passed:#?}")).flows.clone()
    }
}

async fn serve(agent: UnixStream, database: UnixStream, host: Host, passed: Arc<Mutex<Vec<Passed>>>) {
    let (mut from_agent, mut to_agent) = agent.into_split();
    let (mut from_database, mut to_database) = database.into_split();
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_database, &mut to_agent).await;
    });
    let mut buffer = Vec::new();
    while let Ok(1..) = from_agent.read_buf(&mut buffer).await {
        let mut messages = Deserializer::from_slice(&buffer).into_iter::<Value>();
        while let Some(Ok(message)) = messages.next() {
            if message["method"] == "transact" {
                // There may be no `br-tun` yet.
                let flows = host.ofctl(["--no-stats", "dump-flows", "br-tun"]).await.unwrap_or_default();
                passed.lock().unwrap().push(Passed { transaction: message["params"].to_string(), flows });
            }
        }
        let whole = messages.byte_offset();
        if to_database.write_all(&buffer[..whole]).await.is_err() {
            break;
        }
        buffer.drain(..whole);
    }
}
