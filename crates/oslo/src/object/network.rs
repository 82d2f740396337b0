use uuid::Uuid;

use super::Field;
use super::table::object;

object! {
    /// `neutron/objects/network.py`.
    Network = "Network", minor 1 to 3;
    standard;
    id: Uuid;
    project_id: String;
    name: String;
    status: String;
    admin_state_up: bool;
    vlan_transparent: bool;
    qinq: bool, since 2;
    availability_zone_hints: Vec<String>;
    shared: bool;
    mtu: i64;
    security: NetworkPortSecurity;
    segments: Vec<NetworkSegment>;
    pvlan: bool, since 3;
    dns_domain: String;
    qos_policy_id: Uuid;
}

impl Network {
    /// As a server pushes it that has deleted the network: the id, and the fields that have a default.
    pub fn deleted(id: Uuid) -> Self {
        Network {
            id: Field::Set(id),
            shared: Field::Set(false),
            mtu: Field::Set(1500),
            qos_policy_id: Field::Null,
            ..Network::default()
        }
    }
}

object! {
    NetworkSegment = "NetworkSegment", minor 0 to 0;
    standard;
    id: Uuid;
    network_id: Uuid;
    name: String;
    /// `gre`, `vxlan`, `vlan`, `flat`, `geneve`.
    network_type: String;
    physical_network: String;
    /// The tunnel key.
    segmentation_id: i64;
    is_dynamic: bool;
    segment_index: i64;
    hosts: Vec<String>;
}

object! {
    NetworkPortSecurity = "NetworkPortSecurity", minor 0 to 0;
    id: Uuid;
    port_security_enabled: bool;
}
