use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{HostName, TunnelType};
use serde::Serialize;
use uuid::Uuid;

/// Who the agent is to Neutron.
#[derive(Debug, Clone)]
pub struct Identity {
    pub host: HostName,
    pub local_ip: IpAddr,
    pub tunnel_types: Vec<TunnelType>,
    pub l2_population: bool,
    pub arp_responder: bool,
    pub integration_bridge: String,
    /// `system` or `netdev`.
    pub datapath_type: String,
    /// New with each process.
    pub process: Uuid,
}

/// Of versioned objects, as they are pulled and pushed. Every server since Neutron 21 speaks them; a newer one leaves out what
/// came later.
pub const PORT_VERSION: oslo::Version = oslo::Version::new(1, 7);
/// See [`PORT_VERSION`].
pub const NETWORK_VERSION: oslo::Version = oslo::Version::new(1, 1);

/// `agent_state` of `report_state`, member for member as a stock Open vSwitch agent has it without bridges to physical networks:
/// mechanism drivers and operators read it.
#[derive(Debug, Serialize)]
pub(crate) struct AgentState<'a> {
    binary: &'static str,
    host: &'a str,
    topic: &'static str,
    configurations: Configurations<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_versions: Option<BTreeMap<&'static str, String>>,
    agent_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_flag: Option<bool>,
    uuid: String,
}

type Nothing = BTreeMap<&'static str, String>;

#[derive(Debug, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "as Neutron has it")]
struct Configurations<'a> {
    bridge_mappings: Nothing,
    resource_provider_bandwidths: Nothing,
    resource_provider_inventory_defaults: Nothing,
    integration_bridge: &'a str,
    tunnel_types: &'a [TunnelType],
    tunneling_ip: IpAddr,
    l2_population: bool,
    arp_responder_enabled: bool,
    enable_distributed_routing: bool,
    log_agent_heartbeats: bool,
    extensions: [&'static str; 0],
    datapath_type: &'a str,
    ovs_capabilities: Capabilities,
    vhostuser_socket_dir: &'static str,
    ovs_hybrid_plug: bool,
    baremetal_smartnic: bool,
    devices: usize,
    in_distributed_mode: bool,
}

#[derive(Debug, Serialize)]
struct Capabilities {
    datapath_types: [&'static str; 2],
    iface_types: [&'static str; 6],
}

impl Identity {
    /// `start`: the first report of this process. `devices`: ports that are wired.
    pub(crate) fn state(&self, start: bool, devices: usize) -> AgentState<'_> {
        let versions =
            || BTreeMap::from([("Network", NETWORK_VERSION.to_string()), ("Port", PORT_VERSION.to_string())]);
        AgentState {
            binary: "neutron-openvswitch-agent",
            host: self.host.as_str(),
            topic: "N/A",
            configurations: Configurations {
                bridge_mappings: Nothing::new(),
                resource_provider_bandwidths: Nothing::new(),
                resource_provider_inventory_defaults: Nothing::new(),
                integration_bridge: &self.integration_bridge,
                tunnel_types: &self.tunnel_types,
                tunneling_ip: self.local_ip,
                l2_population: self.l2_population,
                arp_responder_enabled: self.arp_responder,
                enable_distributed_routing: false,
                log_agent_heartbeats: false,
                extensions: [],
                datapath_type: &self.datapath_type,
                ovs_capabilities: Capabilities {
                    datapath_types: ["netdev", "system"],
                    iface_types: ["gre", "internal", "patch", "system", "tap", "vxlan"],
                },
                vhostuser_socket_dir: "/var/run/openvswitch",
                ovs_hybrid_plug: false,
                baremetal_smartnic: false,
                devices,
                in_distributed_mode: false,
            },
            resource_versions: start.then(versions),
            agent_type: "Open vSwitch agent",
            start_flag: start.then_some(true),
            uuid: self.process.to_string(),
        }
    }

    /// As the server knows the process in `update_device_list`.
    pub(crate) fn agent_id(&self) -> String {
        format!("ovs-agent-{}", self.host)
    }
}
