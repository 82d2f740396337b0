//! What fuzzing starts from, in `fuzz/seeds`: what a real `ovsdb-server` says. `UPDATE_SEEDS=1` records it anew.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use ovsdb::codec::{Operation, TableUpdates};
use ovsdb::{Cursor, Output, Replica, Session, Update};
use serde_json::{Deserializer, Value};

use crate::server::{DEADLINE, Server};

const TABLES: [&str; 4] = ["Open_vSwitch", "Bridge", "Port", "Interface"];
/// Columns of the schema that are kept: the whole of it is a hundred times as long, and is read once.
const COLUMNS: [&str; 9] =
    ["name", "bridges", "ports", "interfaces", "tag", "type", "ofport", "external_ids", "cur_cfg"];
/// Bytes in a chunk: the first byte of an input of `session`.
const CHUNK: u8 = 64;

/// As the fuzz target opens it.
fn open() -> Session {
    let mut session = Session::open("Open_vSwitch", 1 << 16, Cursor::default());
    session.transact(vec![Operation::Comment("x".into())]);
    session
}

/// All that a server says to a session while a bridge and two ports come, one is changed, and one goes.
fn record() -> Vec<Value> {
    let server = Server::standalone();
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut messages = Deserializer::from_reader(stream.try_clone().unwrap()).into_iter::<Value>();
    let (mut session, mut said) = (open(), Vec::new());
    let mut hear = |session: &mut Session, count: usize| {
        stream.write_all(session.outgoing()).unwrap();
        session.written(session.outgoing().len());
        for _ in 0..count {
            let mut message = messages.next().unwrap().unwrap();
            prune(&mut message);
            session.receive(message.to_string().as_bytes()).unwrap();
            said.push(message);
        }
    };
    hear(&mut session, 3);
    hear(&mut session, 1);
    for change in [
        "add-br br-int",
        "add-port br-int tap0 -- set interface tap0 external_ids:iface-id=p1",
        "set port tap0 tag=4095",
        "set port tap0 tag=1",
        "del-port tap0",
    ] {
        server.vsctl(&change.split(' ').collect::<Vec<_>>());
        hear(&mut session, 1);
    }
    said
}

/// Of a schema no more than is monitored.
fn prune(message: &mut Value) {
    let Some(tables) = message.pointer_mut("/result/tables").and_then(Value::as_object_mut) else { return };
    tables.retain(|name, _| TABLES.contains(&name.as_str()));
    for columns in tables.values_mut().filter_map(|table| table.get_mut("columns")?.as_object_mut()) {
        columns.retain(|name, _| COLUMNS.contains(&name.as_str()));
    }
}

/// The tables that a reply to a monitor, or an update, tells of.
fn tables(message: &Value) -> Option<&Value> {
    let reply = message.pointer("/result/2").filter(|tables| tables.is_object());
    reply.or_else(|| message.pointer("/params/2")).filter(|tables| tables.is_object())
}

fn seed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name)
}

fn write_seeds() {
    let said = record();
    let stream: String = said.iter().map(Value::to_string).collect();
    let updates: Vec<_> = said.iter().filter_map(tables).map(Value::to_string).collect();
    for (name, bytes) in [
        ("session/bridge", [&[CHUNK], stream.as_bytes()].concat()),
        ("session/bridge-byte-by-byte", [&[1], stream.as_bytes()].concat()),
        ("replica/bridge", updates.join("\n").into_bytes()),
    ] {
        fs::create_dir_all(seed(name).parent().unwrap()).unwrap();
        fs::write(seed(name), bytes).unwrap();
    }
}

#[test]
fn fuzzing_starts_from_what_a_server_says() {
    if std::env::var_os("UPDATE_SEEDS").is_some() {
        write_seeds();
    }
    for name in ["session/bridge", "session/bridge-byte-by-byte"] {
        let (mut session, bytes) = (open(), fs::read(seed(name)).unwrap());
        for chunk in bytes[1..].chunks(bytes[0].into()) {
            session.receive(chunk).unwrap();
            session.written(session.outgoing().len());
        }
        let updates = session.outputs().iter().filter(|output| matches!(output, Output::Update(_))).count();
        assert!(session.is_in_step() && updates > 4, "{name} is not understood any more: {updates} updates");
    }
    let mut replica = Replica::new();
    let updates = fs::read_to_string(seed("replica/bridge")).unwrap();
    let mut changes = 0;
    for (number, line) in updates.lines().enumerate() {
        let tables = TableUpdates::from_json(&serde_json::from_str(line).unwrap()).unwrap();
        changes += replica.apply(&Update { complete: number == 0, tables }).unwrap().len();
    }
    assert!(replica.bridge_by_name("br-int").is_some() && changes > 6, "{changes} changes");
}
