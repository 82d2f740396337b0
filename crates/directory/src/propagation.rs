//! Who still has to confirm what: when a wired port is known everywhere that it matters.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use model::{HostName, NetworkId, PortId, Revision};

/// Time since any fixed moment; it comes in as a value.
pub type Now = Duration;

/// Ports that are wired and not yet known to be propagated.
#[derive(Debug, Default)]
pub struct Propagation {
    waits: BTreeMap<PortId, Wait>,
    /// Who waits for this host to confirm this network: a confirmation looks at these only.
    awaited: HashMap<(HostName, NetworkId), BTreeSet<PortId>>,
    deadlines: BTreeSet<(Now, PortId)>,
}

#[derive(Debug)]
struct Wait {
    network: NetworkId,
    revision: Revision,
    deadline: Now,
    laggards: BTreeSet<HostName>,
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
    pub fn published(
        &mut self,
        port: PortId,
        network: NetworkId,
        revision: Revision,
        laggards: impl IntoIterator<Item = HostName>,
        deadline: Now,
    ) -> bool {
        self.withdrawn(port);
        let laggards: BTreeSet<_> = laggards.into_iter().collect();
        if laggards.is_empty() {
            return true;
        }
        for host in &laggards {
            self.awaited.entry((host.clone(), network)).or_default().insert(port);
        }
        self.deadlines.insert((deadline, port));
        self.waits.insert(port, Wait { network, revision, deadline, laggards });
        false
    }

    /// A port is no longer published, or no longer waits.
    pub fn withdrawn(&mut self, port: PortId) {
        let Some(wait) = self.waits.remove(&port) else { return };
        self.deadlines.remove(&(wait.deadline, port));
        for host in wait.laggards {
            self.forget(host, wait.network, port);
        }
    }

    /// A host has confirmed a network up to a revision; returns the ports that are propagated by that.
    #[must_use]
    pub fn confirmed(&mut self, host: &HostName, network: NetworkId, revision: Revision) -> Vec<PortId> {
        let Some(ports) = self.awaited.get(&(host.clone(), network)) else { return Vec::new() };
        let reached = |port: &&PortId| self.waits.get(port).is_some_and(|wait| wait.revision <= revision);
        let reached: Vec<_> = ports.iter().filter(reached).copied().collect();
        self.no_longer(host, network, reached)
    }

    /// A host is no longer interested in a network, so nobody waits for it there; returns as [`Propagation::confirmed`].
    #[must_use]
    pub fn uninterested(&mut self, host: &HostName, network: NetworkId) -> Vec<PortId> {
        self.confirmed(host, network, Revision(u64::MAX))
    }

    /// A host's stream is gone, so nobody waits for it; returns as [`Propagation::confirmed`].
    #[must_use]
    pub fn disconnected(&mut self, host: &HostName) -> Vec<PortId> {
        let networks: Vec<_> = self.awaited.keys().filter(|(other, _)| other == host).map(|(_, id)| *id).collect();
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
            let laggards = wait.laggards.iter().cloned().collect();
            let late = Late { port, network: wait.network, revision: wait.revision, laggards };
            self.withdrawn(port);
            Some(late)
        });
        late.collect()
    }

    fn no_longer(&mut self, host: &HostName, network: NetworkId, ports: Vec<PortId>) -> Vec<PortId> {
        let mut done = Vec::new();
        for port in ports {
            self.forget(host.clone(), network, port);
            if let Some(wait) = self.waits.get_mut(&port) {
                wait.laggards.remove(host);
                if wait.laggards.is_empty() {
                    done.push(port);
                }
            }
        }
        for port in &done {
            self.withdrawn(*port);
        }
        done
    }

    fn forget(&mut self, host: HostName, network: NetworkId, port: PortId) {
        let key = (host, network);
        if let Some(ports) = self.awaited.get_mut(&key) {
            ports.remove(&port);
            if ports.is_empty() {
                self.awaited.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Error;
    use uuid::Uuid;

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
        assert!(!propagation.published(port(1), network(), Revision(7), both.clone(), BOUND));
        assert!(propagation.confirmed(&both[0], network(), Revision(6)).is_empty(), "an older revision");
        assert!(propagation.confirmed(&both[0], network(), Revision(7)).is_empty(), "b is missing");
        assert_eq!(propagation.confirmed(&both[1], network(), Revision(9)), [port(1)]);
        assert_eq!(propagation.next_deadline(), None);
        assert!(propagation.awaited.is_empty());
        Ok(())
    }

    #[test]
    fn nobody_to_wait_for_is_done_at_once() {
        assert!(Propagation::default().published(port(1), network(), Revision(7), [], BOUND));
    }

    #[test]
    fn a_host_that_goes_is_not_waited_for() -> Result<(), Error> {
        let mut propagation = Propagation::default();
        let both = hosts(["a", "b"])?;
        assert!(!propagation.published(port(1), network(), Revision(7), both.clone(), BOUND));
        assert!(!propagation.published(port(2), network(), Revision(8), hosts(["a"])?, BOUND));
        assert_eq!(propagation.disconnected(&both[0]), [port(2)]);
        assert_eq!(propagation.uninterested(&both[1], network()), [port(1)]);
        Ok(())
    }

    #[test]
    fn the_bound_names_who_lags() -> Result<(), Error> {
        let mut propagation = Propagation::default();
        let both = hosts(["a", "b"])?;
        assert!(!propagation.published(port(1), network(), Revision(7), both.clone(), BOUND));
        assert!(propagation.confirmed(&both[0], network(), Revision(7)).is_empty());
        assert!(propagation.expired(Duration::from_millis(4999)).is_empty());
        let late = propagation.expired(BOUND);
        assert_eq!(late.len(), 1);
        assert_eq!((late[0].port, &late[0].laggards[..]), (port(1), &both[1..]));
        assert!(propagation.expired(BOUND * 2).is_empty(), "said once");
        assert!(propagation.awaited.is_empty());
        Ok(())
    }

    #[test]
    fn what_is_withdrawn_or_published_anew_waits_no_longer() -> Result<(), Error> {
        let mut propagation = Propagation::default();
        let both = hosts(["a", "b"])?;
        assert!(!propagation.published(port(1), network(), Revision(7), both.clone(), BOUND));
        assert!(!propagation.published(port(1), network(), Revision(9), hosts(["b"])?, BOUND * 2));
        assert!(propagation.confirmed(&both[1], network(), Revision(8)).is_empty());
        propagation.withdrawn(port(1));
        assert!(propagation.confirmed(&both[1], network(), Revision(9)).is_empty());
        assert!(propagation.expired(BOUND * 3).is_empty());
        Ok(())
    }
}
