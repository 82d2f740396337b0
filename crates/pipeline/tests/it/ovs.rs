//! A real Open vSwitch takes every row, and gives back what is recognised as exactly what was sent.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model::TunnelType;
use openflow::codec::{decode, encode, split};
use openflow::{FlowFilter, FlowMod, Hello, Message, MultipartReply, MultipartRequest, Version};
use pipeline::{Bridge, Change, Installed, Ownership, Row, State, plan};
use tempfile::TempDir;

use crate::fixture::*;
use crate::switch::Switch;

const PATIENCE: Duration = Duration::from_secs(30);
const BRIDGES: [Bridge; 2] = [Bridge::Integration, Bridge::Tunnel];

/// An Open vSwitch with `br-int` and `br-tun`, in a network namespace that ends with it.
struct Ovs {
    dir: TempDir,
    daemons: Vec<Child>,
}

impl Ovs {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        run(dir.path(), &["ovsdb-tool", "create", &at("conf.db"), schema]);
        let mut ovs = Ovs { daemons: Vec::new(), dir };
        let at = |name: &str| ovs.dir.path().join(name).display().to_string();
        let db = format!("unix:{}", at("db.sock"));
        let server = ["ovsdb-server", &at("conf.db"), &format!("--remote=p{db}")].map(str::to_owned);
        let switch = ["unshare", "--net", "ovs-vswitchd", &db].map(str::to_owned);
        ovs.daemons.push(spawn(ovs.dir.path(), &server));
        ovs.daemons.push(spawn(ovs.dir.path(), &switch));
        // Both retry until the one that they need is there.
        run(ovs.dir.path(), &["ovs-vsctl", "--retry", "-t30", &format!("--db={db}"), "--no-wait", "init"]);
        for bridge in BRIDGES {
            let bridge = bridge.name();
            let set = ["set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure", "protocols=OpenFlow14"];
            let head = ["ovs-vsctl", "-t30", &format!("--db={db}"), "add-br", bridge, "--"].map(str::to_owned);
            run(ovs.dir.path(), &head.iter().map(String::as_str).chain(set).collect::<Vec<_>>());
        }
        ovs
    }

    fn connect(&self, bridge: Bridge) -> Wire {
        let path = self.dir.path().join(format!("{bridge}.mgmt"));
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(&path) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{}: {error}", path.display()),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut wire = Wire { stream, read: Vec::new() };
        wire.send(&[Message::Hello(Hello { versions: Some(1 << 5) })]);
        assert!(matches!(wire.receive(), Message::Hello(_)));
        wire
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn command(dir: &Path, words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
        command.env(variable, dir);
    }
    command
}

fn spawn(dir: &Path, words: &[String]) -> Child {
    command(dir, words).spawn().unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn run(dir: &Path, words: &[&str]) {
    let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    let status = command(dir, &words).status().unwrap_or_else(|error| panic!("{words:?}: {error}"));
    assert!(status.success(), "{words:?}: {status}");
}

/// A plain OpenFlow 1.4 connection: what is sent is answered in order.
struct Wire {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Wire {
    fn send(&mut self, messages: &[Message]) {
        let mut bytes = Vec::new();
        for (xid, message) in (1..).zip(messages) {
            encode(message, Version::V1_4, xid, &mut bytes).unwrap();
        }
        self.stream.write_all(&bytes).unwrap();
    }

    fn receive(&mut self) -> Message {
        loop {
            if let Some((frame, length)) = split(&self.read).unwrap() {
                let message = decode(&frame).unwrap();
                self.read.drain(..length);
                return message;
            }
            let mut chunk = [0; 16384];
            let length = self.stream.read(&mut chunk).unwrap();
            assert!(length > 0, "the switch closed the connection");
            self.read.extend_from_slice(&chunk[..length]);
        }
    }

    /// Sends flow-mods and waits until all are in.
    fn program(&mut self, flow_mods: impl IntoIterator<Item = FlowMod>) {
        let mut messages: Vec<_> = flow_mods.into_iter().map(Message::FlowMod).collect();
        messages.push(Message::BarrierRequest);
        self.send(&messages);
        match self.receive() {
            Message::BarrierReply => {}
            other => panic!("{other:?}"),
        }
    }

    fn adopt(&mut self, bridge: Bridge, installed: &mut Installed) {
        self.send(&[Message::MultipartRequest(MultipartRequest::Flows(FlowFilter::all()))]);
        loop {
            let Message::MultipartReply { more, part: MultipartReply::Flows(flows) } = self.receive() else { panic!() };
            for found in flows {
                let ownership = installed.adopt(bridge, found.flow.clone());
                assert!(matches!(ownership, Ownership::Row(_)), "{ownership:?}: {:?}", found.flow);
            }
            if !more {
                return;
            }
        }
    }
}

fn told() -> State {
    let mut state = compute1(true, true);
    state.set_network(network(1), segment(TunnelType::Gre, 0xffff_ffff), vlan(1)).unwrap();
    state.set_network(network(2), segment(TunnelType::Vxlan, 6), vlan(4094)).unwrap();
    for net in [1, 2] {
        let here = entry(net, "fa:16:3e:00:00:01", &["81.1.180.1", "81.1.180.2"], NETWORK);
        let there = entry(net + 2, "fa:16:3e:00:00:05", &["81.1.180.5"], COMPUTE2);
        state.apply_entries(network(net), vec![here, there], &[]);
    }
    state.set_local_port(port(8), wired(1, "fa:16:3e:b3:e7:7a", &["81.1.180.8"], 5));
    state.set_foreign_port(9);
    settle_tunnels(&mut state);
    state
}

#[test]
fn a_switch_gives_back_what_it_was_sent() {
    let (ovs, mut state, mut switch) = (Ovs::start(), told(), Switch::default());
    let mut wires = BRIDGES.map(|bridge| (bridge, ovs.connect(bridge)));
    let ops = switch.follow(&mut state);
    for (bridge, wire) in &mut wires {
        // What a bridge comes with is not ours.
        wire.program([FlowMod::delete(FlowFilter::all())]);
        let of_bridge = ops.iter().filter(|op| op.row.bridge() == *bridge);
        wire.program(of_bridge.map(|op| op.flow_mod(&state).unwrap()));
    }

    let mut found = Installed::default();
    for (bridge, wire) in &mut wires {
        wire.adopt(*bridge, &mut found);
    }
    assert_eq!(found.len(), ops.len());
    assert_eq!(plan(&state, &found, found.and_wanted(&state), |_| true).ops, []);

    // The control: one flow is gone, another does something else.
    let (gone, changed) = (Row::Probe, Row::Flood { vlan: vlan(1) });
    let (_, wire) = &mut wires[1];
    wire.program([FlowMod::delete_strict(&gone.rule()), FlowMod::add(changed.rule().goto(60))]);
    let mut found = Installed::default();
    for (bridge, wire) in &mut wires {
        wire.adopt(*bridge, &mut found);
    }
    let ops = plan(&state, &found, found.and_wanted(&state), |_| true).ops;
    let changes: Vec<_> = ops.iter().map(|op| (op.change, op.row)).collect();
    assert_eq!(changes, [(Change::Add, gone), (Change::Modify, changed)]);
}
