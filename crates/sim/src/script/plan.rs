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
    match rng.below(18) {
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
        4 | 13 => late_report(rng, port, here),
        5 => replaced(rng, facts, port, here),
        6 => slow(facts, there),
        7 | 8 => prepared(rng, port, here, there),
        9 => restored(facts, port, there),
        10 => refused(rng, port, there),
        11 => readdressed(there),
        12 => replayed(port, here, there),
        14 => ahead(rng, facts, port),
        15 => slow_bridge(port, there),
        _ => vacated(rng, facts, there),
    }
}

fn steps(all: impl IntoIterator<Item = Step>) -> VecDeque<Item> {
    all.into_iter().map(Item::Step).collect()
}

/// A host has wired a port, and the server hears of it when the port has been down and is up again: the host has isolated it
/// meanwhile, which the server does not hear yet, and the host does not hear that it is to wire it again.
fn late_report(rng: &mut Rng, port: u8, here: u8) -> VecDeque<Item> {
    let mut all = VecDeque::from([
        Item::Step(Step::SetUp { port, up: false }),
        Item::Step(Step::Quiet),
        Item::Stall(Some((here, Part::ToServer))),
        Item::Step(Step::SetUp { port, up: true }),
        Item::Pause(15),
        Item::Step(Step::SetUp { port, up: false }),
        Item::Pause(15),
        Item::Stall(Some((here, Part::Stream))),
        Item::Step(Step::SetUp { port, up: true }),
        Item::Pause(2),
    ]);
    // The first of what it has said, and not all of it.
    for _ in 0..=rng.below(3) {
        all.push_back(Item::Step(Step::ToServer { host: here, oldest: true }));
    }
    all.extend([Item::Pause(30), Item::Stall(None)]);
    all
}

/// A live migration of which the new host is told beforehand; or it comes to nothing.
fn prepared(rng: &mut Rng, port: u8, here: u8, there: u8) -> VecDeque<Item> {
    let mut all = steps([Step::Prepare { port, host: there }, Step::Plug { host: there, port }]);
    all.push_back(Item::Pause(rng.slot(30)));
    if rng.chance(4) {
        all.extend(steps([Step::Quiet, Step::Unplug { host: there, port }, Step::Forget { port, host: there }]));
    } else {
        all.extend(steps([
            Step::Bind { port, host: Some(there) },
            Step::Unplug { host: here, port },
            Step::Announce { host: there, port },
        ]));
    }
    all
}

/// The database is copied, much happens, and the copy comes back.
fn restored(facts: &Facts, port: u8, there: u8) -> VecDeque<Item> {
    let mut all = steps([Step::Backup, Step::Bind { port, host: Some(there) }, Step::Plug { host: there, port }]);
    for port in 0..facts.setup.ports {
        all.extend([Item::Step(Step::Readdress { port }), Item::Pause(8)]);
    }
    all.push_back(Item::Step(Step::DeletePort { port: facts.setup.ports - 1 }));
    all.push_back(Item::Pause(40));
    all.push_back(Item::Step(Step::Restore));
    all
}

/// The database is copied, a host hears of what comes after that and then nothing more, while another host gets a new address;
/// the copy comes back, and knows of that address by the time that the first host is heard again.
fn ahead(rng: &mut Rng, facts: &Facts, port: u8) -> VecDeque<Item> {
    let hosts: Vec<u8> = (0..facts.setup.hosts).collect();
    let deaf = hosts.iter().copied().find(|host| facts.setup.is_mesh(*host)).unwrap_or(0);
    let other = (deaf + 1 + rng.slot(facts.setup.hosts.saturating_sub(1).max(1))) % facts.setup.hosts.max(1);
    let mut all = steps([Step::Quiet, Step::Backup]);
    for up in [false, true, false, true] {
        all.extend(steps([Step::SetUp { port, up }, Step::Quiet]));
    }
    all.extend(steps([Step::MoveEndpoint { host: other }, Step::Quiet]));
    all.push_back(Item::Stall(Some((deaf, Part::Stream))));
    all.push_back(Item::Step(Step::MoveEndpoint { host: other }));
    all.push_back(Item::Pause(20));
    all.push_back(Item::Step(Step::Restore));
    all.extend([Item::Pause(30), Item::Stall(None)]);
    all
}

/// A bridge refuses flows while ports come to others.
fn refused(rng: &mut Rng, port: u8, host: u8) -> VecDeque<Item> {
    let mut all = steps([
        Step::Refuse { host, some: true },
        Step::Readdress { port },
        Step::SetUp { port, up: false },
        Step::SetUp { port, up: true },
    ]);
    all.push_back(Item::Pause(rng.slot(40)));
    all.push_back(Item::Step(Step::Refuse { host, some: false }));
    all
}

/// A host comes back with another address, sooner or later.
fn readdressed(host: u8) -> VecDeque<Item> {
    VecDeque::from([
        Item::Step(Step::MoveEndpoint { host }),
        Item::Pause(20),
        Item::Step(Step::Wait { seconds: 11 }),
        Item::Pause(10),
    ])
}

/// What a host said of a port before it went comes once more on the stream after that.
fn replayed(port: u8, here: u8, there: u8) -> VecDeque<Item> {
    let mut all = steps([Step::Unplug { host: here, port }, Step::Plug { host: here, port }]);
    all.push_back(Item::Pause(12));
    all.push_back(Item::Step(Step::Cut { host: here, kept: 2 }));
    all.push_back(Item::Pause(25));
    all.extend(steps([Step::Again { host: here }, Step::Again { host: here }, Step::Bind { port, host: Some(there) }]));
    all.extend(steps([Step::Again { host: here }, Step::Again { host: here }]));
    all
}

/// The bridges of a host take nothing while a port comes to others.
fn slow_bridge(port: u8, there: u8) -> VecDeque<Item> {
    let mut all = steps([Step::SetUp { port, up: false }, Step::Quiet]);
    all.push_back(Item::Stall(Some((there, Part::Bridge))));
    all.push_back(Item::Step(Step::SetUp { port, up: true }));
    all.extend([Item::Pause(30), Item::Stall(None)]);
    all
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
