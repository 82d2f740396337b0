//! Who still has to confirm what, beside the same worked out with plain sets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use directory::propagation::{Late, Now, Propagation};
use model::{HostName, NetworkId, PortId, Revision};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::history::{host, network, port};

const HOSTS: u8 = 70;

#[derive(Debug, Clone)]
enum Event {
    Published { port: u8, network: u8, revision: u64, laggards: BTreeSet<u8> },
    Withdrawn(u8),
    Confirmed { host: u8, network: u8, revision: u64 },
    Uninterested(u8, u8),
    Disconnected(u8),
    Elapsed,
}

fn event() -> impl Strategy<Value = Event> {
    // few hosts mostly, so that ports come to be known everywhere; the last ones, so that there are more than 64 at times
    let some = || prop_oneof![9 => 0..3_u8, 1 => 0..HOSTS];
    prop_oneof![
        6 => (0..6_u8, 0..2_u8, 0..9_u64, btree_set(some(), 0..4)).prop_map(|(port, network, revision, laggards)| {
            Event::Published { port, network, revision, laggards }
        }),
        1 => (0..6_u8).prop_map(Event::Withdrawn),
        9 => (some(), 0..2_u8, 0..9_u64).prop_map(|(host, network, revision)| Event::Confirmed { host, network, revision }),
        1 => (some(), 0..2_u8).prop_map(|(host, network)| Event::Uninterested(host, network)),
        1 => some().prop_map(Event::Disconnected),
        1 => Just(Event::Elapsed),
    ]
}

struct Wait {
    network: NetworkId,
    revision: Revision,
    deadline: Now,
    laggards: BTreeSet<HostName>,
}

#[derive(Default)]
struct Naive(BTreeMap<PortId, Wait>);

impl Naive {
    /// The ports that wait for nobody once the host has confirmed what `concerns` names.
    fn strike(&mut self, host: &HostName, concerns: impl Fn(&Wait) -> bool) -> BTreeSet<PortId> {
        let struck = self.0.iter_mut().filter(|(_, wait)| concerns(wait));
        let done =
            struck.filter_map(|(port, wait)| (wait.laggards.remove(host) && wait.laggards.is_empty()).then_some(*port));
        let done: BTreeSet<_> = done.collect();
        self.0.retain(|port, _| !done.contains(port));
        done
    }
}

proptest! {
    #[test]
    fn as_with_plain_sets(events in vec(event(), 1..60)) {
        let (mut propagation, mut naive) = (Propagation::default(), Naive::default());
        for (at, event) in events.into_iter().enumerate() {
            let now = Duration::from_secs(at as u64);
            match event {
                Event::Published { port: id, network: of, revision, laggards } => {
                    let laggards: BTreeSet<_> = laggards.into_iter().map(host).collect();
                    let deadline = now + Duration::from_secs(5);
                    let done = propagation.published(port(id), network(of), Revision(revision), &laggards, deadline);
                    prop_assert_eq!(done, laggards.is_empty());
                    naive.0.remove(&port(id));
                    if !done {
                        let wait = Wait { network: network(of), revision: Revision(revision), deadline, laggards };
                        naive.0.insert(port(id), wait);
                    }
                }
                Event::Withdrawn(id) => {
                    propagation.withdrawn(port(id));
                    naive.0.remove(&port(id));
                }
                Event::Confirmed { host: by, network: of, revision } => {
                    let done = propagation.confirmed(&host(by), network(of), Revision(revision));
                    let concerns = |wait: &Wait| wait.network == network(of) && wait.revision <= Revision(revision);
                    prop_assert_eq!(BTreeSet::from_iter(done), naive.strike(&host(by), concerns));
                }
                Event::Uninterested(by, of) => {
                    let done = propagation.uninterested(&host(by), network(of));
                    prop_assert_eq!(BTreeSet::from_iter(done), naive.strike(&host(by), |wait| wait.network == network(of)));
                }
                Event::Disconnected(by) => {
                    let done = propagation.disconnected(&host(by));
                    prop_assert_eq!(BTreeSet::from_iter(done), naive.strike(&host(by), |_| true));
                }
                Event::Elapsed => {
                    let mut late = propagation.expired(now);
                    late.sort_by_key(|late| late.port);
                    let due = naive.0.iter().filter(|(_, wait)| wait.deadline <= now);
                    let due = due.map(|(port, Wait { network, revision, laggards, .. })| Late {
                        port: *port,
                        network: *network,
                        revision: *revision,
                        laggards: laggards.iter().cloned().collect(),
                    });
                    prop_assert_eq!(late, due.collect::<Vec<_>>());
                    naive.0.retain(|_, wait| wait.deadline > now);
                }
            }
            prop_assert_eq!(propagation.next_deadline(), naive.0.values().map(|wait| wait.deadline).min());
        }
    }
}
