//! What the API says of how a port is plugged on its host.

use std::collections::HashMap;

use model::{HostName, TunnelType};
use serde_json::{Value, json};
use store::VifType;

use super::RestState;
use super::error::Result;

/// Kinds of interfaces, Neutron's (`VNIC_TYPES` of its port bindings). Ports of those that Open vSwitch serves only with a
/// card that forwards by itself are made and bound nowhere: `binding_failed`.
pub(crate) const VNIC_TYPES: &[&str] = &[
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
];

/// Whether a port can be bound to a host now.
pub(crate) fn can_bind(state: &RestState) -> impl Fn(&HostName, TunnelType) -> bool {
    |host, tunnel_type| state.hosts.can_bind(host, tunnel_type)
}

/// The datapath type of each of these hosts that is known.
pub(crate) async fn datapaths(state: &RestState, hosts: &[HostName]) -> Result<HashMap<HostName, Value>> {
    let hosts = state.store.hosts_named(hosts).await?;
    let datapaths = hosts.into_iter().map(|mut host| {
        let datapath = host.configurations.remove("datapath_type").unwrap_or_else(|| "system".into());
        (host.name, datapath)
    });
    Ok(datapaths.collect())
}

/// `vif_details`, of a binding in force or prepared.
pub(crate) fn vif_details(vif_type: Option<VifType>, datapath: Option<&Value>) -> Value {
    match vif_type {
        Some(VifType::Ovs) => json!({
            "connectivity": "l2",
            // security groups are kept, not enforced
            "port_filter": false,
            "ovs_hybrid_plug": false,
            "datapath_type": datapath,
            "bridge_name": "br-int",
        }),
        Some(VifType::BindingFailed) | None => json!({}),
    }
}
