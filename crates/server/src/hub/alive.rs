//! Which hosts count as alive: those with a stream, and those whose stream is gone for less than the bound.

use std::collections::BTreeMap;

use model::{HostName, TunnelType};
use tracing::info;

use super::events::Now;
use crate::hosts::{HostState, Hosts};

/// When a host was last heard of, as the store recorded it.
#[derive(Debug, Clone)]
pub struct Heard {
    pub host: HostName,
    pub tunnel_types: Vec<TunnelType>,
    /// Microseconds since 1970.
    pub at: i64,
}

/// Keeps the view that REST reads.
#[derive(Debug)]
pub(crate) struct Alive {
    hosts: Hosts,
    bound: Now,
    /// Hosts without a stream that still count as alive, and until when.
    leaving: BTreeMap<HostName, Now>,
}

impl Alive {
    pub(crate) fn new(hosts: Hosts, bound: Now) -> Self {
        Alive { hosts, bound, leaving: BTreeMap::new() }
    }

    /// At the server's start: hosts that the last server heard of a moment ago get the bound to come back, so that a
    /// restart does not make the binding of a new port fail. `clock`: microseconds since 1970.
    pub(crate) fn heard_of_before(&mut self, hosts: impl IntoIterator<Item = Heard>, clock: i64, now: Now) {
        // Heartbeats are written once in each bound.
        let recent = i64::try_from(self.bound.as_micros()).unwrap_or(i64::MAX).saturating_mul(2);
        for Heard { host, tunnel_types, at } in hosts {
            if clock.saturating_sub(at) < recent {
                self.connected(&host, tunnel_types);
                self.disconnected(&host, now);
            }
        }
    }

    pub(crate) fn connected(&mut self, host: &HostName, tunnel_types: Vec<TunnelType>) {
        self.leaving.remove(host);
        self.hosts.set(host.clone(), HostState { alive: true, tunnel_types });
    }

    pub(crate) fn disconnected(&mut self, host: &HostName, now: Now) {
        self.leaving.insert(host.clone(), now + self.bound);
    }

    /// The host is deleted.
    pub(crate) fn forget(&mut self, host: &HostName) {
        self.leaving.remove(host);
        self.hosts.remove(host);
    }

    /// How long a host without a stream counts as alive.
    pub(crate) fn bound(&self) -> Now {
        self.bound
    }

    pub(crate) fn is_alive(&self, host: &HostName) -> bool {
        self.hosts.get(host).is_some_and(|state| state.alive)
    }

    pub(crate) fn next_deadline(&self) -> Option<Now> {
        self.leaving.values().min().copied()
    }

    /// Hosts whose bound has elapsed are dead from now on; which. Their ports and entries stay.
    pub(crate) fn expire(&mut self, now: Now) -> Vec<HostName> {
        let dead: Vec<_> = self.leaving.extract_if(.., |_, until| *until <= now).map(|(host, _)| host).collect();
        for host in &dead {
            info!(%host, "host is not alive: no stream within the bound; its ports stay as they are");
            if let Some(state) = self.hosts.get(host) {
                self.hosts.set(host.clone(), HostState { alive: false, ..state });
            }
        }
        dead
    }
}
