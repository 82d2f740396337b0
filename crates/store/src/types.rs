//! What the store keeps, as the API sees it. Hosts get the smaller shapes of [`model`].

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use model::{Generation, HostName, Mac, NetworkId, PortId, PortStatus, Segment, SubnetId, TunnelKey, TunnelType};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Attributes that the API keeps and shows, and that nothing in the store acts on.
pub type Attributes = Map<String, Value>;

/// Microseconds since 1970 (UTC).
pub type Micros = i64;

/// When an object was made and last changed, and how often (Neutron's `revision_number`, counted per object).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub created_at: Micros,
    pub updated_at: Micros,
    pub revision_number: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub id: NetworkId,
    pub project_id: String,
    pub name: String,
    pub admin_state_up: bool,
    pub mtu: u32,
    pub segment: Segment,
    /// Oldest first.
    pub subnets: Vec<SubnetId>,
    pub attributes: Attributes,
    pub stamp: Stamp,
}

/// A network to be made. The caller chooses the id.
#[derive(Debug, Clone)]
pub struct NewNetwork {
    pub id: NetworkId,
    pub project_id: String,
    pub name: String,
    pub admin_state_up: bool,
    pub mtu: u32,
    pub tunnel_type: TunnelType,
    pub key: KeyChoice,
    pub attributes: Attributes,
}

/// Which tunnel key a new network gets.
#[derive(Debug, Clone)]
pub enum KeyChoice {
    Exactly(TunnelKey),
    /// Any that is free in this range.
    From(RangeInclusive<TunnelKey>),
}

/// `None` and absent attributes stay as they are.
#[derive(Debug, Clone, Default)]
pub struct NetworkUpdate {
    pub name: Option<String>,
    pub admin_state_up: Option<bool>,
    pub mtu: Option<u32>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Subnet {
    pub id: SubnetId,
    pub network_id: NetworkId,
    pub project_id: String,
    pub name: String,
    pub cidr: IpNet,
    pub gateway_ip: Option<IpAddr>,
    pub enable_dhcp: bool,
    /// First and last address, in order.
    pub allocation_pools: Vec<(IpAddr, IpAddr)>,
    pub attributes: Attributes,
    pub stamp: Stamp,
}

/// A subnet to be made. Pools must lie in `cidr`, must not overlap, and are sorted.
#[derive(Debug, Clone)]
pub struct NewSubnet {
    pub id: SubnetId,
    pub network_id: NetworkId,
    pub project_id: String,
    pub name: String,
    pub cidr: IpNet,
    pub gateway_ip: Option<IpAddr>,
    pub enable_dhcp: bool,
    pub allocation_pools: Vec<(IpAddr, IpAddr)>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, Default)]
pub struct SubnetUpdate {
    pub name: Option<String>,
    /// `Some(None)`: no gateway.
    pub gateway_ip: Option<Option<IpAddr>>,
    pub enable_dhcp: Option<bool>,
    pub allocation_pools: Option<Vec<(IpAddr, IpAddr)>>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    pub id: PortId,
    pub network_id: NetworkId,
    pub project_id: String,
    pub name: String,
    pub mac: Mac,
    pub admin_state_up: bool,
    pub device_id: String,
    pub device_owner: String,
    pub fixed_ips: Vec<FixedIp>,
    pub binding: Option<PortBinding>,
    /// The binding before, as long as its host still has the port wired and the new one has not.
    pub former: Option<model::Binding>,
    /// Hosts to which it may move, in order: those of its [`InactiveBinding`]s that have not been in force.
    pub prepared: Vec<HostName>,
    /// Of the newest binding; grows with each.
    pub generation: Generation,
    pub wired: bool,
    pub status: PortStatus,
    pub attributes: Attributes,
    pub stamp: Stamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedIp {
    pub subnet_id: SubnetId,
    pub ip: IpAddr,
}

/// The host that a port is meant for. Without one the API shows `unbound`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortBinding {
    pub host: HostName,
    pub vif_type: VifType,
}

/// A binding that is prepared, so that its host wires the port beforehand; or that was in force before, and is nothing to
/// anybody.
#[derive(Debug, Clone, PartialEq)]
pub struct InactiveBinding {
    pub host: HostName,
    /// `None`: it was in force once.
    pub vif_type: Option<VifType>,
    /// `binding:vnic_type` and `binding:profile`: the port's, once this is in force.
    pub attributes: Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VifType {
    /// Bound: the host's agent is asked to wire the port.
    Ovs,
    /// No live agent there serves the segment; bound by itself when one registers ([`crate::Store::bind_pending`]).
    BindingFailed,
}

impl VifType {
    /// As `binding:vif_type` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            VifType::Ovs => "ovs",
            VifType::BindingFailed => "binding_failed",
        }
    }
}

