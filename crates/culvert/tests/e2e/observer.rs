//! Observers outside the program: proxies before Open vSwitch's sockets, a stream of pings.

use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lab::{ControlSpec, Host, Process, Signal, Vm};
use model::TunnelType;
use openflow::Message;
use openflow::codec;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use uuid::Uuid;

use crate::overlay::{Network, Overlay, Port, until};
use crate::support::TestLab;

/// A host whose agent talks to Open vSwitch through proxies, which note all that it writes.
///
/// The proxies run on the test's runtime, so that needs more than one thread.
pub(crate) struct Observed {
    host: Host,
    dir: TempDir,
    written: Written,
}

/// Flow-mods and transactions, in words, in the order in which they came.
type Written = Arc<Mutex<Vec<String>>>;

impl Observed {
    pub(crate) fn new(host: Host) -> Observed {
        let dir = tempfile::Builder::new().prefix("culvert-observer-").tempdir().unwrap();
        let written = Written::default();
        for (socket, scan) in
            [("db.sock", transactions as Scan), ("br-int.mgmt", flow_mods), ("br-tun.mgmt", flow_mods)]
        {
            let listener = UnixListener::bind(dir.path().join(socket)).unwrap();
            tokio::spawn(accept(listener, host.rundir().join(socket), scan, written.clone()));
        }
        Observed { host, dir, written }
    }

    /// Starts the agent, as the lab starts agents but for the sockets.
    pub(crate) fn start_agent(&self) {
        self.start_agent_with(&self.host, &[]);
    }

    /// Starts another binary as the agent.
    pub(crate) fn start_agent_from(&self, binary: &Path) {
        self.start_agent_with(&self.host.clone().with_culvert(binary), &[]);
    }

    /// Starts the agent with more arguments.
    pub(crate) fn start_agent_with(&self, host: &Host, more: &[String]) {
        let dir = self.dir.path().display();
        let sockets = ["ovsdb", "ovs-rundir", "run-dir"].into_iter().zip(["/db.sock", "", ""]);
        let sockets = sockets.map(|(option, path)| format!("--{option}={dir}{path}"));
        let agents = sockets.chain(more.iter().cloned()).collect();
        host.start_control_agent(&ControlSpec { agents, ..ControlSpec::default() }).unwrap();
    }

    /// Asks the agent to end (SIGTERM), as a service that is restarted.
    pub(crate) async fn stop_agent(&self) {
        self.agent().stop().await.unwrap();
    }

    pub(crate) fn agent(&self) -> Process {
        self.host.process("agent").unwrap().unwrap()
    }

    /// Kills the agent (SIGKILL).
    pub(crate) async fn kill_agent(&self) {
        self.agent().kill().await.unwrap();
    }

    /// See [`until_settled`].
    pub(crate) async fn until_settled(&self) {
        until_settled(&self.dir.path().join("agent.sock")).await;
    }

    /// What the agent says of itself.
    pub(crate) fn status(&self) -> Value {
        agent_status(&self.dir.path().join("agent.sock")).unwrap()
    }

    /// Waits until the agent has compared what both bridges hold, server or not.
    pub(crate) async fn until_compared(&self) {
        let socket = self.dir.path().join("agent.sock");
        until("both bridges are compared", async || {
            agent_status(&socket).is_some_and(|status| status["bridges"] == true)
        })
        .await;
    }

    /// What the agent has written since this was last asked.
    pub(crate) fn take_written(&self) -> Vec<String> {
        std::mem::take(&mut self.written.lock().unwrap())
    }
}

/// Two hosts with observed agents, a VXLAN network, and a VM of it on each; all is settled.
pub(crate) struct Pair {
    pub(crate) overlay: Overlay,
    pub(crate) agents: [Observed; 2],
    pub(crate) network: Network,
    /// `vm1` on compute1, 10.7.0.1.
    pub(crate) one: Port,
    /// `vm2` on compute2, 10.7.0.2.
    pub(crate) two: Port,
}

