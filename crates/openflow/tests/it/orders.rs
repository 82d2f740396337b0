//! What a controller says besides adding flows, in the bytes of the real `ovs-ofctl`; and what a switch says, as
//! `ovs-ofctl` reads it.

use std::time::Duration;

use openflow::codec::encode;
use openflow::{
    Aggregate, BundleControl, BundleStep, Command, Ethernet, Features, FlowFilter, FlowMod, FlowMonitor, FlowRemoved,
    FlowStats, Hello, Message, MultipartReply, MultipartRequest, PortDesc, PortReason, PortStats, SwitchError,
    TableStats, Version, port,
};

use crate::golden::parse;
use crate::ofctl::{self, hex, message};

const VERSIONS: [Version; 2] = [Version::V1_3, Version::V1_4];

fn bytes(message: &Message, version: Version, xid: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, version, xid, &mut bytes).unwrap();
    bytes
}

/// What `ovs-ofctl` sends for this order is, `hello` and what is not of a `kind` of ours apart, `ours` and nothing else.
fn same(version: Version, options: &[&str], order: &str, args: &[&str], ours: &[Message]) {
    let of_interest = |theirs: &Vec<u8>| {
        let theirs = std::mem::discriminant(&message(theirs));
        ours.iter().any(|ours| std::mem::discriminant(ours) == theirs)
    };
    let mut theirs = ofctl::sends(version, options, order, args, "");
    theirs.retain(of_interest);
    assert_eq!(theirs.iter().map(|theirs| message(theirs)).collect::<Vec<_>>(), ours, "{version}: {order} {args:?}");
    for (theirs, ours) in theirs.iter().zip(ours) {
        let xid = u32::from_be_bytes(theirs[4..8].try_into().unwrap());
        assert_eq!(hex(&bytes(ours, version, xid)), hex(theirs), "{version}: {order} {args:?}");
    }
}

/// `ovs-ofctl` gives the priority that it gives new flows even where none is meant.
fn with_its_priority(mut flow_mod: FlowMod) -> Message {
    flow_mod.flow.priority = 0x8000;
    Message::FlowMod(flow_mod)
}

#[test]
fn changes_and_removes_flows_in_the_bytes_of_ovs_ofctl() {
    let flow = "table=20,priority=2,dl_vlan=1,dl_dst=fa:16:3e:00:00:01 actions=strip_vlan,output:7";
    let (matched, _) = flow.split_once(" actions").unwrap();
    let loose = matched.replace("priority=2,", "");
    let filter = FlowFilter::table(20).matching(parse(flow).matching);
    let modify = FlowMod { command: Command::Modify, ..FlowMod::add(parse(flow)) };
    for version in VERSIONS {
        same(version, &["--strict"], "mod-flows", &[flow], &[Message::FlowMod(FlowMod::modify_strict(parse(flow)))]);
        same(version, &[], "mod-flows", &[&flow.replace("priority=2,", "")], &[with_its_priority(modify.clone())]);
        same(
            version,
            &["--strict"],
            "del-flows",
            &[matched],
            &[Message::FlowMod(FlowMod::delete_strict(&parse(flow)))],
        );
        let delete = |filter: &FlowFilter| [with_its_priority(FlowMod::delete(filter.clone()))];
        same(version, &[], "del-flows", &[&loose], &delete(&filter));
        same(version, &[], "del-flows", &[], &delete(&FlowFilter::all()));
        same(version, &[], "del-flows", &["out_port=7"], &delete(&FlowFilter::all().out_port(7)));
        let ours = FlowFilter::table(20).cookie(0xc100, 0xff00);
        same(version, &[], "del-flows", &["table=20,cookie=0xc100/0xff00"], &delete(&ours));
    }
}

