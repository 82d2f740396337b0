use crate::{Host, HostName, Network, NetworkId, Port, PortId, Revision};

/// One object as a committed transaction left it. Level-triggered: it says what is, not what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Network(Network),
    NetworkDeleted(NetworkId),
    Port(Port),
    PortDeleted(PortId),
    Host(Host),
    HostDeleted(HostName),
}

/// A committed transaction: everything that it changed, under the one revision that the store gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub revision: Revision,
    pub changes: Vec<Change>,
}
