//! The model of Open vSwitch does what the real one does: the same random flows and frames through both.

mod datapath;
mod draw;

use std::collections::BTreeMap;

use openflow::{Action, Field, Flow, Learn, LearnSource, LearnSpec, LearnTarget, Match, port};
use sim::ovs::actions::{Out, pass};
use sim::ovs::vswitch::{Kind, Port, Vlans};
use sim::ovs::{BROADCAST, Frame, Tables, Vswitch};
use sim::rng::Rng;

use crate::lab::OneHost;
use datapath::{Real, as_hex};
use draw::{PORTS, draw_flow_mod, draw_flows, draw_frame};

/// Sets of flows, and frames through each.
const SETS: u64 = 12;
const FRAMES: usize = 25;

#[tokio::test]
async fn random_flows_do_with_random_frames_what_they_do_in_open_vswitch() {
    let real = Real::with_ports(OneHost::up("trace").await, PORTS).await;
    let mut forwarded = 0;
    for seed in 0..SETS {
        let mut rng = Rng::new(seed);
        let flows = draw_flows(&mut rng);
        real.set_flows(&flows).await;
        let mut tables = Tables::default();
        for flow in &flows {
            tables.add(flow.clone(), 0);
        }
        for _ in 0..FRAMES {
            let (in_port, frame) = draw_frame(&mut rng);
            let expected = real.trace(in_port, &frame).await;
            let found: Vec<(u32, Frame)> = pass(&tables, in_port, frame).outputs.into_iter().map(plain).collect();
            let text: Vec<String> = flows.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "set {seed}, {frame:?} in at port {in_port} through\n{}", text.join("\n"));
            forwarded += found.len();
        }
    }
    assert!(forwarded > 100, "only {forwarded} frames came out anywhere: nothing was compared");
}

fn plain((out, frame): (Out, Frame)) -> (u32, Frame) {
    match out {
        // The tunnel id is metadata: it does not leave by a plain port.
        Out::Port(port) => (port, Frame { tunnel_id: 0, ..frame }),
        Out::Normal => panic!("no flow here says NORMAL"),
    }
}

/// What flow-mods and bundles leave on the switch is what they leave in the model.
#[tokio::test]
async fn random_flow_mods_leave_the_flows_that_they_leave_in_open_vswitch() {
    let real = Real::with_ports(OneHost::up("mods").await, PORTS).await;
    real.set_flows(&[]).await;
    let connection = real.connect().await;
    let (mut rng, mut model, mut removals) = (Rng::new(5), Tables::default(), 0);
    let known = |flows: Vec<Flow>| {
        let mut keys: Vec<_> =
            flows.iter().map(|flow| (flow.table, flow.priority, flow.key(), flow.meaning(), flow.cookie)).collect();
        keys.sort_unstable();
        keys
    };
    for nth in 0..80 {
        let there: Vec<Flow> = model.flows().cloned().collect();
        let flow_mods: Vec<_> = (0..=rng.below(4)).map(|_| draw_flow_mod(&mut rng, &there)).collect();
        let outcome =
            if rng.next_bit() { connection.bundle(&flow_mods).await } else { connection.flow_mods(&flow_mods).await };
        assert!(outcome.unwrap().is_ok(), "{flow_mods:?}");
        for flow_mod in &flow_mods {
            model.apply(flow_mod, 0);
        }
        let own: Vec<Flow> = model.flows().cloned().collect();
        removals += there.len().saturating_sub(own.len());
        assert_eq!(known(own), known(real.flows().await), "after {nth}: {flow_mods:?}");
    }
    assert!(removals > 20, "only {removals} flows went: removal was not compared");
}

