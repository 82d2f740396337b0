//! What the REST API must know of hosts: which agents are alive, and what they serve.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::{HostName, TunnelType};

/// A view of the hosts that the hub keeps up to date and the REST API reads. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Arc<RwLock<HashMap<HostName, HostState>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostState {
    /// The stream is up, or gone for less than ten seconds.
    pub alive: bool,
    pub tunnel_types: Vec<TunnelType>,
}

impl Hosts {
    /// Whether a port can be bound to this host now: its agent is alive and serves this tunnel type.
    pub fn can_bind(&self, host: &HostName, tunnel_type: TunnelType) -> bool {
        self.get(host).is_some_and(|state| state.alive && state.tunnel_types.contains(&tunnel_type))
    }

    pub fn get(&self, host: &HostName) -> Option<HostState> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    pub fn set(&self, host: HostName, state: HostState) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(host, state);
    }

    pub fn remove(&self, host: &HostName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(host);
    }
}
