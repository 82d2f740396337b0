//! The same flow text through this crate and through the real `ovs-ofctl`: same bytes, same meaning.

use openflow::codec::{decode, encode, split};
use openflow::{Flow, FlowEvent, FlowMod, FlowUpdate, Message, MultipartReply, Version};

use crate::ofctl::{self, hex, message};

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
            let Message::FlowMod(flow_mod) = message(bytes) else { panic!("not a flow-mod: {text}") };
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
        let printed = ofctl::prints(&bytes);
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

/// The flow-mods with which the real `ovs-ofctl` adds these flows.
fn what_ovs_ofctl_sends(version: Version, flows: &str) -> Vec<Vec<u8>> {
    let mut sent = ofctl::sends(version, &[], "add-flows", &["-"], flows);
    sent.retain(|bytes| matches!(message(bytes), Message::FlowMod(_)));
    sent
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
    let printed = ofctl::prints(&bytes);
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
