//! What an agent holds, and what it makes of what it is told.

use std::net::IpAddr;

use model::{Entry, Mac, Revision};
use sync::Error;
use sync::agent::{Held, Update};
use sync::messages::{
    Ack, Complete, Delta, Endpoints, HostComplete, MINOR, Resync, Snapshot, Sum, ToAgent, ToServer, Welcome,
};

use crate::facts::{epoch, hello, network, port};

pub(crate) fn entry(id: u8) -> Entry {
    let (mac, ips) = (Mac([2, 0, 0, 0, 0, id]), vec![IpAddr::from([192, 168, 0, id])]);
    Entry { port: port(id), mac, ips, endpoint: IpAddr::from([10, 0, 0, 1]) }
}

fn part(first: bool, entries: Vec<Entry>) -> ToAgent {
    ToAgent::Snapshot(Snapshot { network: network(0), first, entries, removes: vec![] })
}

fn complete(revision: u64, entries: &[Entry]) -> ToAgent {
    ToAgent::Complete(Complete { network: network(0), revision: Revision(revision), sum: Sum::of(entries) })
}

fn delta(previous: u64, revision: u64, upserts: Vec<Entry>, all: &[Entry]) -> ToAgent {
    let (previous, revision) = (Revision(previous), Revision(revision));
    let (network, sum) = (network(0), Sum::of(all));
    ToAgent::Delta(Delta { network, previous, revision, upserts, removes: vec![], sum, more: false })
}

/// An agent that holds entry 1 at revision 5.
fn agent() -> Held {
    let mut held = Held::new();
    held.receive(ToAgent::Welcome(Welcome { minor: 1, software: String::new(), epoch: epoch(1) })).unwrap();
    held.receive(part(true, vec![entry(1)])).unwrap();
    let received = held.receive(complete(5, &[entry(1)])).unwrap();
    assert!(matches!(received.update, Some(Update::Entries { replace: true, .. })));
    held.confirm(network(0), Revision(5), vec![]);
    held
}

fn asks_for_snapshot(held: &mut Held, message: ToAgent) -> bool {
    let received = held.receive(message).unwrap();
    assert_eq!(received.update, None, "what is in doubt is not passed on");
    matches!(&received.replies[..], [ToServer::Resync(resync)] if resync.network == Some(network(0)))
}

#[test]
fn a_gap_or_a_digest_that_differs_brings_a_snapshot() {
    assert!(asks_for_snapshot(&mut agent(), delta(6, 7, vec![entry(2)], &[entry(1), entry(2)])));
    let mut held = agent();
    assert!(asks_for_snapshot(&mut held, delta(5, 7, vec![entry(2)], &[entry(2)])));
    // Asked once; what still arrives is of no use; the snapshot heals it.
    assert!(!asks_for_snapshot(&mut held, delta(7, 8, vec![entry(3)], &[entry(3)])));
    assert_eq!(held.begin(hello(0)).held, [], "what is in doubt is not said to be held");
    let mut held = agent();
    assert!(asks_for_snapshot(&mut held, delta(9, 10, vec![], &[])));
    held.receive(part(true, vec![entry(3)])).unwrap();
    assert!(held.receive(complete(11, &[entry(3)])).unwrap().update.is_some());
    // The control.
    assert!(agent().receive(delta(5, 7, vec![entry(2)], &[entry(1), entry(2)])).unwrap().update.is_some());
}

/// What can be asked of a network, from its first word to doubt.
#[test]
fn what_is_held_is_told_at_each_step() {
    let mut held = Held::new();
    held.receive(ToAgent::Welcome(Welcome { minor: 1, software: String::new(), epoch: epoch(1) })).unwrap();
    let known = |held: &Held| (held.received(network(0)), held.confirmed(network(0)), held.is_whole(network(0)));
    let networks = |held: &Held| {
        held.networks().map(|network| (network.received.0, network.confirmed.0, network.sum)).collect::<Vec<_>>()
    };
    let coming = |held: &Held| held.coming().collect::<Vec<_>>();
    assert_eq!((known(&held), networks(&held)), ((None, None, false), vec![]));

    held.receive(part(true, vec![entry(1)])).unwrap();
    assert_eq!((known(&held), networks(&held)), ((None, None, false), vec![]), "a part is nothing yet");
    assert_eq!(coming(&held), [(network(0), entry(1).endpoint)]);

    held.receive(complete(5, &[entry(1)])).unwrap();
    let sum = Sum::of(&[entry(1)]);
    assert_eq!((known(&held), coming(&held)), ((Some(Revision(5)), None, true), vec![]));
    assert_eq!(networks(&held), [(5, 0, sum)]);
    let ack = |revision| Some(ToServer::Ack(Ack { network: network(0), revision, problems: vec![] }));
    assert_eq!(held.confirm(network(0), Revision(6), vec![]), None, "more than has come");
    assert_eq!(held.confirm(network(1), Revision(5), vec![]), None, "not held");
    assert_eq!(held.confirm(network(0), Revision(5), vec![]), ack(Revision(5)));
    assert_eq!(known(&held), (Some(Revision(5)), Some(Revision(5)), true));
    assert_eq!(networks(&held), [(5, 5, sum)]);

    assert!(asks_for_snapshot(&mut held, delta(6, 7, vec![entry(2)], &[entry(2)])));
    assert_eq!((known(&held), networks(&held)), ((None, None, false), vec![]), "in doubt");

    // the server has more of it than has come
    let mut held = agent();
    let networks = vec![(network(0), Revision(7))];
    held.receive(ToAgent::HostComplete(HostComplete { revision: Revision(7), networks })).unwrap();
    assert_eq!(known(&held), (Some(Revision(5)), Some(Revision(5)), false));
}

