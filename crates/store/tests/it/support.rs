use std::sync::Arc;

use model::{HostName, NetworkId, PortId, SubnetId, TunnelType};
use store::{
    Attributes, CanBind, FixedIpChoice, Host, HostRegistration, KeyChoice, Network, NetworkUpdate, NewNetwork, NewPort,
    NewSubnet, Port, Result, Store, Subnet, SubnetUpdate, default_pools,
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
    let made: Result<Network> = store.write(|write| Box::pin(Network::create(write, new))).await;
    made.unwrap().id
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
    let made: Result<Subnet> = store.write(|write| Box::pin(Subnet::create(write, new))).await;
    made.unwrap().id
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
        security_groups: None,
        attributes: Attributes::new(),
    }
}

/// Makes all of them or none.
pub(crate) async fn create_ports(
    store: &Store,
    ports: Vec<NewPort>,
    can_bind: Arc<CanBind<'static>>,
) -> Result<Vec<Port>> {
    store.write(move |write| Box::pin(async move { Port::create(write, ports, can_bind.as_ref()).await })).await
}

pub(crate) async fn delete_port(store: &Store, id: PortId) -> Result<()> {
    store.write(move |write| Box::pin(async move { write.get::<Port>(id.0).await?.delete(write).await })).await
}

pub(crate) async fn update_network(store: &Store, id: NetworkId, update: NetworkUpdate) -> Result<Network> {
    store
        .write(move |write| Box::pin(async move { write.get::<Network>(id.0).await?.update(write, update).await }))
        .await
}

pub(crate) async fn update_subnet(store: &Store, id: SubnetId, update: SubnetUpdate) -> Result<Subnet> {
    store
        .write(move |write| Box::pin(async move { write.get::<Subnet>(id.0).await?.update(write, update).await }))
        .await
}

pub(crate) async fn delete_host(store: &Store, id: Uuid) -> Result<()> {
    store.write(move |write| Box::pin(async move { write.get::<Host>(id).await?.delete(write).await })).await
}

pub(crate) fn always() -> Arc<CanBind<'static>> {
    Arc::new(|_, _| true)
}

pub(crate) fn never() -> Arc<CanBind<'static>> {
    Arc::new(|_, _| false)
}
