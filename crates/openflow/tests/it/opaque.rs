//! What this crate has no name for, as the real Open vSwitch has it: shown as opaque, and the same when it is sent back.

use openflow::connection::{Connection, Options};
use openflow::{Flow, FlowFilter, FlowMod};

use crate::golden::parse;
use crate::ovs::Ovs;

/// Flows as `ovs-ofctl` takes them, and what of each is shown as opaque: `NXM_NX_CT_STATE` is field 0x69 of class 1,
/// `NXM_NX_CT_ZONE` 0x6a, `NXM_NX_CONJ_ID` 0x25.
const UNKNOWN: [(&str, &[&str]); 10] = [
    ("table=0,priority=1,ip,ct_state=-trk actions=ct(table=1)", &["oxm-1-69-4-0=", "opaque("]),
    (
        "table=1,priority=2,tcp,ct_state=+new+trk,ct_zone=5 actions=ct(commit,table=2,zone=5,nat(src=10.0.0.1-10.0.0.9:80-90),\
         exec(set_field:0x1->ct_mark))",
        &["oxm-1-69-4-0=", "oxm-1-6a-2-0=", "opaque("],
    ),
    ("table=2,priority=3,ip,nw_src=10.0.0.1 actions=conjunction(7,1/2)", &["opaque("]),
    ("table=2,priority=3,tcp,tp_dst=80 actions=conjunction(7,2/2),conjunction(8,2/3)", &["opaque("]),
    ("table=2,priority=3,ip,conj_id=7 actions=NORMAL", &["oxm-1-25-4-0="]),
    ("table=3,priority=4 actions=group:1", &["opaque("]),
    ("table=3,priority=5,arp actions=write_actions(group:1),goto_table:4", &["write_actions(opaque("]),
    ("table=4,priority=6 actions=meter:1,ct_clear,output:1", &["meter:1", "opaque("]),
    ("table=4,priority=7,ip actions=dec_ttl,set_queue:3,output:1,pop_queue,note:00.11.22.33.44.55", &["opaque("]),
    ("table=4,priority=8,ip actions=controller(reason=no_match,max_len=128,id=5)", &["opaque("]),
];

const KNOWN: &str = "table=5,priority=9,arp,arp_op=1,reg3=0x5 actions=load:0x1->NXM_NX_REG0[],resubmit(,6),NORMAL";

#[tokio::test]
async fn what_is_not_known_goes_through_and_is_shown_as_opaque() {
    let (one, other) = (Ovs::start(), Ovs::start());
    for ovs in [&one, &other] {
        ovs.ofctl("add-group", &["group_id=1,type=all,bucket=output:1"]);
        ovs.ofctl("add-meter", &["meter=1,kbps,band=type=drop,rate=1000"]);
    }
    // The cookie says which flow it is.
    for ((text, _), cookie) in UNKNOWN.iter().chain([&(KNOWN, &[][..])]).zip(1..) {
        one.ofctl("add-flow", &[&format!("cookie={cookie},{text}")]);
    }

    let flows = flows(&one).await;
    assert_eq!(flows.len(), UNKNOWN.len() + 1);
    let shown = |cookie: u64| flows.iter().find(|flow| flow.cookie == cookie).unwrap().to_string();
    for ((text, opaque), cookie) in UNKNOWN.iter().zip(1..) {
        let shown = shown(cookie);
        assert!(opaque.iter().all(|part| shown.contains(part)), "{text} is shown as {shown}");
    }
    let known = shown(UNKNOWN.len() as u64 + 1);
    assert!(!known.contains("opaque") && !known.contains("oxm-"), "{known}");
    for flow in &flows {
        assert_eq!(parse(&flow.to_string()).normalised(), flow.normalised(), "{flow}");
    }

    let connection = open(&other).await;
    let adds: Vec<_> = flows.into_iter().map(FlowMod::add).collect();
    let outcome = connection.flow_mods(&adds).await.unwrap();
    assert!(outcome.is_ok(), "{outcome:?}");
    let (sent, read_back) = (dump(&one), dump(&other));
    assert_eq!(read_back, sent);
    for word in
        ["ct_state=+new+trk", "ct(commit", "conj_id=7", "conjunction(7,1/2)", "group:1", "meter:1", "note:00.11"]
    {
        assert!(read_back.iter().any(|flow| flow.contains(word)), "{word} in {read_back:#?}");
    }
}

async fn open(ovs: &Ovs) -> Connection {
    Connection::open(&ovs.target(), Options::default()).await.unwrap().0
}

async fn flows(ovs: &Ovs) -> Vec<Flow> {
    let mut flows = Vec::new();
    open(ovs).await.dump_flows(FlowFilter::all(), |stats| flows.push(stats.flow)).await.unwrap();
    flows
}

/// As the real tool prints them, in order of their text.
fn dump(ovs: &Ovs) -> Vec<String> {
    let text = ovs.ofctl("dump-flows", &[]);
    let mut flows: Vec<String> = text.lines().filter(|line| line.contains("actions=")).map(str::to_owned).collect();
    flows.sort();
    flows
}
