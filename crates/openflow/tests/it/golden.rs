//! The same flow text through this crate and through the real `ovs-ofctl`: same bytes, same meaning.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use openflow::codec::{decode, encode, split};
use openflow::{
    Flow, FlowEvent, FlowMod, FlowMonitor, FlowUpdate, Hello, Message, MultipartReply, MultipartRequest, Version,
};

const DATA: &str = concat!(
    include_str!("../data/neutron.flows"),
    include_str!("../data/pipeline.flows"),
    include_str!("../data/forms.flows")
);

pub(crate) fn texts() -> Vec<&'static str> {
    DATA.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

pub(crate) fn parse(text: &str) -> Flow {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn sends_the_bytes_that_ovs_ofctl_sends() {
    for version in [Version::V1_3, Version::V1_4] {
        let texts = texts();
        let theirs = what_ovs_ofctl_sends(version, &texts.join("\n"));
        assert_eq!(theirs.len(), texts.len());
        for (text, theirs) in texts.iter().zip(&theirs) {
            let (frame, _) = split(theirs).unwrap().unwrap();
            let mut ours = Vec::new();
            encode(&Message::FlowMod(FlowMod::add(parse(text))), version, frame.xid, &mut ours).unwrap();
            assert_eq!(hex(&ours), hex(theirs), "{version}: {text}");
        }
    }
}

/// What is printed here is `ovs-ofctl`'s to read: it makes of it what it makes of the text that was parsed.
#[test]
fn ovs_ofctl_takes_our_text() {
    // what the codec does not know is shown as such, and is nobody's to read
    let (opaque, texts): (Vec<&str>, Vec<&str>) =
        texts().into_iter().partition(|text| parse(text).to_string().contains("opaque"));
    assert!(opaque.len() < 10 && opaque.iter().all(|text| !text.contains("cookie")), "{opaque:#?}");
    let printed: Vec<String> = texts.iter().map(|text| parse(text).to_string()).collect();
    let of_texts = what_ovs_ofctl_sends(Version::V1_4, &texts.join("\n"));
    let of_printed = what_ovs_ofctl_sends(Version::V1_4, &printed.join("\n"));
    assert_eq!(of_printed.len(), texts.len());
    for ((text, printed), (theirs, ours)) in texts.iter().zip(&printed).zip(of_texts.iter().zip(&of_printed)) {
        let read = |bytes: &[u8]| {
            let (frame, _) = split(bytes).unwrap().unwrap();
            let Message::FlowMod(flow_mod) = decode(&frame).unwrap() else { panic!("not a flow-mod: {text}") };
            flow_mod.flow.normalised()
        };
        assert_eq!(read(ours), read(theirs), "{text}\n{printed}");
    }
}

#[test]
fn reads_its_own_bytes_and_text_back() {
    for text in texts() {
        let flow = parse(text);
        let again = parse(&flow.to_string());
        assert_eq!(again.normalised(), flow.normalised(), "{text}\n{flow}");
        let mut bytes = Vec::new();
        encode(&Message::FlowMod(FlowMod::add(flow.clone())), Version::V1_3, 1, &mut bytes).unwrap();
        let (frame, taken) = split(&bytes).unwrap().unwrap();
        assert_eq!(taken, bytes.len());
        let Message::FlowMod(back) = decode(&frame).unwrap() else { panic!("not a flow-mod: {text}") };
        assert_eq!(back.flow.normalised(), flow.normalised(), "{text}");
    }
}

#[test]
fn ovs_ofctl_prints_our_bytes_as_the_same_flow() {
    for text in texts() {
        let flow = parse(text);
        let mut bytes = Vec::new();
        encode(&Message::FlowMod(FlowMod::add(flow.clone())), Version::V1_3, 2, &mut bytes).unwrap();
        let printed = Command::new("ovs-ofctl").args(["ofp-print", &hex(&bytes)]).output().unwrap().stdout;
        let printed = String::from_utf8(printed).unwrap();
        let theirs = printed.lines().next().unwrap_or_default();
        let theirs = theirs.split_once("ADD ").unwrap_or_else(|| panic!("{text}: {printed}")).1;
        let (head, actions) = theirs.split_once("actions=").unwrap();
        // A flow-mod is printed with colons where a dump has equals signs.
        let head = head.replace("table:", "table=").replace("cookie:", "cookie=");
        let head = head.replace("idle:", "idle_timeout=").replace("hard:", "hard_timeout=");
        let theirs = parse(&format!("{head} actions={actions}"));
        assert_eq!(theirs.normalised(), flow.normalised(), "{text}\n{printed}");
    }
}

/// Lets the real `ovs-ofctl` add these flows to a switch that only listens; the flow-mods that arrive there.
fn what_ovs_ofctl_sends(version: Version, flows: &str) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let (socket, file) = (dir.path().join("switch"), dir.path().join("flows"));
    std::fs::write(&file, flows).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let switch = std::thread::spawn(move || listen(listener.accept().unwrap().0, version));
    let output = Command::new("ovs-ofctl")
        // Names would make it ask the switch for its tables and ports first.
        .args(["--no-names", "-O", if version == Version::V1_3 { "OpenFlow13" } else { "OpenFlow14" }, "add-flows"])
        .args([&format!("unix:{}", socket.display()), path(&file)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    switch.join().unwrap()
}

#[test]
fn asks_for_a_flow_monitor_in_the_bytes_of_ovs_ofctl() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("switch");
    let listener = UnixListener::bind(&socket).unwrap();
    let switch = std::thread::spawn(move || listen(listener.accept().unwrap().0, Version::V1_4));
    let ofctl = ["--timeout=20", "--no-names", "-O", "OpenFlow14", "monitor", &format!("unix:{}", socket.display())];
    let watch = "watch:!initial,!own,table=20";
    let mut ofctl = Command::new("ovs-ofctl").args(ofctl).arg(watch).stdout(Stdio::null()).spawn().unwrap();
    let theirs = switch.join().unwrap();
    ofctl.wait().unwrap();
    let [theirs] = &theirs[..] else { panic!("one request: {theirs:?}") };
    let (frame, _) = split(theirs).unwrap().unwrap();
    let monitor = FlowMonitor { table: Some(20), id: 0, ..FlowMonitor::of_others() };
    let ours = Message::MultipartRequest(MultipartRequest::FlowMonitor(monitor));
    assert_eq!(decode(&frame).unwrap(), ours);
    let mut bytes = Vec::new();
    encode(&ours, Version::V1_4, frame.xid, &mut bytes).unwrap();
    assert_eq!(hex(&bytes), hex(theirs));
}

#[test]
fn ovs_ofctl_prints_our_flow_updates() {
    let flow = parse("cookie=0x7,table=20,priority=2,dl_vlan=1,dl_dst=fa:16:3e:00:00:01 actions=strip_vlan,output:1");
    let update = |event, reason| FlowUpdate::Full { event, reason, flow: flow.clone() };
    let updates = vec![
        update(FlowEvent::Initial, 0),
        update(FlowEvent::Added, 0),
        update(FlowEvent::Modified, 0),
        update(FlowEvent::Removed, 2),
        FlowUpdate::Own { xid: 0x1234 },
        FlowUpdate::Paused,
        FlowUpdate::Resumed,
    ];
    let message = Message::MultipartReply { more: false, part: MultipartReply::FlowUpdates(updates) };
    let mut bytes = Vec::new();
    encode(&message, Version::V1_4, 0, &mut bytes).unwrap();
    let printed = Command::new("ovs-ofctl").args(["ofp-print", &hex(&bytes)]).output().unwrap().stdout;
    let printed = String::from_utf8(printed).unwrap();
    let lines: Vec<_> = printed.lines().map(str::trim).collect();
    // It does not print priorities.
    let rule = "table=20 cookie=0x7 dl_vlan=1,dl_dst=fa:16:3e:00:00:01";
    let expected = [
        &format!("event=INITIAL {rule} actions=pop_vlan,output:1"),
        &format!("event=ADDED {rule} actions=pop_vlan,output:1"),
        &format!("event=MODIFIED {rule} actions=pop_vlan,output:1"),
        &format!("event=DELETED reason=delete {rule} actions=pop_vlan,output:1"),
        "event=ABBREV xid=0x1234",
        "event=PAUSED",
        "event=RESUMED",
    ];
    assert_eq!(lines[1..], expected, "{printed}");
}

/// Answers as a switch that has nothing to say; the flow-mods and requests for flow monitors that come.
fn listen(mut stream: UnixStream, version: Version) -> Vec<Vec<u8>> {
    let (mut buffer, mut flow_mods, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    encode(&Message::Hello(Hello { versions: Some(1 << version.wire()) }), version, 1, &mut answer).unwrap();
    loop {
        stream.write_all(&answer).unwrap();
        answer.clear();
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return flow_mods,
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
        }
        while let Some((frame, taken)) = split(&buffer).unwrap() {
            match decode(&frame).unwrap() {
                Message::FlowMod(_) => flow_mods.push(buffer[..taken].to_vec()),
                Message::MultipartRequest(MultipartRequest::FlowMonitor(_)) => {
                    flow_mods.push(buffer[..taken].to_vec());
                    return flow_mods;
                }
                Message::BarrierRequest => encode(&Message::BarrierReply, version, frame.xid, &mut answer).unwrap(),
                _ => {}
            }
            buffer.drain(..taken);
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
