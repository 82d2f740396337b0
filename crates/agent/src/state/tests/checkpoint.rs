//! What an agent knows from its disk.

use pipeline::Bridge;
use sync::messages::{ToAgent, ToServer};

use super::facts::{A, delta, entry, host_complete, network, reports, welcome, wired};
use super::world::World;
use crate::{Error, HostState, Settings};

fn saved(world: &mut World) -> Vec<u8> {
    world.state.checkpoint().expect("something is known")
}

/// The remote port has moved.
fn moved() -> ToAgent {
    let now = [entry(11, 39)];
    delta(A, (5, 8), &now, &[], &now)
}

#[test]
fn it_is_given_once_and_says_what_is_held() {
    let mut world = wired();
    let checkpoint = saved(&mut world);
    assert!(world.state.checkpoint().is_none(), "nothing new");
    world.restart_from(&checkpoint);
    let Some(ToServer::Hello(hello)) = world.sent.first() else { panic!("{:?}", world.sent) };
    assert_eq!(hello.held.iter().map(|held| held.network).collect::<Vec<_>>(), [network(A)]);
    let inventory = world.sent.iter().find_map(|said| match said {
        ToServer::Interfaces(interfaces) => Some(interfaces),
        _ => None,
    });
    let present = &inventory.expect("an inventory").present;
    assert!(present.iter().all(|at| at.order_held.is_some()), "{present:?}");
    assert_eq!((&world.mods[..], &world.writes[..]), (&[][..], &[][..]), "nothing differs");
    // The server has nothing to add: what is held is right, and all works as before.
    world.tell([welcome(), host_complete(&[A])]);
    assert_eq!(world.mods, []);
    assert!(world.state.status().settled);
    assert_eq!(reports(&world).len(), 1, "it is wired, and says so");
    world.tell([moved()]);
    assert!(!world.mods.is_empty(), "the control");
}

#[test]
fn with_the_server_away_a_switch_that_lost_everything_gets_all_of_it_back() {
    let mut world = wired();
    let (checkpoint, before) = (saved(&mut world), world.flows.clone());
    let lose = |world: &mut World| world.flows.values_mut().for_each(std::collections::BTreeMap::clear);
    lose(&mut world);
    world.restart(|_| {});
    assert_ne!(world.flows, before, "the control: without it the agent knows of no other host");
    lose(&mut world);
    world.restart_from(&checkpoint);
    assert_eq!(world.flows, before);
}

#[test]
fn an_old_one_changes_nothing_that_is_there() {
    let mut world = wired();
    let old = saved(&mut world);
    world.tell([moved()]);
    let now = world.flows.clone();
    world.restart_from(&old);
    let unicast = |world: &World| world.table(20).into_iter().cloned().collect::<Vec<_>>();
    let rows = now[&Bridge::Tunnel].values().filter(|flow| flow.table == 20 && flow.priority > 0).cloned();
    assert_eq!(unicast(&world), rows.collect::<Vec<_>>(), "the port has moved since");
    world.tell([welcome(), moved(), host_complete(&[A])]);
    assert_eq!(world.flows, now);
    assert!(world.state.status().settled);
}

#[test]
fn what_is_not_this_hosts_is_refused_and_changes_nothing() {
    let mut world = wired();
    let checkpoint = saved(&mut world);
    let other = |change: fn(&mut Settings)| {
        let mut settings = Settings { local_ip: Some([10, 0, 1, 31].into()), ..Settings::default() };
        change(&mut settings);
        let mut state = HostState::new(settings.parse(Some("compute1")).unwrap(), "boot".to_owned()).unwrap();
        let refused = state.restore(&checkpoint);
        (refused, state.is_unsaved(), state.status().networks.len())
    };
    let (own, ..) = other(|_| {});
    assert!(own.is_ok_and(|restored| restored.entries == 1 && !restored.rebooted));
    let (foreign, unsaved, _) = other(|settings| settings.host = "compute2".parse().ok());
    assert!(matches!(foreign, Err(Error::CheckpointOfHost(_))) && !unsaved);
    let (mode, ..) = other(|settings| (settings.l2_population, settings.arp_responder) = (false, false));
    assert!(matches!(mode, Err(Error::CheckpointOfMode)));
}
