use std::net::IpAddr;

use ipnet::IpNet;
use uuid::Uuid;

use super::Field;
use super::table::object;

object! {
    /// `neutron/objects/subnet.py`.
    Subnet = "Subnet", minor 0 to 2;
    standard;
    id: Uuid;
    project_id: String;
    name: String;
    network_id: Uuid;
    segment_id: Uuid;
    subnetpool_id: String;
    ip_version: i64;
    cidr: IpNet;
    gateway_ip: IpAddr;
    allocation_pools: Vec<IpAllocationPool>;
    enable_dhcp: bool;
    shared: bool;
    dns_nameservers: Vec<DnsNameServer>;
    dns_publish_fixed_ip: bool, since 1;
    host_routes: Vec<Route>;
    ipv6_ra_mode: String;
    ipv6_address_mode: String;
    service_types: Vec<String>;
    external: bool, since 2;
}

impl Subnet {
    /// As a server pushes it that has deleted the subnet: no other field has a default.
    pub fn deleted(id: Uuid) -> Self {
        Subnet { id: Field::Set(id), ..Subnet::default() }
    }
}

object! {
    IpAllocationPool = "IPAllocationPool", minor 0 to 0;
    id: Uuid;
    subnet_id: Uuid;
    start: IpAddr;
    end: IpAddr;
}

object! {
    DnsNameServer = "DNSNameServer", minor 0 to 0;
    address: String;
    subnet_id: Uuid;
    order: i64;
}

object! {
    Route = "Route", minor 0 to 0;
    subnet_id: Uuid;
    destination: IpNet;
    nexthop: IpAddr;
}
