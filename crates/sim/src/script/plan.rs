//! What people do that takes more than one step: drawn as a whole, and made a step at a time among all else.

use std::collections::VecDeque;

use super::{Item, Part};
use crate::judge::{Facts, Port};
use crate::rng::Rng;
use crate::setup::{Made, Setup};
use crate::step::Step;

/// Networks with ports on them, plugged and bound somewhere, and all of them known everywhere.
pub(super) fn populate(rng: &mut Rng, setup: Setup) -> Vec<Step> {
    // Only a host that the server has heard of can be bound to.
    let mut steps = vec![Step::Quiet];
    steps.extend((0..setup.networks).map(|network| Step::CreateNetwork { network }));
    for port in 0..setup.ports {
        let host = rng.slot(setup.hosts);
        // Three in a row have different MACs.
        let network = port / 3 % setup.networks.max(1);
        steps.push(Step::CreatePort { port, network, host: Some(host) });
        steps.extend((!rng.chance(6)).then_some(Step::Plug { host, port }));
    }
    steps.push(Step::Quiet);
    steps
}

/// Something to do with a port that is there, or with all of a host.
pub(super) fn draw(rng: &mut Rng, facts: &Facts) -> VecDeque<Item> {
    let there = rng.slot(facts.setup.hosts);
    let bound: Vec<(u8, Port)> = facts.ports.values().filter_map(|port| Some((port.host?, *port))).collect();
    let Some((here, Port { made: Made { slot: port, .. }, .. })) = bound.get(rng.below(bound.len())).copied() else {
        return VecDeque::new();
    };
    match rng.below(9) {
        // A live migration: the new host is plugged before the binding changes.
        0 | 1 => steps([
            Step::Plug { host: there, port },
            Step::Bind { port, host: Some(there) },
            Step::Unplug { host: here, port },
            Step::Announce { host: there, port },
        ]),
        // A cold one.
        2 => steps([
            Step::Unplug { host: here, port },
            Step::Bind { port, host: Some(there) },
            Step::Plug { host: there, port },
        ]),
        3 => steps([Step::Bind { port, host: Some(there) }, Step::Bind { port, host: Some(here) }]),
        4 => late_report(port, here, there),
        5 => replaced(rng, facts, port, here),
        6 => slow(facts, there),
        _ => vacated(rng, facts, there),
    }
}

fn steps(all: impl IntoIterator<Item = Step>) -> VecDeque<Item> {
    all.into_iter().map(Item::Step).collect()
}

/// A host has wired a port, and the server hears of it when the port has been elsewhere and is back.
fn late_report(port: u8, here: u8, there: u8) -> VecDeque<Item> {
    VecDeque::from([
        Item::Stall(Some((here, Part::ToServer))),
        Item::Step(Step::Unplug { host: here, port }),
        Item::Step(Step::Plug { host: here, port }),
        Item::Pause(30),
        Item::Step(Step::Bind { port, host: Some(there) }),
        Item::Pause(6),
        Item::Step(Step::Bind { port, host: Some(here) }),
        Item::Pause(6),
        Item::Stall(None),
    ])
}

/// A host does not read, and much changes meanwhile.
fn slow(facts: &Facts, host: u8) -> VecDeque<Item> {
    let mut all = VecDeque::from([Item::Stall(Some((host, Part::ToAgent)))]);
    for port in (0..facts.setup.ports).chain(0..facts.setup.ports) {
        all.extend([Item::Step(Step::Readdress { port }), Item::Pause(2)]);
    }
    all.push_back(Item::Stall(None));
    all
}

/// Another port with the same addresses, on another network perhaps.
fn replaced(rng: &mut Rng, facts: &Facts, port: u8, host: u8) -> VecDeque<Item> {
    let network = rng.slot(facts.setup.networks);
    steps([
        Step::DeletePort { port },
        Step::CreatePort { port, network, host: Some(host) },
        Step::Unplug { host, port },
        Step::Plug { host, port },
    ])
}

/// Everybody leaves a host; others come, and some come back: its local VLANs change hands.
fn vacated(rng: &mut Rng, facts: &Facts, host: u8) -> VecDeque<Item> {
    let here: Vec<u8> = facts.plugged.iter().filter(|(at, _)| *at == host).map(|(_, made)| made.slot).collect();
    let mut all = steps(here.iter().map(|port| Step::Announce { host, port: *port }));
    all.extend(here.iter().map(|port| Item::Step(Step::Unplug { host, port: *port })));
    all.push_back(Item::Pause(20));
    for _ in 0..2 {
        let port = rng.slot(facts.setup.ports);
        all.extend([Step::Bind { port, host: Some(host) }, Step::Plug { host, port }].map(Item::Step));
    }
    all.extend(here.iter().map(|port| Item::Step(Step::Plug { host, port: *port })));
    all
}
