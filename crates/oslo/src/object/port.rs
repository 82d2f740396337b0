use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use model::Mac;
use uuid::Uuid;

use super::network::NetworkSegment;
use super::table::object;
use super::{Field, MiscValues};

object! {
    /// `neutron/objects/ports.py`. Before 1.4 (Neutron 12) a port had one binding.
    Port = "Port", minor 4 to 11;
    standard;
    id: Uuid;
    project_id: String;
    name: String;
    network_id: Uuid;
    mac_address: Mac;
    admin_state_up: bool;
    device_id: String;
    device_owner: String;
    status: String;
    allowed_address_pairs: Vec<AllowedAddressPair>;
    bindings: Vec<PortBinding>;
    data_plane_status: PortDataPlaneStatus;
    dhcp_options: Vec<ExtraDhcpOpt>;
    distributed_bindings: Vec<DistributedPortBinding>;
    dns: PortDns;
    fixed_ips: Vec<IpAllocation>;
    hints: PortHints, since 8;
    security: PortSecurity;
    security_group_ids: BTreeSet<Uuid>;
    pvlan_type: String, since 11;
    pvlan_community: String, since 11;
    qos_policy_id: Uuid;
    qos_network_policy_id: Uuid, since 5;
    binding_levels: Vec<PortBindingLevel>;
    numa_affinity_policy: String, since 6;
    device_profile: String, since 7;
    hardware_offload_type: String, since 9;
    trusted: bool, since 10;
}

impl Port {
    /// As a server pushes it that has deleted the port: the id, and the fields that have a default.
    pub fn deleted(id: Uuid) -> Self {
        Port {
            id: Field::Set(id),
            security_group_ids: Field::Null,
            qos_policy_id: Field::Null,
            qos_network_policy_id: Field::Null,
            ..Port::default()
        }
    }
}

object! {
    PortBinding = "PortBinding", minor 0 to 0;
    port_id: Uuid;
    host: String;
    profile: MiscValues;
    vif_type: String;
    vif_details: MiscValues;
    vnic_type: String;
    /// `ACTIVE` or `INACTIVE`.
    status: String;
}

object! {
    DistributedPortBinding = "DistributedPortBinding", minor 0 to 0;
    port_id: Uuid;
    host: String;
    profile: MiscValues;
    vif_type: String;
    vif_details: MiscValues;
    vnic_type: String;
    status: String;
    router_id: String;
}

object! {
    /// A segment that a binding uses; in hierarchical binding there are several levels.
    PortBindingLevel = "PortBindingLevel", minor 0 to 1;
    port_id: Uuid;
    host: String;
    level: i64;
    driver: String;
    segment: NetworkSegment;
    segment_id: Uuid, since 1;
}

object! {
    IpAllocation = "IPAllocation", minor 0 to 0;
    port_id: Uuid;
    subnet_id: Uuid;
    network_id: Uuid;
    ip_address: IpAddr;
}

object! {
    AllowedAddressPair = "AllowedAddressPair", minor 0 to 0;
    port_id: Uuid;
    mac_address: Mac;
    ip_address: IpNet;
}

object! {
    ExtraDhcpOpt = "ExtraDhcpOpt", minor 0 to 1;
    id: Uuid;
    port_id: Uuid;
    opt_name: String;
    opt_value: String;
    ip_version: i64;
}

object! {
    PortDataPlaneStatus = "PortDataPlaneStatus", minor 0 to 0;
    port_id: Uuid;
    data_plane_status: String;
}

object! {
    PortDns = "PortDNS", minor 0 to 1;
    port_id: Uuid;
    current_dns_name: String;
    current_dns_domain: String;
    previous_dns_name: String;
    previous_dns_domain: String;
    dns_name: String;
    dns_domain: String, since 1;
}

object! {
    PortHints = "PortHints", minor 0 to 0;
    port_id: Uuid;
    hints: MiscValues;
}

object! {
    PortSecurity = "PortSecurity", minor 0 to 0;
    id: Uuid;
    port_security_enabled: bool;
}
