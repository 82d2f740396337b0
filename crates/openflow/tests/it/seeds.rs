//! What fuzzing starts from, in `fuzz/seeds`: the golden flows as bytes and as text. `UPDATE_SEEDS=1` writes them anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openflow::codec::encode;
use openflow::{
    Aggregate, BundleControl, BundleStep, Features, FlowEvent, FlowMod, FlowRemoved, FlowStats, FlowUpdate, Hello,
    Message, MultipartReply, Version,
};

use crate::golden::{parse, texts};

/// Flows in one input: short ones are read, and changed, more often.
const FLOWS: usize = 6;
/// One flow in so many is an input of its own as text.
const TEXTS: usize = 3;

fn seeds() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    for (number, texts) in texts().chunks(FLOWS).enumerate() {
        let version = if number % 2 == 0 { Version::V1_3 } else { Version::V1_4 };
        let flows = || texts.iter().map(|text| parse(text));
        let flow_mods: Vec<_> = flows().map(|flow| Message::FlowMod(FlowMod::add(flow))).collect();
        seeds.insert(format!("decode/flow-mods-{number:02}").into(), bytes(version, &flow_mods));
        let stats = |flow| FlowStats { flow, duration: Duration::from_millis(1500), packets: 7, bytes: 420 };
        let part = MultipartReply::Flows(flows().map(stats).collect());
        let dump = Message::MultipartReply { more: number % 3 == 0, part };
        seeds.insert(format!("decode/flows-{number:02}").into(), bytes(version, &[dump]));
    }
    seeds.insert("decode/switch".into(), bytes(Version::V1_4, &of_a_switch()));
    for (number, text) in texts().iter().enumerate().step_by(TEXTS) {
        seeds.insert(format!("text/flow-{number:03}").into(), text.as_bytes().to_vec());
    }
    seeds
}

/// What a switch says besides.
fn of_a_switch() -> Vec<Message> {
    let flow = parse("cookie=0x7,table=20,priority=2,dl_vlan=1,dl_dst=fa:16:3e:00:00:01 actions=strip_vlan,output:1");
    let removed = FlowRemoved {
        table: 20,
        priority: 1,
        matching: flow.matching.clone(),
        cookie: 5,
        reason: 1,
        duration: Duration::from_mins(5),
        idle_timeout: 0,
        hard_timeout: 300,
        packets: 1,
        bytes: 60,
    };
    let update = |event, reason| FlowUpdate::Full { event, reason, flow: flow.clone() };
    let updates = vec![update(FlowEvent::Added, 0), update(FlowEvent::Removed, 2), FlowUpdate::Own { xid: 9 }];
    vec![
        Message::Hello(Hello { versions: Some(1 << 5) }),
        Message::FeaturesReply(Features { datapath_id: 1, buffers: 0, tables: 254, auxiliary_id: 0, capabilities: 7 }),
        Message::EchoRequest(b"are you there".to_vec()),
        Message::FlowRemoved(removed),
        Message::MultipartReply { more: false, part: MultipartReply::FlowUpdates(updates) },
        Message::MultipartReply {
            more: false,
            part: MultipartReply::Aggregate(Aggregate { packets: 1, bytes: 60, flows: 100_000 }),
        },
        Message::BundleControl(BundleControl { bundle: 1, step: BundleStep::Opened, flags: BundleControl::ATOMIC }),
        Message::BarrierReply,
    ]
}

fn bytes(version: Version, messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (xid, message) in (1..).zip(messages) {
        encode(message, version, xid, &mut bytes).unwrap();
    }
    bytes
}

#[test]
fn fuzzing_starts_from_the_golden_flows() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, bytes) in seeds() {
        let path = dir.join(name);
        if std::env::var_os("UPDATE_SEEDS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let found = std::fs::read(&path).unwrap_or_default();
        assert!(found == bytes, "{} is not what the golden flows give: UPDATE_SEEDS=1 writes it", path.display());
    }
}