/// A port to be made.
#[derive(Debug, Clone)]
pub struct NewPort {
    pub id: PortId,
    pub network_id: NetworkId,
    pub project_id: String,
    pub name: String,
    /// `None`: one of fa:16:3e:00:00:00 to fa:16:3e:ff:ff:ff.
    pub mac: Option<Mac>,
    pub admin_state_up: bool,
    pub device_id: String,
    pub device_owner: String,
    /// `None`: one address of each IP version that the network has subnets of.
    pub fixed_ips: Option<Vec<FixedIpChoice>>,
    pub host: Option<HostName>,
    /// `None`: the default group of the project, or none if port security is off.
    pub security_groups: Option<Vec<Uuid>>,
    pub attributes: Attributes,
}

/// One wanted address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixedIpChoice {
    /// Any free one of this subnet.
    From(SubnetId),
    /// This one, of the named subnet or of whichever it lies in.
    Exactly(IpAddr, Option<SubnetId>),
}

#[derive(Debug, Clone, Default)]
pub struct PortUpdate {
    pub name: Option<String>,
    pub mac: Option<Mac>,
    pub admin_state_up: Option<bool>,
    pub device_id: Option<String>,
    pub device_owner: Option<String>,
    pub fixed_ips: Option<Vec<FixedIpChoice>>,
    /// `Some(None)` unbinds.
    pub host: Option<Option<HostName>>,
    pub security_groups: Option<Vec<Uuid>>,
    pub attributes: Attributes,
}

/// Kept and shown; nothing enforces it.
#[derive(Debug, Clone, PartialEq)]
pub struct SecurityGroup {
    pub id: Uuid,
    pub project_id: String,
    pub name: String,
    /// The one that the store made for the project.
    pub is_default: bool,
    pub stateful: bool,
    /// Oldest first.
    pub rules: Vec<SecurityGroupRule>,
    pub attributes: Attributes,
    pub stamp: Stamp,
}

/// A security group to be made. The caller chooses the id.
#[derive(Debug, Clone)]
pub struct NewSecurityGroup {
    pub id: Uuid,
    pub project_id: String,
    pub name: String,
    pub stateful: bool,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, Default)]
pub struct SecurityGroupUpdate {
    pub name: Option<String>,
    pub stateful: Option<bool>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SecurityGroupRule {
    pub id: Uuid,
    pub security_group_id: Uuid,
    pub project_id: String,
    pub remote_group_id: Option<Uuid>,
    /// `direction`, `ethertype`, `protocol`, `port_range_min`, `port_range_max`, `remote_ip_prefix`, `description`: as
    /// the API has them, absent or null for any.
    pub attributes: Attributes,
    pub stamp: Stamp,
}

/// A rule to be made: see [`SecurityGroupRule`].
#[derive(Debug, Clone)]
pub struct NewSecurityGroupRule {
    pub id: Uuid,
    pub security_group_id: Uuid,
    pub project_id: String,
    pub remote_group_id: Option<Uuid>,
    pub attributes: Attributes,
}

/// What an agent says of its host when it connects.
#[derive(Debug, Clone)]
pub struct HostRegistration {
    pub name: HostName,
    pub endpoint: IpAddr,
    pub tunnel_types: Vec<TunnelType>,
    /// Shown as the agent's `configurations`.
    pub configurations: Attributes,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Name and version of the agent.
    pub software: String,
}

/// A host that has registered at least once, alive or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    pub name: HostName,
    /// The API's id of the agent.
    pub id: Uuid,
    pub endpoint: IpAddr,
    pub tunnel_types: Vec<TunnelType>,
    pub admin_state_up: bool,
    /// The operator's words.
    pub description: Option<String>,
    pub configurations: Attributes,
    pub boot_id: String,
    pub software: String,
    pub created_at: Micros,
    /// When it last registered.
    pub started_at: Micros,
    pub heartbeat_at: Micros,
}

/// What an operator says of a host. `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct HostUpdate {
    pub admin_state_up: Option<bool>,
    pub description: Option<Option<String>>,
}

/// That a port is wired (or no longer) under a generation of its binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WiredReport {
    pub port: PortId,
    pub generation: Generation,
    pub wired: bool,
}
