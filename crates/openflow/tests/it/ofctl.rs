//! The real `ovs-ofctl`: what it sends to a switch, and what it makes of bytes.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use openflow::codec::{decode, encode, split};
use openflow::{BundleStep, Features, Hello, Message, MultipartReply, MultipartRequest, Version};

/// Lets it give this order to a switch that only listens; the messages that arrive there. `input` is the file `-`.
pub(crate) fn sends(version: Version, options: &[&str], order: &str, args: &[&str], input: &str) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("switch");
    let listener = UnixListener::bind(&socket).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let ended = over.clone();
    let switch = std::thread::spawn(move || {
        // one order may be more than one connection, at the same time
        let connections = listener.incoming().take_while(|_| !ended.load(Relaxed)).map(Result::unwrap);
        connections.map(|stream| std::thread::spawn(move || listen(stream, version))).collect::<Vec<_>>()
    });
    let mut ofctl = Command::new("ovs-ofctl")
        // Names would make it ask the switch for its tables and ports first.
        .args(["--timeout=20", "--no-names", "-O", if version == Version::V1_3 { "OpenFlow13" } else { "OpenFlow14" }])
        .args(options)
        .args([order, &format!("unix:{}", socket.display())])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    ofctl.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = ofctl.wait_with_output().unwrap();
    over.store(true, Relaxed);
    drop(UnixStream::connect(&socket).unwrap());
    let seen: Vec<_> = switch.join().unwrap().into_iter().flat_map(|connection| connection.join().unwrap()).collect();
    let failure = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || seen.last().is_some_and(|bytes| asks_to_watch(bytes)),
        "{order} {args:?}: {failure}"
    );
    seen
}

/// What it says that these bytes are.
pub(crate) fn prints(bytes: &[u8]) -> String {
    let output = Command::new("ovs-ofctl").args(["ofp-print", &hex(bytes)]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn message(bytes: &[u8]) -> Message {
    decode(&split(bytes).unwrap().unwrap().0).unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn asks_to_watch(bytes: &[u8]) -> bool {
    matches!(message(bytes), Message::MultipartRequest(MultipartRequest::FlowMonitor(_)))
}

/// Answers as a switch that has nothing to say; all that came until the peer went, or asked to be told of changes.
fn listen(mut stream: UnixStream, version: Version) -> Vec<Vec<u8>> {
    let (mut buffer, mut seen, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    encode(&Message::Hello(Hello { versions: Some(1 << version.wire()) }), version, 1, &mut answer).unwrap();
    loop {
        let mut chunk = [0; 4096];
        match stream.write_all(&answer).and_then(|()| stream.read(&mut chunk)) {
            Ok(0) | Err(_) => return seen,
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
        }
        answer.clear();
        while let Some((frame, taken)) = split(&buffer).unwrap() {
            seen.push(buffer[..taken].to_vec());
            if seen.last().is_some_and(|bytes| asks_to_watch(bytes)) {
                return seen;
            }
            if let Some(reply) = reply(decode(&frame).unwrap()) {
                encode(&reply, version, frame.xid, &mut answer).unwrap();
            }
            buffer.drain(..taken);
        }
    }
}

/// Not a message of ours: `ovs-ofctl show` asks.
const GET_CONFIG: u8 = 7;

fn reply(message: Message) -> Option<Message> {
    let part = |part| Some(Message::MultipartReply { more: false, part });
    match message {
        Message::EchoRequest(body) => Some(Message::EchoReply(body)),
        Message::FeaturesRequest => Some(Message::FeaturesReply(Features {
            datapath_id: 7,
            buffers: 0,
            tables: 254,
            auxiliary_id: 0,
            capabilities: 0,
        })),
        Message::BarrierRequest => Some(Message::BarrierReply),
        Message::Opaque { kind: GET_CONFIG, .. } => Some(Message::Opaque { kind: GET_CONFIG + 1, body: vec![0; 4] }),
        Message::BundleControl(mut control) => {
            control.step = match control.step {
                BundleStep::Open => BundleStep::Opened,
                BundleStep::Close => BundleStep::Closed,
                BundleStep::Commit => BundleStep::Committed,
                other => other,
            };
            Some(Message::BundleControl(control))
        }
        Message::MultipartRequest(MultipartRequest::Flows(_)) => part(MultipartReply::Flows(Vec::new())),
        Message::MultipartRequest(MultipartRequest::Aggregate(_)) => {
            part(MultipartReply::Aggregate(openflow::Aggregate { packets: 0, bytes: 0, flows: 0 }))
        }
        Message::MultipartRequest(MultipartRequest::Tables) => part(MultipartReply::Tables(Vec::new())),
        Message::MultipartRequest(MultipartRequest::PortStats(_)) => part(MultipartReply::PortStats(Vec::new())),
        Message::MultipartRequest(MultipartRequest::PortDescs) => part(MultipartReply::PortDescs(Vec::new())),
        _ => None,
    }
}