#[test]
fn damage_again_and_again_ends_the_stream() {
    let mut held = agent();
    for _ in 0..3 {
        held.receive(part(true, vec![entry(1)])).unwrap();
        assert!(asks_for_snapshot(&mut held, complete(6, &[entry(2)])));
    }
    held.receive(part(true, vec![entry(1)])).unwrap();
    assert!(matches!(held.receive(complete(6, &[entry(2)])), Err(Error::Damaged(_))));
}

#[test]
fn parts_of_an_earlier_stream_are_void() {
    let mut held = agent();
    held.receive(part(true, vec![entry(1), entry(2)])).unwrap();
    let hello = held.begin(hello(0));
    assert_eq!(hello.held[0].revision, Revision(5), "what it held before is still held");
    assert!(asks_for_snapshot(&mut held, complete(6, &[entry(1), entry(2)])));
}

#[test]
fn another_epoch_keeps_what_is_in_use_until_a_snapshot_replaces_it() {
    let mut held = agent();
    held.begin(hello(0));
    let welcome = ToAgent::Welcome(Welcome { minor: 1, software: String::new(), epoch: epoch(2) });
    assert_eq!(held.receive(welcome).unwrap(), sync::agent::Received::default(), "nothing is removed");
    assert_eq!(held.confirmed(network(0)), None);
    // A lower revision than before, of the new history.
    held.receive(part(true, vec![entry(2)])).unwrap();
    let update = held.receive(complete(2, &[entry(2)])).unwrap().update;
    assert!(matches!(update, Some(Update::Entries { replace: true, .. })));
}

#[test]
fn a_snapshot_of_a_lower_revision_than_was_confirmed_is_not_confirmed_by_that() {
    let mut held = agent();
    held.receive(part(true, vec![entry(2)])).unwrap();
    held.receive(complete(3, &[entry(2)])).unwrap();
    assert_eq!(held.confirmed(network(0)), None);
    held.confirm(network(0), Revision(3), vec![]);
    assert_eq!(held.begin(hello(0)).held[0].revision, Revision(3));
}

#[test]
fn a_network_that_is_missing_at_the_end_is_asked_for() {
    let mut held = agent();
    let end = |revision| HostComplete { revision: Revision(9), networks: vec![(network(0), Revision(revision))] };
    assert_eq!(held.receive(ToAgent::HostComplete(end(5))).unwrap().replies, []);
    let received = held.receive(ToAgent::HostComplete(end(6))).unwrap();
    assert!(matches!(&received.replies[..], [ToServer::Resync(_)]));
    let received =
        held.receive(ToAgent::HostComplete(HostComplete { revision: Revision(9), networks: vec![] })).unwrap();
    assert_eq!(received.update, Some(Update::HostComplete([].into())));
    assert_eq!(held.received(network(0)), None);
}

/// What the hello says of the list is what the server goes on from.
#[test]
fn endpoints_follow_from_what_the_hello_says() {
    let mut held = Held::new();
    held.receive(ToAgent::Welcome(Welcome { minor: MINOR, epoch: epoch(1), software: String::new() })).unwrap();
    let list = |previous, revision| {
        let (previous, revision) = (Revision(previous), Revision(revision));
        ToAgent::Endpoints(Endpoints { previous, revision, upserts: Vec::new(), removes: Vec::new() })
    };
    assert_eq!(held.begin(hello(0)).endpoints_held, Revision::ZERO);
    assert!(matches!(held.receive(list(0, 5)).unwrap().update, Some(Update::Endpoints { replace: true, .. })));
    assert_eq!((held.begin(hello(0)).endpoints_held, held.endpoints_held()), (Revision(5), Revision(5)));
    assert!(matches!(held.receive(list(5, 6)).unwrap().update, Some(Update::Endpoints { replace: false, .. })));
    let gap = held.receive(list(7, 8)).unwrap();
    assert!(gap.update.is_none() && matches!(&gap.replies[..], [ToServer::Resync(Resync { network: None, .. })]));
    assert_eq!(held.begin(hello(0)).endpoints_held, Revision(6));
}

#[test]
fn a_checkpoint_is_as_good_as_what_came_over_the_stream() {
    let mut before = agent();
    let kept = before.networks().next().unwrap();
    let mut restored = Held::new();
    let said = [
        ToAgent::Welcome(Welcome { minor: MINOR, software: String::new(), epoch: before.epoch().unwrap() }),
        ToAgent::Snapshot(Snapshot { network: kept.network, first: true, entries: vec![entry(1)], removes: vec![] }),
        ToAgent::Complete(Complete { network: kept.network, revision: kept.received, sum: kept.sum }),
    ];
    for message in said {
        assert_eq!(restored.receive(message).unwrap().replies, []);
    }
    assert_eq!(restored.begin(hello(0)).held, [], "OVS has confirmed nothing yet");
    restored.confirm(kept.network, kept.confirmed, vec![]);
    assert_eq!(restored.begin(hello(0)), before.begin(hello(0)));
    assert_eq!(restored.begin(hello(0)).held[0].sum, Some(Sum::of(&[entry(1)])));
}
