//! The connection against the real Open vSwitch.

use std::collections::HashMap;
use std::time::Duration;

use model::Backoff;
use openflow::connection::{Change, Connection, Event, Options, Target, keep_connected};
use openflow::{Action, Error, Field, Flow, FlowFilter, FlowKey, FlowMod, Instruction, Match, Meaning, PortReason};
use openflow::{Version, port};

use crate::golden::{parse, texts};
use crate::ovs::Ovs;

async fn open(ovs: &Ovs) -> Connection {
    Connection::open(&ovs.target(), Options::default()).await.unwrap().0
}

async fn dump(connection: &Connection, filter: FlowFilter) -> HashMap<FlowKey, Flow> {
    let mut flows = HashMap::new();
    connection
        .dump_flows(filter, |stats| {
            let twice = flows.insert(stats.flow.key(), stats.flow);
            assert!(twice.is_none(), "two flows with one key: {twice:?}");
        })
        .await
        .unwrap();
    flows
}

fn adds(flows: &[Flow]) -> Vec<FlowMod> {
    flows.iter().cloned().map(FlowMod::add).collect()
}

/// A flow that real Open vSwitch refuses: no field of ARP can be matched without the Ethernet type.
fn bad() -> Flow {
    Flow::new(0, 7, Match::any().with(Field::ArpOp, 1))
}

fn unicast(n: u32) -> Flow {
    let mac = (u128::from(n) | 0xfa16_3e00_0000).to_be_bytes();
    let mac = *mac.last_chunk().unwrap();
    let actions = [
        Action::PopVlan,
        Action::SetField { field: Field::TunnelId, value: 6, mask: None },
        Action::Output(1 + n % 50),
    ];
    Flow::new(20, 2, Match::any().vlan(1 + u16::try_from(n % 4094).unwrap()).eth_dst(mac)).apply(actions)
}

fn responder(n: u32) -> Flow {
    let text = format!(
        "table=21,priority=1,arp,dl_vlan={},arp_op=1,arp_tpa={ip} actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],\
         set_field:fa:16:3e:00:00:01->eth_src,set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],\
         move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:fa:16:3e:00:00:01->arp_sha,set_field:{ip}->arp_spa,IN_PORT",
        1 + n % 4094,
        ip = std::net::Ipv4Addr::from_bits(n),
    );
    parse(&text)
}

/// The proof of the normal form: what Open vSwitch reads back of any flow equals what was sent, in key and meaning.
async fn reads_back_what_was_sent(protocols: &str, version: Version) {
    let ovs = Ovs::start();
    ovs.vsctl(&["set", "bridge", "br0", &format!("protocols={protocols}")]);
    let connection = open(&ovs).await;
    assert_eq!(connection.version(), version);
    let mut sent: HashMap<FlowKey, Flow> = texts().into_iter().map(parse).map(|flow| (flow.key(), flow)).collect();
    // Some of them overlap, and would be refused in one order and not in the other.
    for flow in sent.values_mut() {
        flow.flags &= !openflow::flow_flags::CHECK_OVERLAP;
    }
    for n in 0..5_000 {
        sent.extend([unicast(n), responder(n)].map(|flow| (flow.key(), flow)));
    }
    // Spellings that the text form never makes, and a long flood list.
    let flood = (1..700).rev().map(Action::Output);
    let flood =
        Flow::new(22, 1, Match::any().with_masked(Field::VlanTci, 0x1007, 0x1fff)).apply(flood.collect::<Vec<_>>());
    let halves = Action::SetField { field: Field::Reg(3), value: 0x5000_0006, mask: Some(0xf000_000f) };
    let masked = Flow::new(22, 1, Match::any().with(Field::InPortNxm, 0xfffe)).apply([halves]);
    let mut backwards = Flow::new(22, 1, Match::any().vlan(8)).goto(23).apply([Action::Output(port::NORMAL)]);
    backwards.instructions.push(Instruction::Metadata { value: 5, mask: u64::MAX });
    sent.extend([flood, masked, backwards].map(|flow| (flow.key(), flow)));

    let flows: Vec<_> = sent.values().cloned().collect();
    let outcome = connection.flow_mods(&adds(&flows)).await.unwrap();
    let failed: Vec<_> = outcome.failed.iter().map(|(index, error)| format!("{}: {error}", flows[*index])).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let found = dump(&connection, FlowFilter::all()).await;
    for (key, flow) in &found {
        let sent = sent.get(key).unwrap_or_else(|| panic!("read back under another key: {flow}"));
        assert_eq!(flow.normalised(), sent.normalised(), "\n sent {sent}\n read {flow}");
        assert_eq!((flow.meaning(), flow.cookie), (sent.meaning(), sent.cookie), "\n sent {sent}\n read {flow}");
    }
    assert_eq!(found.len(), sent.len());
    assert_eq!(connection.aggregate(FlowFilter::all()).await.unwrap().flows as usize, sent.len());
    // Nor does the text of the real tool's dump mean anything else.
    for line in ovs.ofctl("dump-flows", &[]).lines().filter(|line| line.contains("actions=")) {
        let Ok(flow) = line.parse::<Flow>() else { panic!("{line}") };
        // The tool names what our text form has no names for.
        let meaning: Option<Meaning> = found.get(&flow.key()).map(Flow::meaning);
        assert_eq!(meaning, Some(flow.meaning()), "{line}");
    }
}