#[test]
fn asks_in_the_bytes_of_ovs_ofctl() {
    let ask = |request| [Message::MultipartRequest(request)];
    let some = FlowFilter::table(20).matching(parse("dl_vlan=1 actions=drop").matching).cookie(0xc100, 0xff00);
    for version in VERSIONS {
        same(version, &[], "dump-flows", &[], &ask(MultipartRequest::Flows(FlowFilter::all())));
        let filter = &["table=20,dl_vlan=1,cookie=0xc100/0xff00"];
        same(version, &[], "dump-flows", filter, &ask(MultipartRequest::Flows(some.clone())));
        same(version, &[], "dump-aggregate", filter, &ask(MultipartRequest::Aggregate(some.clone())));
        same(version, &[], "dump-tables", &[], &ask(MultipartRequest::Tables));
        same(version, &[], "dump-ports", &[], &ask(MultipartRequest::PortStats(port::ANY)));
        same(version, &[], "dump-ports", &["7"], &ask(MultipartRequest::PortStats(7)));
        same(version, &[], "dump-ports-desc", &[], &ask(MultipartRequest::PortDescs));
        same(version, &[], "show", &[], &[Message::FeaturesRequest]);
        same(version, &[], "probe", &[], &[Message::EchoRequest(Vec::new())]);
        same(version, &[], "add-flow", &["actions=drop"], &[Message::BarrierRequest]);
        let hello = Hello { versions: Some(1 << version.wire()) };
        same(version, &[], "probe", &[], &[Message::Hello(hello)]);
    }
    let monitor = FlowMonitor { table: Some(20), id: 0, ..FlowMonitor::of_others() };
    let watch = &["watch:!initial,!own,table=20"];
    same(Version::V1_4, &[], "monitor", watch, &ask(MultipartRequest::FlowMonitor(monitor)));
}

#[test]
fn bundles_in_the_bytes_of_ovs_ofctl() {
    let flow = "table=21,priority=1,arp,dl_vlan=1,arp_tpa=10.0.0.3 actions=drop";
    let flags = BundleControl::ATOMIC | BundleControl::ORDERED;
    for version in VERSIONS {
        // numbered by who opens it
        let bundle = 0;
        let step = |step| Message::BundleControl(BundleControl { bundle, step, flags });
        let add = Message::FlowMod(FlowMod::add(parse(flow)));
        let ours = [
            step(BundleStep::Open),
            Message::BundleAdd { bundle, flags, message: Box::new(add) },
            step(BundleStep::Commit),
        ];
        same(version, &["--bundle"], "add-flow", &[flow], &ours);
        // what it does not send for this is its own to read
        for (last, name) in [(BundleStep::Close, "CLOSE"), (BundleStep::Discard, "DISCARD")] {
            let expected = format!("bundle_id=0 type={name}_REQUEST flags=atomic ordered");
            assert_eq!(printed(version, &step(last)), ["", &expected]);
        }
    }
}

/// What it prints of this message, without the name's version and transaction.
fn printed(version: Version, said: &Message) -> Vec<String> {
    let bytes = bytes(said, version, 7);
    assert_eq!(&message(&bytes), said, "read back");
    let printed = ofctl::prints(&bytes);
    printed
        .trim_end()
        .split_once("(xid=0x7):")
        .map_or(&*printed, |(_, what)| what)
        .lines()
        .map(str::trim)
        .map(str::to_owned)
        .collect()
}