/// Access ports, trunks of some VLANs and of all, under NORMAL.
#[tokio::test]
async fn normal_switches_as_open_vswitch_does() {
    let real = Real::with_ports(OneHost::up("normal").await, PORTS).await;
    let normal = Flow::new(0, 1, Match::any()).apply([Action::Output(port::NORMAL)]);
    real.set_flows(std::slice::from_ref(&normal)).await;
    let mut forwarded = 0;
    for seed in 0..6 {
        let mut rng = Rng::new(seed);
        let mut model = Vswitch::default();
        model.integration.tables.add(normal.clone(), 0);
        for number in 1..=PORTS {
            let vlans = match rng.below(4) {
                0 => Vlans::Access(5),
                1 => Vlans::Access(6),
                2 => Vlans::Trunk([5, 4095].into()),
                _ => Vlans::Trunk([].into()),
            };
            real.set_vlans(number, &vlans).await;
            let name = format!("p{number}");
            model.integration.set_port(number, Port { name, kind: Kind::Interface(None), vlans });
        }
        for _ in 0..20 {
            let (in_port, frame) = draw_frame(&mut rng);
            let mut expected = real.trace(in_port, &frame).await;
            let walk = model.from_interface(&format!("p{in_port}"), frame);
            let number = |name: &str| name[1..].parse::<u32>().unwrap();
            let mut found: Vec<_> = walk.delivered.iter().map(|(name, frame)| (number(name), *frame)).collect();
            // The order in which a frame is flooded means nothing.
            expected.sort_unstable();
            found.sort_unstable();
            let ports: BTreeMap<_, _> =
                model.integration.ports.iter().map(|(number, port)| (number, &port.vlans)).collect();
            let found: Vec<_> =
                found.into_iter().map(|(port, frame)| (port, Frame { tunnel_id: 0, ..frame })).collect();
            assert_eq!(found, expected, "set {seed}, {frame:?} in at port {in_port} of {ports:?}");
            forwarded += found.len();
        }
    }
    assert!(forwarded > 50, "only {forwarded} frames came out anywhere: nothing was compared");
}

/// Real frames: what is learned is what the model learns, and what comes after takes the same way.
#[tokio::test]
async fn what_is_learned_from_real_frames_is_the_same() {
    let real = Real::with_ports(OneHost::up("learn").await, PORTS).await;
    let flows = [
        Flow::new(0, 1, Match::any()).apply([
            Action::Resubmit { port: None, table: Some(10) },
            Action::Resubmit { port: None, table: Some(20) },
        ]),
        Flow::new(10, 1, Match::any()).apply([learn()]),
        Flow::new(20, 0, Match::any()).apply((1..=PORTS).map(Action::Output).collect::<Vec<_>>()),
    ];
    real.set_flows(&flows).await;
    let mut model = Vswitch::default();
    for flow in &flows {
        model.tunnel.tables.add(flow.clone(), 0);
    }
    for number in 1..=PORTS {
        let (name, kind, vlans) = (format!("p{number}"), Kind::Interface(None), Vlans::Trunk([].into()));
        model.tunnel.set_port(number, Port { name, kind, vlans });
    }
    let mut rng = Rng::new(7);
    for nth in 0..40 {
        let in_port = 1 + u32::from(rng.slot(PORTS.try_into().unwrap()));
        let dst = if nth % 3 == 0 { BROADCAST } else { draw::MACS[rng.below(draw::MACS.len())] };
        let frame = Frame { tag: [None, Some(5)][rng.below(2)], ..Frame::data(draw::MACS[rng.below(3)], dst) };
        let before = real.sent().await;
        real.send(in_port, &as_hex(&frame)).await;
        let after = real.sent().await;
        let sent: Vec<u32> = (1..=PORTS).filter(|port| after[port] > before[port]).collect();

        let passage = pass(&model.tunnel.tables, in_port, frame);
        let mut found: Vec<u32> = passage.outputs.iter().map(|(out, _)| plain((*out, frame)).0).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, sent, "frame {nth}, {frame:?} in at port {in_port}");
        for flow in passage.learned {
            model.tunnel.tables.add(flow, 0);
        }
        let learned = |flows: Vec<Flow>| {
            let of_table = flows.into_iter().filter(|flow| flow.table == 20 && flow.priority == 1);
            let mut keys: Vec<_> = of_table.map(|flow| (flow.key(), flow.meaning(), flow.cookie)).collect();
            keys.sort_unstable();
            keys
        };
        let own: Vec<Flow> = model.tunnel.tables.flows().cloned().collect();
        assert_eq!(learned(own), learned(real.flows().await), "after frame {nth}");
    }
}

/// As the pipeline's, but that a port is no tunnel.
fn learn() -> Action {
    let spec = |bits, source, target| LearnSpec { bits, source, target };
    let from = |field| LearnSource::Field { field, offset: 0 };
    Action::Learn(Box::new(Learn {
        table: 20,
        priority: 1,
        cookie: 0x5,
        idle_timeout: 0,
        hard_timeout: 300,
        fin_idle_timeout: 0,
        fin_hard_timeout: 0,
        flags: 0,
        limit: 0,
        result_dst: None,
        specs: vec![
            spec(12, from(Field::VlanTci), LearnTarget::Match { field: Field::VlanTci, offset: 0 }),
            spec(48, from(Field::EthSrc), LearnTarget::Match { field: Field::EthDst, offset: 0 }),
            spec(16, LearnSource::Immediate(0), LearnTarget::Load { field: Field::VlanTci, offset: 0 }),
            spec(32, from(Field::InPort), LearnTarget::Output),
        ],
    }))
}
