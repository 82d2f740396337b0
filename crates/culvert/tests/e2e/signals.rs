//! SIGTERM and SIGINT: the first ends server and agent cleanly, the second at once.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};

use lab::ControlSpec;
use model::TunnelType;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::hardening::{Server, post};
use crate::overlay::{Overlay, until};
use crate::support::TestLab;

#[tokio::test]
async fn the_first_signal_ends_a_server_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(&[]).await;
        server.answers().await;
        send(&server.process, signal);
        assert_eq!(ended(&mut server.process).await.code(), Some(0), "{signal:?}: {}", server.log());
        assert!(server.log().contains("server has ended"), "{}", server.log());
        assert!(!server.directory.path().join("server.sock").exists(), "its admin socket is gone");
    }
}

/// The control is in the first test: one signal and nothing open is a clean end.
#[tokio::test]
async fn the_second_signal_ends_a_server_at_once() {
    let mut server = Server::start(&[]).await;
    // a request that is not whole: the server lets it end, for a while
    let mut open = server.connect().await;
    open.write_all(post("Content-Length: 1000").as_bytes()).await.unwrap();
    server.answers().await;
    send(&server.process, Signal::TERM);
    until("the server has heard the first signal", async || server.log().contains("a second signal")).await;
    send(&server.process, Signal::TERM);
    assert_eq!(ended(&mut server.process).await.code(), Some(128 + 15), "{}", server.log());
    assert!(!server.log().contains("server has ended"), "{}", server.log());
}

/// An agent that waits for Open vSwitch and for its server, as it does at the host's start.
#[tokio::test]
async fn the_first_signal_ends_an_agent_cleanly() {
    let mut agent = Agent::start("127.0.0.1:1");
    agent.until_says("starts").await;
    send(&agent.process, Signal::TERM);
    assert_eq!(ended(&mut agent.process).await.code(), Some(0), "{}", agent.log());
    assert!(agent.log().contains("flows and ports stay as they are"), "{}", agent.log());
}

/// An agent that has a server and an Open vSwitch; then a server that has agents.
#[tokio::test]
async fn the_first_signal_ends_server_and_agent_cleanly_in_the_midst_of_their_work() {
    let overlay = Overlay::start(TestLab::of_two("sigterm").await, ControlSpec::default()).await;
    let mut server = as_child(&overlay.server().process("server").unwrap().unwrap()).await;
    until("the server answers", async || overlay.rest.list("agent", "").await.is_ok()).await;
    let mut agent = as_child(&overlay.at("compute1").process("agent").unwrap().unwrap()).await;
    let network = overlay.network(TunnelType::Vxlan, 1001, "81.1.180.0/24").await;
    let here = overlay.add_vm(&network, "vm1", "compute1", "81.1.180.8").await;
    let there = overlay.add_vm(&network, "vm2", "compute2", "81.1.180.9").await;
    assert!(overlay.ping(&here, &there, 3).await.0);

    for process in [&mut agent, &mut server] {
        send(process, Signal::TERM);
        assert_eq!(ended(process).await.code(), Some(0));
        assert!(overlay.ping(&here, &there, 3).await.0, "flows and ports stay as they are");
    }
}

/// A server that takes the connection and says nothing: the agent would give its stream a moment to end.
#[tokio::test]
async fn the_second_signal_ends_an_agent_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut agent = Agent::start(&silent.local_addr().unwrap().to_string());
    let (_connection, _) = silent.accept().await.unwrap();
    send(&agent.process, Signal::TERM);
    agent.until_says("a second signal").await;
    send(&agent.process, Signal::INT);
    assert_eq!(ended(&mut agent.process).await.code(), Some(128 + 2), "{}", agent.log());
}

/// A lab's process ended and started anew, as this one's child: who started a process is told its exit status.
async fn as_child(process: &lab::Process) -> Child {
    process.stop().await.unwrap();
    let mut words = process.command().split(' ');
    Command::new(words.next().unwrap()).args(words).spawn().unwrap()
}

struct Agent {
    directory: TempDir,
    process: Child,
}

impl Agent {
    fn start(server: &str) -> Agent {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let process = Command::new(env!("CARGO_BIN_EXE_culvert"))
            .args(["agent", "--host=compute1", "--local-ip=10.0.1.31", "--server", server])
            .arg("--ovsdb")
            .arg(path("none.sock"))
            .arg("--run-dir")
            .arg(directory.path())
            .arg("--state-dir")
            .arg(directory.path())
            .stderr(Stdio::from(File::create(path("log")).unwrap()))
            .spawn()
            .unwrap();
        Agent { directory, process }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    async fn until_says(&self, what: &str) {
        until(&format!("the agent says \"{what}\""), async || self.log().contains(what)).await;
    }
}

fn send(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

async fn ended(process: &mut Child) -> ExitStatus {
    let process = std::cell::RefCell::new(process);
    let status = std::cell::Cell::new(None);
    until("the process has ended", async || {
        status.set(process.borrow_mut().try_wait().unwrap());
        status.get().is_some()
    })
    .await;
    status.get().unwrap()
}