#[tokio::test]
async fn reads_back_what_was_sent_over_1_4() {
    reads_back_what_was_sent("OpenFlow14", Version::V1_4).await;
}

#[tokio::test]
async fn reads_back_what_was_sent_over_1_3() {
    reads_back_what_was_sent("OpenFlow13", Version::V1_3).await;
}

#[tokio::test]
async fn one_bad_flow_mod_is_named_and_the_rest_is_in() {
    let ovs = Ovs::start();
    let connection = open(&ovs).await;
    let mut flows: Vec<_> = (0..3_000).map(unicast).collect();
    flows[1234] = bad();
    let too_long = vec![Action::Output(1); 5_000];
    flows[77] = Flow::new(0, 0, Match::any()).apply(too_long);
    let outcome = connection.flow_mods(&adds(&flows)).await.unwrap();
    let [(77, Error::TooLong { .. }), (1234, Error::Switch(error))] = outcome.failed.as_slice() else {
        panic!("{outcome:?}")
    };
    assert_eq!(error.name(), Some("OFPBMC_BAD_PREREQ"));
    assert_eq!(dump(&connection, FlowFilter::all()).await.len(), 2_998);
}

async fn bundles_are_atomic(protocols: &str) {
    let ovs = Ovs::start();
    ovs.vsctl(&["set", "bridge", "br0", &format!("protocols={protocols}")]);
    let connection = open(&ovs).await;
    assert!(connection.supports_bundles().await.unwrap());
    let mut flows: Vec<_> = (0..3_000).map(unicast).collect();
    // Refused when it is added to the bundle.
    flows[1234] = bad();
    let outcome = connection.bundle(&adds(&flows)).await.unwrap();
    let [(1234, Error::Switch(error))] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(error.name(), Some("OFPBMC_BAD_PREREQ"));
    assert_eq!(dump(&connection, FlowFilter::all()).await.len(), 0);
    // Refused when the bundle is committed: it overlaps the one before it.
    flows[1234] = Flow::new(20, 2, Match::any());
    flows[1234].flags = openflow::flow_flags::CHECK_OVERLAP;
    let outcome = connection.bundle(&adds(&flows)).await.unwrap();
    let [(1234, Error::Switch(error))] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(error.name(), Some("OFPFMFC_OVERLAP"));
    assert_eq!(dump(&connection, FlowFilter::all()).await.len(), 0);
    flows.remove(1234);
    let outcome = connection.bundle(&adds(&flows)).await.unwrap();
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(dump(&connection, FlowFilter::all()).await.len(), 2_999);
    // In order: the deletion of all comes before the addition of one.
    let replace = [FlowMod::delete(FlowFilter::all()), FlowMod::add(unicast(7))];
    assert!(connection.bundle(&replace).await.unwrap().is_ok());
    assert_eq!(dump(&connection, FlowFilter::all()).await.into_keys().collect::<Vec<_>>(), [unicast(7).key()]);
}

#[tokio::test]
async fn bundles_are_atomic_over_1_4() {
    bundles_are_atomic("OpenFlow14").await;
}

#[tokio::test]
async fn bundles_are_atomic_over_1_3() {
    bundles_are_atomic("OpenFlow13").await;
}

#[tokio::test]
async fn filters_and_deletions_hit_what_they_name() {
    let ovs = Ovs::start();
    let connection = open(&ovs).await;
    let flows: Vec<_> = (0..100).map(|n| unicast(n).cookie(u64::from(n % 2) << 60 | u64::from(n))).collect();
    assert!(connection.flow_mods(&adds(&flows)).await.unwrap().is_ok());
    let count = async |filter| dump(&connection, filter).await.len();
    assert_eq!(count(FlowFilter::table(20)).await, 100);
    assert_eq!(count(FlowFilter::table(21)).await, 0);
    assert_eq!(count(FlowFilter::all().cookie(1 << 60, 0xf << 60)).await, 50);
    assert_eq!(count(FlowFilter::all().out_port(3)).await, 2);
    assert_eq!(count(FlowFilter::all().matching(Match::any().vlan(5))).await, 1);
    let mut orders = vec![FlowMod::delete_strict(&flows[10]), FlowMod::delete(FlowFilter::all().out_port(3))];
    orders.push(FlowMod::delete(FlowFilter::table(20).cookie(1 << 60, 0xf << 60)));
    orders.push(FlowMod::modify_strict(Flow { instructions: vec![Instruction::GotoTable(30)], ..flows[20].clone() }));
    assert!(connection.flow_mods(&orders).await.unwrap().is_ok());
    // 100 less: number 10; numbers 2 and 52, which output to port 3; 50 odd ones.
    let left = dump(&connection, FlowFilter::all()).await;
    assert_eq!(left.len(), 47);
    assert_eq!(left[&flows[20].key()].instructions, [Instruction::GotoTable(30)]);
}

