use std::sync::Arc;

use model::{HostName, NetworkId, PortId, SubnetId, TunnelType};
use store::{
    Attributes, CanBind, FixedIpChoice, HostRegistration, KeyChoice, NewNetwork, NewPort, NewSubnet, Store,
    default_pools,
};
use tempfile::TempDir;
use uuid::Uuid;

/// A store of its own; the directory goes with it.
pub(crate) async fn open() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("culvert.db")).await.unwrap();
    (store, directory)
}

pub(crate) fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

pub(crate) fn registration(name: &str, endpoint: &str) -> HostRegistration {
    HostRegistration {
        name: host(name),
        endpoint: endpoint.parse().unwrap(),
        tunnel_types: vec![TunnelType::Vxlan],
        configurations: Attributes::new(),
        boot_id: "boot".to_owned(),
        software: "culvert test".to_owned(),
    }
}

pub(crate) async fn network(store: &Store, tunnel_type: TunnelType) -> NetworkId {
    let new = NewNetwork {
        id: NetworkId(Uuid::new_v4()),
        project_id: String::new(),
        name: String::new(),
        admin_state_up: true,
        mtu: 1450,
        tunnel_type,
        key: KeyChoice::From(1..=1000),
        attributes: Attributes::new(),
    };
    store.create_networks(vec![new]).await.unwrap().pop().unwrap().id
}

pub(crate) async fn subnet(store: &Store, network_id: NetworkId, cidr: &str) -> SubnetId {
    let cidr = cidr.parse().unwrap();
    let new = NewSubnet {
        id: SubnetId(Uuid::new_v4()),
        network_id,
        project_id: String::new(),
        name: String::new(),
        cidr,
        gateway_ip: None,
        enable_dhcp: true,
        allocation_pools: default_pools(&cidr, None),
        attributes: Attributes::new(),
    };
    store.create_subnets(vec![new]).await.unwrap().pop().unwrap().id
}

pub(crate) fn new_port(network_id: NetworkId, host: Option<&str>, fixed_ips: Option<Vec<FixedIpChoice>>) -> NewPort {
    NewPort {
        id: PortId(Uuid::new_v4()),
        network_id,
        project_id: String::new(),
        name: String::new(),
        mac: None,
        admin_state_up: true,
        device_id: String::new(),
        device_owner: String::new(),
        fixed_ips,
        host: host.map(|name| name.parse().unwrap()),
        attributes: Attributes::new(),
    }
}

pub(crate) fn always() -> CanBind {
    Arc::new(|_, _| true)
}

pub(crate) fn never() -> CanBind {
    Arc::new(|_, _| false)
}
