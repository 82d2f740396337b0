use model::{LocalVlan, NetworkId, Segment};
use thiserror::Error as ThisError;

/// What a host cannot be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Error {
    #[error(
        "arp_responder needs l2_population: without it no address is known; turn l2_population on or arp_responder off"
    )]
    ResponderNeedsPopulation,
    #[error("no tunnel type is enabled: name at least one of gre and vxlan")]
    NoTunnelType,
    #[error("local VLAN {vlan} is in use by network {by}, so network {network} cannot have it")]
    VlanTaken { vlan: LocalVlan, by: NetworkId, network: NetworkId },
    #[error("network {network} is carried as {segment} under local VLAN {vlan}: remove it before it is set anew")]
    Carried { network: NetworkId, segment: Segment, vlan: LocalVlan },
    #[error("local VLAN {vlan} was given up just now, so network {network} must wait until its flows are removed")]
    VlanGivenUp { vlan: LocalVlan, network: NetworkId },
    #[error(
        "no local VLAN is free: all {count} of the range {first}-{last} are in use; widen the range or unplug the ports of a network"
    )]
    VlansExhausted { first: LocalVlan, last: LocalVlan, count: usize },
    #[error("the range of local VLANs {first}-{last} is empty: write the lower end first")]
    VlanRange { first: LocalVlan, last: LocalVlan },
}
