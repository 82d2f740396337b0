use std::net::IpAddr;

use ipnet::IpNet;
use model::{HostName, Mac, NetworkId, PortId, Segment, SubnetId, TunnelType};
use uuid::Uuid;

use crate::db;
use crate::quotas::Counted;

/// Why the store did not do what it was asked. Nothing is half-written in any case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("network {0} does not exist")]
    NetworkNotFound(NetworkId),
    #[error("subnet {0} does not exist")]
    SubnetNotFound(SubnetId),
    #[error("port {0} does not exist")]
    PortNotFound(PortId),
    #[error("agent {0} does not exist")]
    AgentNotFound(Uuid),

    #[error("network {network} still has ports: delete them first ({})", list(ports))]
    NetworkInUse { network: NetworkId, ports: Vec<PortId> },
    #[error("subnet {subnet} still has addresses on ports: remove them first")]
    SubnetInUse { subnet: SubnetId },
    #[error("the segment {0} belongs to another network: choose another key, or none to get a free one")]
    SegmentInUse(Segment),
    #[error("no {0} tunnel key is free: widen the range in the settings or delete networks")]
    NoFreeSegment(TunnelType),
    #[error("{cidr} overlaps another subnet of network {network}")]
    SubnetOverlap { network: NetworkId, cidr: IpNet },
    #[error("the gateway {ip} lies in the allocation pool {first} to {last}: choose another, or pools around it")]
    GatewayInPool { ip: IpAddr, first: IpAddr, last: IpAddr },

    #[error("the gateway {ip} is the address of router port {port}: it stays while the router has it")]
    GatewayInUse { ip: IpAddr, port: PortId },
    #[error("{mac} is in use on network {network}")]
    MacInUse { network: NetworkId, mac: Mac },
    #[error("port {port} is bound: unbind it before its MAC is changed from {old} to {new}")]
    PortBound { port: PortId, old: Mac, new: Mac },
    #[error("no free MAC was found on network {0}: name one")]
    NoFreeMac(NetworkId),
    #[error("{ip} is already allocated in subnet {subnet}")]
    IpInUse { subnet: SubnetId, ip: IpAddr },
    #[error("no address is free on network {0}: widen an allocation pool or add a subnet")]
    NoFreeIp(NetworkId),
    #[error("{0} is in no subnet of the network")]
    IpOutsideNetwork(IpAddr),
    #[error("{ip} is not an address for a port in subnet {subnet}")]
    IpOutsideSubnet { subnet: SubnetId, ip: IpAddr },
    #[error("{ip} is formed by ports themselves in subnet {subnet}: it cannot be given to one")]
    IpFormedByPort { subnet: SubnetId, ip: IpAddr },
    #[error("network {network} has no subnet for ports of owner \"{device_owner}\"")]
    NoSubnetForOwner { network: NetworkId, device_owner: String },
    #[error("subnet {subnet} does not belong to network {network}")]
    SubnetOfOtherNetwork { network: NetworkId, subnet: SubnetId },

    #[error("the attributes of one object would take {bytes} bytes, more than {max}: say less in lists and profiles")]
    TooMuchOfOne { bytes: usize, max: usize },

    #[error("security group {0} does not exist")]
    SecurityGroupNotFound(Uuid),
    #[error("security group rule {0} does not exist")]
    SecurityGroupRuleNotFound(Uuid),
    #[error("security group {0} still has ports: take them out first")]
    SecurityGroupInUse(Uuid),
    #[error("security group {0} is a default one: its name stays")]
    DefaultSecurityGroup(Uuid),
    #[error("the quota of this project for {} is used up: raise it or delete some", .0.as_str())]
    OverQuota(Counted),
    #[error("{used} of {} are in use, more than the new limit of {limit}", counted.as_str())]
    QuotaBelowUsage { counted: Counted, limit: i64, used: i64 },
    #[error("project {0} has no quota of its own")]
    QuotaNotFound(String),
    #[error("there is no tag \"{0}\"")]
    TagNotFound(String),
    #[error("a port without port security cannot be in a security group")]
    GroupsNeedPortSecurity,
    #[error("a port cannot be in stateful and stateless security groups at once")]
    MixedSecurityGroups,
    #[error("port {port} has no binding to host {host} that is prepared")]
    BindingNotFound { port: PortId, host: HostName },
    #[error("port {port} cannot be bound to host {host}: no agent there is alive and serves its network")]
    CannotBind { port: PortId, host: HostName },
    #[error("security group rule {rule} says the same")]
    SecurityGroupRuleExists { rule: Uuid },

    #[error(
        "host {host} claims the tunnel endpoint {endpoint}, which host {by} has: give it an address of its own, or delete \
         the agent of {by} if that host is gone"
    )]
    EndpointInUse { host: HostName, endpoint: IpAddr, by: HostName },

    #[error("the database failed: see the cause; check disk space and permissions of the database file")]
    Database(#[from] sqlx::Error),
    #[error(
        "the database cannot be brought to this program's version: see the cause; an older program must not open a newer database"
    )]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("the database holds something that this program did not write ({0}): restore it from a backup")]
    Corrupt(String),
    #[error("no turn to write came in time: another process may hold the database")]
    Busy,
    #[error("the store is closing: try again when the server is back")]
    Closed,
}

impl Error {
    /// Whether the database could not be used at all, through no fault of the request: it is locked by another process,
    /// its disk is full or gone. The same may succeed later.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Error::Busy | Error::Closed => true,
            Error::Database(error) => db::is_unavailable(error),
            _ => false,
        }
    }
}

fn list(ports: &[PortId]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl From<model::Error> for Error {
    /// What the store reads back it has written, so a value that does not parse is corruption.
    fn from(error: model::Error) -> Self {
        Error::Corrupt(error.to_string())
    }
}
