use ipnet::IpNet;
use uuid::Uuid;

use super::Field;
use super::table::object;

object! {
    /// `neutron/objects/securitygroup.py`. A field that was added to rules made a version of this too.
    SecurityGroup = "SecurityGroup", minor 0 to 6, &[("SecurityGroupRule", &[(0, 0), (3, 1), (4, 2), (6, 3)])];
    standard;
    id: Uuid;
    name: String;
    project_id: String;
    shared: bool, since 1;
    stateful: bool, since 2;
    is_default: bool;
    rules: Vec<SecurityGroupRule>;
}

impl SecurityGroup {
    /// As a server pushes it that has deleted the group: the id, and the fields that have a default.
    pub fn deleted(id: Uuid) -> Self {
        SecurityGroup {
            id: Field::Set(id),
            stateful: Field::Set(true),
            is_default: Field::Set(false),
            ..SecurityGroup::default()
        }
    }
}

object! {
    SecurityGroupRule = "SecurityGroupRule", minor 0 to 3;
    standard;
    id: Uuid;
    project_id: String;
    security_group_id: Uuid;
    remote_group_id: Uuid;
    /// `ingress` or `egress`.
    direction: String;
    /// `IPv4` or `IPv6`.
    ethertype: String;
    /// A name, as in `icmp`, or a number.
    protocol: String;
    port_range_min: i64;
    port_range_max: i64;
    remote_ip_prefix: IpNet;
    remote_address_group_id: Uuid, since 1;
    normalized_cidr: IpNet, since 2;
    belongs_to_default_sg: bool, since 3;
}

impl SecurityGroupRule {
    /// As a server pushes it that has deleted the rule: the id, and the field that has a default.
    pub fn deleted(id: Uuid) -> Self {
        SecurityGroupRule {
            id: Field::Set(id),
            belongs_to_default_sg: Field::Set(false),
            ..SecurityGroupRule::default()
        }
    }
}
