//! Single changes: what is news to whom, and how far back history reaches.

use directory::{Directory, EntryChange, Limits, Position};
use model::{Change, Committed, PortId, Revision};

use crate::history::{host, host_fact, leaving, network, network_fact, port, port_fact};

/// Ports that others hear of from this commit on as new, or as at another place.
fn commit(directory: &mut Directory, revision: u64, changes: Vec<Change>) -> Vec<PortId> {
    assert!(directory.apply(&Committed { revision: Revision(revision), changes }));
    directory.take_dirty().published.into_keys().collect()
}

/// Three hosts and a network; port 4 keeps host 2 interested and is never wired.
fn begun() -> Directory {
    let mut directory = Directory::new(Limits { tombstones: 2 });
    let hosts = (0..3).map(|n| host_fact(n, 0));
    let watcher = port_fact(4, 0, Some(2), true, false, 0);
    commit(&mut directory, 1, hosts.chain([network_fact(0), watcher]).collect());
    directory.inventory(&host(2), [port(4).to_string().as_str()]);
    directory
}

#[test]
fn a_port_is_news_when_it_is_new_or_elsewhere() {
    let mut directory = begun();
    let at = |on, wired, ips| vec![port_fact(0, 0, Some(on), true, wired, ips)];
    let steps = [
        (at(0, true, 1), true, true),
        (at(0, true, 2), false, true),
        (at(1, true, 2), true, true),
        (at(1, false, 2), false, false),
        (at(1, true, 2), true, true),
    ];
    for (revision, (changes, news, published)) in (2..).zip(steps) {
        let told = commit(&mut directory, revision, changes);
        assert_eq!(!told.is_empty(), news, "revision {revision}");
        assert_eq!(directory.entry_revision(port(0)), published.then_some(Revision(revision)));
    }
    // the same once more is no change
    assert_eq!(commit(&mut directory, 9, at(1, true, 2)), []);
    assert_eq!(directory.entry_revision(port(0)), Some(Revision(6)));
}

#[test]
fn history_reaches_back_as_far_as_what_is_kept_of_it() {
    let mut directory = begun();
    let ports = |ids: std::ops::Range<u8>, wired| ids.map(|id| port_fact(id, 0, Some(0), true, wired, 0)).collect();
    commit(&mut directory, 2, ports(0..3, true));
    let reaches = |directory: &Directory, revision| {
        let position = Position::end_of(Revision(revision));
        let view = directory.view(network(0), &host(2)).unwrap();
        assert_eq!(view.resume(Revision(revision), None).is_some(), view.reaches(position));
        view.reaches(position)
    };
    commit(&mut directory, 3, ports(0..1, false));
    commit(&mut directory, 4, ports(1..2, false));
    assert!(reaches(&directory, 2), "two that went are remembered");
    commit(&mut directory, 5, ports(2..3, false));
    assert!(!reaches(&directory, 2), "the third is one too many");
    assert!(reaches(&directory, 3));
}

/// A host does not hold its own ports: it is told of one only if it held it as another's.
#[test]
fn a_host_hears_of_its_own_port_only_if_it_held_it() {
    let mut directory = begun();
    let at = |on, ips| vec![port_fact(0, 0, Some(on), true, true, ips)];
    let since = |directory: &Directory, revision| {
        let position = Position::end_of(Revision(revision));
        let changes = directory.view(network(0), &host(2)).unwrap().changes(position, position);
        changes.map(|(_, change)| matches!(change, EntryChange::Remove(id) if id == port(0))).collect::<Vec<_>>()
    };
    commit(&mut directory, 2, at(2, 1));
    assert_eq!(since(&directory, 1), [] as [bool; 0], "it never was another's");
    commit(&mut directory, 3, at(0, 1));
    commit(&mut directory, 4, at(2, 1));
    assert_eq!(since(&directory, 3), [true], "held at revision 3 as another's");
    commit(&mut directory, 5, at(2, 2));
    assert_eq!(since(&directory, 3), [true]);
    assert_eq!(since(&directory, 4), [] as [bool; 0], "told at revision 4");
}

/// After a load, a host that had wired a port is silent until it says what is plugged.
#[test]
fn hosts_that_had_wired_ports_are_silent_until_they_report() {
    let mut directory = Directory::new(Limits { tombstones: 2 });
    let hosts = (0..3).map(|n| host_fact(n, 0));
    let wired = [port_fact(0, 0, Some(0), true, true, 0), port_fact(1, 1, Some(1), true, true, 0)];
    let nowhere = port_fact(2, 0, None, true, false, 0);
    let changes = hosts.chain([network_fact(0), network_fact(1), nowhere]).chain(wired).collect();
    directory.load(&Committed { revision: Revision(7), changes });
    let silent_in = |directory: &Directory, of| directory.silent_in(network(of)).cloned().collect::<Vec<_>>();
    assert_eq!((silent_in(&directory, 0), silent_in(&directory, 1)), (vec![host(0)], vec![host(1)]));
    assert_eq!([0, 1, 2].map(|n| directory.is_silent(&host(n))), [true, true, false]);
    assert_eq!([0, 1].map(|of| directory.has_wired(&host(0), network(of))), [true, false]);

    directory.inventory(&host(0), std::iter::empty());
    assert_eq!((silent_in(&directory, 0), silent_in(&directory, 1)), (vec![], vec![host(1)]));
    assert!(!directory.is_silent(&host(0)) && directory.has_wired(&host(0), network(0)));

    // a port that is leaving a host is wired there still
    let mut directory = Directory::new(Limits { tombstones: 2 });
    let moving = leaving(Some(0), port_fact(0, 0, Some(1), true, false, 0));
    let changes = vec![host_fact(0, 0), host_fact(1, 0), host_fact(2, 0), network_fact(0), moving];
    directory.load(&Committed { revision: Revision(7), changes });
    assert_eq!([0, 1, 2].map(|n| directory.is_silent(&host(n))), [true, true, false]);
    assert_eq!([0, 1].map(|n| directory.has_wired(&host(n), network(0))), [true, false]);
    assert_eq!(silent_in(&directory, 0), [host(0)]);
}