impl Pair {
    /// `name` is the test's own, 8 bytes at most.
    pub(crate) async fn up(name: &str) -> Pair {
        let overlay = Overlay::without_agents(TestLab::of_two(name).await).await;
        let agents = ["compute1", "compute2"].map(|host| Observed::new(overlay.at(host)));
        agents.iter().for_each(Observed::start_agent);
        overlay.until_in_step().await;
        let network = overlay.network(TunnelType::Vxlan, 1001, "10.7.0.0/16").await;
        let one = overlay.add_vm(&network, "vm1", "compute1", "10.7.0.1").await;
        let two = overlay.add_vm(&network, "vm2", "compute2", "10.7.0.2").await;
        overlay.until_in_step().await;
        for agent in &agents {
            agent.until_settled().await;
        }
        Pair { overlay, agents, network, one, two }
    }
}

/// Waits until the agent with this admin socket has been told everything, has compared it, and has nothing under way.
pub(crate) async fn until_settled(socket: &Path) {
    until("the agent settled", async || agent_status(socket).is_some_and(|status| status["settled"] == true)).await;
}

/// What an agent says of itself; `None` if it does not answer.
fn agent_status(socket: &Path) -> Option<Value> {
    serde_json::from_reader(Blocking::connect(socket).ok()?).ok()
}

/// Notes the writes at the beginning of the bytes and says how many bytes it has understood.
type Scan = fn(&[u8], &str, &mut Vec<String>) -> usize;

async fn accept(listener: UnixListener, target: PathBuf, scan: Scan, written: Written) {
    while let Ok((client, _)) = listener.accept().await {
        // Without the target the client finds its connection closed, and tries again.
        if let Ok(server) = UnixStream::connect(&target).await {
            tokio::spawn(pass(client, server, target.clone(), scan, written.clone()));
        }
    }
}

async fn pass(client: UnixStream, server: UnixStream, target: PathBuf, scan: Scan, written: Written) {
    let name = target.file_stem().unwrap().to_string_lossy().into_owned();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut seen = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from_client.read(&mut chunk).await {
        seen.extend_from_slice(&chunk[..length]);
        let understood = scan(&seen, &name, &mut written.lock().unwrap());
        seen.drain(..understood);
        if to_server.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

fn flow_mods(bytes: &[u8], bridge: &str, written: &mut Vec<String>) -> usize {
    let mut at = 0;
    while let Some((frame, length)) = codec::split(&bytes[at..]).unwrap() {
        let message = match codec::decode(&frame).unwrap() {
            Message::BundleAdd { message, .. } => *message,
            message => message,
        };
        if let Message::FlowMod(flow_mod) = message {
            written.push(format!("{bridge}: {flow_mod:?}"));
        }
        at += length;
    }
    at
}

fn transactions(bytes: &[u8], name: &str, written: &mut Vec<String>) -> usize {
    let mut messages = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    while let Some(Ok(message)) = messages.next() {
        if message["method"] == "transact" {
            written.push(format!("{name}: {}", message["params"]));
        }
    }
    messages.byte_offset()
}

/// Pings every 10 ms, until told to stop.
pub(crate) struct Pinger(Process);

impl Pinger {
    pub(crate) async fn start(from: &Vm, to: &Vm) -> Pinger {
        let name = format!("pinger-{}", Uuid::new_v4().simple());
        let to = to.address().unwrap().to_string();
        let pinger = Pinger(from.spawn(&name, "ping", ["-n", "-i", "0.01", &to]).unwrap());
        until("a first answer", async || pinger.answers().len() > 1).await;
        pinger
    }

    /// The sequence numbers that were answered so far.
    pub(crate) fn answers(&self) -> Vec<u64> {
        let number = |line: &str| line.split_once("icmp_seq=")?.1.split(' ').next()?.parse().ok();
        self.0.log().lines().filter_map(number).collect()
    }

    /// Ends it; how many requests were answered, and how many were not though a later one was.
    pub(crate) async fn stop(self) -> (u64, u64) {
        let before = self.answers().len();
        until("a last answer", async || self.answers().len() > before).await;
        self.0.signal(Signal::INT);
        assert!(self.0.ended_within(Duration::from_secs(10)).await);
        let answers = self.answers();
        let answered = answers.len() as u64;
        (answered, answers.last().unwrap() - answered)
    }
}
