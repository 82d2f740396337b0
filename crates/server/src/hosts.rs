//! What the REST API must know of hosts: which agents are alive, what they serve, and which are enabled.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::{HostName, TunnelType};

/// A view of the hosts that the hub keeps up to date and the REST API reads. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Arc<RwLock<View>>);

#[derive(Debug, Default)]
struct View {
    states: HashMap<HostName, HostState>,
    /// By an administrator; whether they are alive or not.
    disabled: HashSet<HostName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostState {
    /// The stream is up, or gone for less than ten seconds.
    pub alive: bool,
    pub tunnel_types: Vec<TunnelType>,
}

impl Hosts {
    /// Whether a port can be bound to this host now: its agent is alive, enabled, and serves this tunnel type.
    pub fn can_bind(&self, host: &HostName, tunnel_type: TunnelType) -> bool {
        let view = self.read();
        let state = view.states.get(host).filter(|_| !view.disabled.contains(host));
        state.is_some_and(|state| state.alive && state.tunnel_types.contains(&tunnel_type))
    }

    pub fn get(&self, host: &HostName) -> Option<HostState> {
        self.read().states.get(host).cloned()
    }

    pub fn set(&self, host: HostName, state: HostState) {
        self.write().states.insert(host, state);
    }

    /// As the agent's `admin_state_up` says.
    pub fn enable(&self, host: &HostName, enabled: bool) {
        let mut view = self.write();
        if enabled {
            view.disabled.remove(host)
        } else {
            view.disabled.insert(host.clone())
        };
    }

    pub fn remove(&self, host: &HostName) {
        let mut view = self.write();
        view.states.remove(host);
        view.disabled.remove(host);
    }

    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