#[tokio::test]
async fn tells_of_ports_tables_and_itself() {
    for protocols in ["OpenFlow13", "OpenFlow14"] {
        let ovs = Ovs::start();
        ovs.vsctl(&[
            "set",
            "bridge",
            "br0",
            &format!("protocols={protocols}"),
            "other_config:datapath-id=00000000000000c4",
        ]);
        let options = Options { port_status: true, ..Options::default() };
        let (connection, mut events) = Connection::open(&ovs.target(), options).await.unwrap();
        assert_eq!(connection.features().await.unwrap().datapath_id, 0xc4);
        assert_eq!(connection.features().await.unwrap().tables, 254);
        connection.barrier().await.unwrap();
        ovs.vsctl(&["add-port", "br0", "tap0", "--", "set", "interface", "tap0", "type=internal", "ofport_request=9"]);
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap();
        let Some(Event::PortStatus { reason: PortReason::Added, port }) = event else { panic!("{event:?}") };
        assert_eq!((port.port, port.name.as_str()), (9, "tap0"));
        let mut ports: Vec<_> = connection.port_descs().await.unwrap().into_iter().map(|port| port.port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [9, port::LOCAL]);
        assert_eq!(connection.port_stats(port::ANY).await.unwrap().len(), 2);
        assert_eq!(connection.port_stats(9).await.unwrap().len(), 1);
        assert!(connection.flow_mods(&[FlowMod::add(unicast(1))]).await.unwrap().is_ok());
        let tables = connection.table_stats().await.unwrap();
        assert_eq!(tables.iter().map(|table| table.active).sum::<u32>(), 1);
    }
}

#[tokio::test]
async fn many_requests_in_flight_find_their_answers() {
    let ovs = Ovs::start();
    let connection = open(&ovs).await;
    let tasks: Vec<_> = (0..32_u32)
        .map(|task| {
            let connection = connection.clone();
            tokio::spawn(async move {
                let mut flows: Vec<_> = (task * 200..task * 200 + 200).map(unicast).collect();
                flows[usize::try_from(task).unwrap()] = bad();
                let outcome = connection.flow_mods(&adds(&flows)).await.unwrap();
                let failed: Vec<_> = outcome.failed.iter().map(|(index, _)| *index).collect();
                assert_eq!(failed, [task as usize]);
                connection.barrier().await.unwrap();
                dump(&connection, FlowFilter::table(20)).await.len()
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap() >= 199);
    }
    assert_eq!(dump(&connection, FlowFilter::all()).await.len(), 32 * 199);
}

#[tokio::test]
async fn a_killed_switch_is_noticed_and_found_again() {
    let mut ovs = Ovs::start();
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(100));
    let mut changes = keep_connected(ovs.target(), Options::default(), backoff, || 1 << 31);
    let first = connected(&mut changes).await;
    assert!(first.flow_mods(&adds(&[unicast(1)])).await.unwrap().is_ok());
    ovs.kill_switch();
    let lost = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await.unwrap();
    assert!(matches!(lost, Some(Change::Lost(_))), "{lost:?}");
    assert!(matches!(first.barrier().await, Err(Error::Lost(_))));
    ovs.start_switch();
    let second = connected(&mut changes).await;
    second.barrier().await.unwrap();
    assert_eq!(dump(&second, FlowFilter::all()).await.len(), 0);
}

async fn connected(changes: &mut tokio::sync::mpsc::Receiver<Change>) -> Connection {
    let wait = async {
        loop {
            match changes.recv().await {
                Some(Change::Connected(connection)) => return connection,
                Some(_) => {}
                None => panic!("given up"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap()
}

#[tokio::test]
async fn a_switch_that_is_not_there_is_a_clear_error() {
    let target: Target = "unix:/nonexistent/br0.mgmt".parse().unwrap();
    let error = Connection::open(&target, Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("unix:/nonexistent/br0.mgmt"), "{error}");
}
