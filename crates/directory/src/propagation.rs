//! Who still has to confirm what: when a wired port is known everywhere that it matters.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::{HostName, NetworkId, PortId, Revision};
use uuid::Uuid;

/// Time since any fixed moment; it comes in as a value.
pub type Now = Duration;

/// Ports that are wired and not yet known to be propagated.
#[derive(Debug, Default)]
pub struct Propagation {
    networks: HashMap<NetworkId, Network>,
    waits: HashMap<PortId, Wait>,
    deadlines: BTreeSet<(Now, PortId)>,
}

#[derive(Debug)]
struct Wait {
    network: NetworkId,
    revision: Revision,
    deadline: Now,
    laggards: Laggards,
}

/// The ports of one network that wait. Who has ten thousand ports become `ACTIVE` on a thousand hosts at once has ten
/// million pairs of them: each pair is one bit.
#[derive(Debug, Default)]
struct Network {
    waits: BTreeSet<(Revision, PortId)>,
    /// Hosts that somebody waits for, or did; their place in [`Laggards`].
    places: HashMap<HostName, usize>,
    /// By place: no port that was published before this revision waits for the host.
    first: Vec<Revision>,
}

/// Hosts of a network, by their places.
#[derive(Debug, Default)]
struct Laggards {
    bits: Vec<u64>,
    count: usize,
}

/// A port that is `ACTIVE` from now on although some hosts have not confirmed it: the bound has elapsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    pub port: PortId,
    pub network: NetworkId,
    pub revision: Revision,
    pub laggards: Vec<HostName>,
}

impl Propagation {
    /// A port was published at `revision`. `laggards` are the hosts to wait for: interested, connected, not the port's
    /// own (which confirmed it by wiring it), and not yet at this revision. Returns true if there is nobody to wait for.
    /// What was waited for before of the same port is void.
    #[must_use]
    pub fn published<'h>(
        &mut self,
        port: PortId,
        network: NetworkId,
        revision: Revision,
        laggards: impl IntoIterator<Item = &'h HostName>,
        deadline: Now,
    ) -> bool {
        self.withdrawn(port);
        let mut hosts = laggards.into_iter().peekable();
        if hosts.peek().is_none() {
            return true;
        }
        let state = self.networks.entry(network).or_default();
        let mut laggards = Laggards::default();
        for host in hosts {
            laggards.insert(state.awaits(host, revision));
        }
        state.waits.insert((revision, port));
        self.deadlines.insert((deadline, port));
        self.waits.insert(port, Wait { network, revision, deadline, laggards });
        false
    }

    /// A port is no longer published, or no longer waits.
    pub fn withdrawn(&mut self, port: PortId) {
        let Some(wait) = self.waits.remove(&port) else { return };
        self.deadlines.remove(&(wait.deadline, port));
        if let Some(state) = self.networks.get_mut(&wait.network) {
            state.waits.remove(&(wait.revision, port));
            if state.waits.is_empty() {
                self.networks.remove(&wait.network);
            }
        }
    }

    /// A host has confirmed a network up to a revision; returns the ports that are propagated by that.
    #[must_use]
    pub fn confirmed(&mut self, host: &HostName, network: NetworkId, revision: Revision) -> Vec<PortId> {
        let Some(state) = self.networks.get_mut(&network) else { return Vec::new() };
        let Some(place) = state.places.get(host).copied() else { return Vec::new() };
        let Some(first) = state.first.get_mut(place).filter(|first| **first <= revision) else { return Vec::new() };
        let waits = state.waits.range((*first, PortId(Uuid::nil()))..);
        *first = Revision(revision.0.saturating_add(1));
        let mut done = Vec::new();
        for (_, port) in waits.take_while(|(published, _)| *published <= revision) {
            if let Some(wait) = self.waits.get_mut(port) {
                wait.laggards.remove(place);
                if wait.laggards.count == 0 {
                    done.push(*port);
                }
            }
        }
        for port in &done {
            self.withdrawn(*port);
        }
        done
    }

    /// A host is no longer interested in a network, so nobody waits for it there; returns as [`Propagation::confirmed`].
    #[must_use]
    pub fn uninterested(&mut self, host: &HostName, network: NetworkId) -> Vec<PortId> {
        self.confirmed(host, network, Revision(u64::MAX))
    }

    /// A host's stream is gone, so nobody waits for it; returns as [`Propagation::confirmed`].
    #[must_use]
    pub fn disconnected(&mut self, host: &HostName) -> Vec<PortId> {
        let awaited = self.networks.iter().filter(|(_, state)| state.places.contains_key(host));
        let networks: Vec<_> = awaited.map(|(id, _)| *id).collect();
        networks.into_iter().flat_map(|network| self.uninterested(host, network)).collect()
    }

    /// When [`Propagation::expired`] has something to say next.
    pub fn next_deadline(&self) -> Option<Now> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Ports whose bound has elapsed, with those who lag.
    #[must_use]
    pub fn expired(&mut self, now: Now) -> Vec<Late> {
        let due: Vec<_> =
            self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now).map(|(_, id)| *id).collect();
        let late = due.into_iter().filter_map(|port| {
            let wait = self.waits.get(&port)?;
            let places = &self.networks.get(&wait.network)?.places;
            let lags = |(_, place): &(&HostName, &usize)| wait.laggards.contains(**place);
            let mut laggards: Vec<_> = places.iter().filter(lags).map(|(host, _)| host.clone()).collect();
            laggards.sort();
            let late = Late { port, network: wait.network, revision: wait.revision, laggards };
            self.withdrawn(port);
            Some(late)
        });
        late.collect()
    }
}

