//! What only the database knows of what the status shows: names, and the state of bindings.

use std::collections::HashMap;

use store::{Filter, Host, Network, Port, Store};

use super::report::Status;

pub(super) async fn fill(status: &mut Status, store: &Store) -> Result<(), store::Error> {
    let all = Filter::default();
    let hosts: HashMap<_, _> =
        store.list(&all).await?.into_iter().map(|host: Host| (host.name.clone(), host)).collect();
    for host in &mut status.hosts {
        if let Some(known) = hosts.get(&host.name) {
            host.software.clone_from(&known.software);
        }
    }
    let networks: HashMap<_, _> =
        store.list(&all).await?.into_iter().map(|network: Network| (network.id, network)).collect();
    for network in &mut status.networks {
        if let Some(known) = networks.get(&network.id) {
            network.name.clone_from(&known.name);
        }
    }
    let ports: HashMap<_, _> = store.list(&all).await?.into_iter().map(|port: Port| (port.id, port)).collect();
    for port in &mut status.ports {
        let Some(known) = ports.get(&port.id) else { continue };
        port.name.clone_from(&known.name);
        let binding = known.binding.as_ref();
        port.host = binding.map(|binding| binding.host.clone());
        binding.map_or("unbound", |binding| binding.vif_type.as_str()).clone_into(&mut port.vif_type);
    }
    Ok(())
}
