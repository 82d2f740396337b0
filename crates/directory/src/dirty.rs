use std::collections::{BTreeMap, BTreeSet};

use model::{HostName, NetworkId, PortId, Revision};

/// What changed since it was last taken. Sets, not queues: it says where to look, and its size is bounded by what there
/// is, however much happened.
#[derive(Debug, Default)]
pub struct Dirty {
    pub hosts: BTreeMap<HostName, HostDirty>,
    /// The list of tunnel endpoints changed, which concerns every host in full-mesh mode.
    pub endpoints: bool,
    /// Ports whose place in their life may have changed: see [`crate::Directory::status`].
    pub ports: BTreeSet<PortId>,
    /// Ports that became published, or moved to another host, and the revision from which others must know it. Look at
    /// [`crate::Directory::entry`] too: what came may have gone since.
    pub published: BTreeMap<PortId, (NetworkId, Revision)>,
}

/// What may have changed for one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostDirty {
    /// Networks whose entries or facts changed and in which the host is interested, or in which its interest changed.
    pub networks: BTreeSet<NetworkId>,
    /// Ports of which an interface is plugged there and whose order may have changed.
    pub orders: BTreeSet<PortId>,
}

impl Dirty {
    pub(crate) fn network(&mut self, host: &HostName, network: NetworkId) {
        self.hosts.entry(host.clone()).or_default().networks.insert(network);
    }

    pub(crate) fn order(&mut self, host: &HostName, port: PortId) {
        self.hosts.entry(host.clone()).or_default().orders.insert(port);
    }
}