impl Network {
    /// The place of a host that a port of this revision is going to wait for.
    fn awaits(&mut self, host: &HostName, revision: Revision) -> usize {
        if let Some(place) = self.places.get(host).copied() {
            if let Some(first) = self.first.get_mut(place) {
                *first = revision.min(*first);
            }
            return place;
        }
        let place = self.first.len();
        self.places.insert(host.clone(), place);
        self.first.push(revision);
        place
    }
}

impl Laggards {
    fn insert(&mut self, place: usize) {
        let word = place / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if let Some(bits) = self.bits.get_mut(word).filter(|bits| **bits & mask(place) == 0) {
            *bits |= mask(place);
            self.count += 1;
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(bits) = self.bits.get_mut(place / 64).filter(|bits| **bits & mask(place) != 0) {
            *bits &= !mask(place);
            self.count -= 1;
        }
    }

    fn contains(&self, place: usize) -> bool {
        self.bits.get(place / 64).is_some_and(|bits| bits & mask(place) != 0)
    }
}

fn mask(place: usize) -> u64 {
    1 << (place % 64)
}

#[cfg(test)]
mod tests {
    use model::Error;

    use super::*;

    const BOUND: Now = Duration::from_secs(5);

    fn port(n: u128) -> PortId {
        PortId(Uuid::from_u128(n))
    }

    fn network() -> NetworkId {
        NetworkId(Uuid::from_u128(1))
    }

    fn hosts<const N: usize>(names: [&str; N]) -> Result<Vec<HostName>, Error> {
        names.into_iter().map(str::parse).collect()
    }

    #[test]
    fn done_when_the_last_host_confirms_and_not_before() -> Result<(), Error> {
        let mut propagation = Propagation::default();
        let both = hosts(["a", "b"])?;
        assert!(!propagation.published(port(1), network(), Revision(7), &both, BOUND));
        assert!(propagation.confirmed(&both[0], network(), Revision(6)).is_empty(), "an older revision");
        assert!(propagation.confirmed(&both[0], network(), Revision(7)).is_empty(), "b is missing");
        assert_eq!(propagation.confirmed(&both[1], network(), Revision(9)), [port(1)]);
        assert_eq!(propagation.next_deadline(), None);
        assert!(propagation.networks.is_empty());
        Ok(())
    }

    #[test]
    fn nobody_to_wait_for_is_done_at_once() {
        assert!(Propagation::default().published(port(1), network(), Revision(7), &[], BOUND));
    }

    #[test]
    fn a_host_that_goes_is_not_waited_for() -> Result<(), Error> {
        let mut propagation = Propagation::default();
        let both = hosts(["a", "b"])?;
        assert!(!propagation.published(port(1), network(), Revision(7), &both, BOUND));
        assert!(!propagation.published(port(2), network(), Revision(8), &both[..1], BOUND));
        assert_eq!(propagation.disconnected(&both[0]), [port(2)]);
        assert_eq!(propagation.uninterested(&both[1], network()), [port(1)]);
        Ok(())
    }

    #[test]
    fn the_bound_names_who_lags() -> Result<(), Error> {
        let mut propagation = Propagation::default();
        let both = hosts(["a", "b"])?;
        assert!(!propagation.published(port(1), network(), Revision(7), &both, BOUND));
        assert!(propagation.confirmed(&both[0], network(), Revision(7)).is_empty());
        assert!(propagation.expired(Duration::from_millis(4999)).is_empty());
        let late = propagation.expired(BOUND);
        assert_eq!(late.len(), 1);
        assert_eq!((late[0].port, &late[0].laggards[..]), (port(1), &both[1..]));
        assert!(propagation.expired(BOUND * 2).is_empty(), "said once");
        assert!(propagation.networks.is_empty());
        Ok(())
    }

    #[test]
    fn what_is_withdrawn_or_published_anew_waits_no_longer() -> Result<(), Error> {
        let mut propagation = Propagation::default();
        let both = hosts(["a", "b"])?;
        assert!(!propagation.published(port(1), network(), Revision(7), &both, BOUND));
        assert!(!propagation.published(port(1), network(), Revision(9), &both[1..], BOUND * 2));
        assert!(propagation.confirmed(&both[1], network(), Revision(8)).is_empty());
        propagation.withdrawn(port(1));
        assert!(propagation.confirmed(&both[1], network(), Revision(9)).is_empty());
        assert!(propagation.expired(BOUND * 3).is_empty());
        Ok(())
    }
}