#[test]
fn ovs_ofctl_reads_what_a_switch_says() {
    let flow = parse("cookie=0x7,table=20,priority=2,dl_vlan=1 actions=strip_vlan,output:7");
    let stats = FlowStats { flow: flow.clone(), duration: Duration::new(3, 500_000_000), packets: 5, bytes: 300 };
    let (mac, ethernet) = ([2, 0, 0, 0, 0, 7], Ethernet { current_speed: 10_000_000, ..Ethernet::default() });
    let port = PortDesc { port: 7, mac, name: "vxlan-0a000127".into(), config: 1, state: 1, ethernet };
    let port_lines = ["config:     PORT_DOWN", "state:      LINK_DOWN", "speed: 10000 Mbps now, 0 Mbps max"];
    let removed = FlowRemoved {
        table: 20,
        priority: 2,
        matching: flow.matching.clone(),
        cookie: 7,
        reason: 1,
        duration: Duration::from_secs(3),
        idle_timeout: 0,
        hard_timeout: 300,
        packets: 5,
        bytes: 300,
    };
    for version in VERSIONS {
        let says = |said: Message, expected: &[&str]| assert_eq!(printed(version, &said), expected, "{version}");
        let replies = |part, expected: &[&str]| says(Message::MultipartReply { more: false, part }, expected);
        let line = "cookie=0x7, duration=3.500s, table=20, n_packets=5, n_bytes=300, priority=2,dl_vlan=1 \
                    actions=pop_vlan,output:7";
        replies(MultipartReply::Flows(vec![stats.clone()]), &["", line]);
        let sums = Aggregate { packets: 5, bytes: 300, flows: 2 };
        replies(MultipartReply::Aggregate(sums), &["packet_count=5 byte_count=300 flow_count=2"]);
        let table = TableStats { table: 20, active: 2, lookups: 9, matched: 5 };
        replies(MultipartReply::Tables(vec![table]), &["", "table 20:", "active=2, lookup=9, matched=5"]);
        let counters = PortStats { port: 7, rx_packets: 5, tx_bytes: 300, tx_errors: 2, ..PortStats::default() };
        // in 1.4 a port's counters of an Ethernet are a property of their own, and we do not write it
        let unknown = if version == Version::V1_3 { "0" } else { "?" };
        let received =
            format!("port  7: rx pkts=5, bytes=0, drop=0, errs=0, frame={unknown}, over={unknown}, crc={unknown}");
        let sent = format!("tx pkts=0, bytes=300, drop=0, errs=2, coll={unknown}");
        replies(MultipartReply::PortStats(vec![counters]), &["1 ports", &received, &sent, "duration=0s"]);
        let named = "7(vxlan-0a000127): addr:02:00:00:00:00:07";
        replies(MultipartReply::PortDescs(vec![port.clone()]), &[&["", named], &port_lines[..]].concat());
        let gone = Message::PortStatus { reason: PortReason::Deleted, port: port.clone() };
        says(gone, &[&[&*format!("DEL: {named}")], &port_lines[..]].concat());
        let features = Features { datapath_id: 0xabc, buffers: 5, tables: 254, auxiliary_id: 0, capabilities: 1 };
        let capable = ["dpid:0000000000000abc", "n_tables:254, n_buffers:5", "capabilities: FLOW_STATS"];
        says(Message::FeaturesReply(features), &capable);
        let error = SwitchError { kind: 1, code: 5, experimenter: None, data: Vec::new() };
        says(Message::Error(error), &["OFPBRC_EPERM", "OpenFlow message is empty"]);
        let of_removed =
            "priority=2,dl_vlan=1 reason=hard table_id=20 cookie:0x7 duration3s idle0 hard300 pkts5 bytes300";
        says(Message::FlowRemoved(removed.clone()), &[of_removed]);
        let payload = "00000000  61 6c 69 76 65                                  |alive           |";
        says(Message::EchoReply(b"alive".to_vec()), &["5 bytes of payload", payload]);
        says(Message::BarrierReply, &[]);
    }
}

#[test]
fn ovs_ofctl_reads_which_reports_are_wanted() {
    for (version, port_status) in VERSIONS.into_iter().flat_map(|version| [(version, true), (version, false)]) {
        let printed = ofctl::prints(&bytes(&Message::SetAsync { port_status }, version, 7));
        let wanted = |line: &&str| line.contains(':') && !line.ends_with("(off)");
        // for a controller in each role: primary (or equal), and secondary
        let ports = if port_status { "    PORT_STATUS: add delete modify" } else { "" };
        let expected = format!("OFPT_SET_ASYNC (O{version}) (xid=0x7):primary:{ports}secondary:{ports}");
        let expected = expected.replace("OpenFlow ", "F").replace(' ', "");
        let said: String = printed.lines().filter(wanted).collect::<String>().replace(' ', "");
        assert_eq!(said, expected, "{printed}");
    }
}
