use std::net::IpAddr;
use std::ops::Deref;

use ipnet::IpNet;
use model::{Mac, PortId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::state::StateDir;
use crate::topology::{plain_checksums, quiet_up, until_up, veth};
use crate::{Error, Host, LabName, Node, NodeName};

/// What a VM and its one port are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSpec {
    pub name: NodeName,
    /// The port's id, which its interface bears as `external_ids:iface-id`.
    pub port: PortId,
    pub mac: Mac,
    /// Addresses with the length of their subnet's prefix.
    pub addresses: Vec<IpNet>,
    /// The network's MTU, in bytes: 1450 fits VXLAN and GRE on the lab's underlay.
    pub mtu: u32,
}

/// A VM that is plugged into a host: a namespace with the device `eth0`. All that a [`Node`] can, a VM can.
#[derive(Debug, Clone)]
pub struct Vm {
    node: Node,
    spec: VmSpec,
    host: NodeName,
}

/// What the state directory keeps of a VM.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) spec: VmSpec,
    pub(crate) host: NodeName,
}

impl Deref for Vm {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Vm {
    pub(crate) fn new(lab: &LabName, record: Record, state: &StateDir) -> Self {
        let node = Node::new(lab, &node_name(&record.spec.name), state);
        Vm { node, spec: record.spec, host: record.host }
    }

    pub fn spec(&self) -> &VmSpec {
        &self.spec
    }

    /// The host it is plugged into.
    pub fn host(&self) -> &NodeName {
        &self.host
    }

    /// The name of the interface on the host.
    pub fn tap(&self) -> String {
        tap_name(self.spec.port)
    }

    /// The first address.
    pub fn address(&self) -> Option<IpAddr> {
        self.spec.addresses.first().map(IpNet::addr)
    }

    pub(crate) async fn plug(&self, host: &Host) -> Result<(), Error> {
        let (tap, spec) = (self.tap(), &self.spec);
        self.create().await?;
        let mut in_vm =
            vec![veth("eth0", 1, &tap, host), format!("link set eth0 address {} mtu {}", spec.mac, spec.mtu)];
        in_vm.extend(spec.addresses.iter().map(|address| match address {
            IpNet::V4(_) => format!("address add {address} dev eth0"),
            // Duplicate detection would hold the address back for a second.
            IpNet::V6(_) => format!("address add {address} dev eth0 nodad"),
        }));
        in_vm.extend(quiet_up("eth0"));
        self.ip(&in_vm).await?;
        let mut on_host = vec![format!("link set {tap} mtu {}", spec.mtu)];
        on_host.extend(quiet_up(&tap));
        host.ip(&on_host).await?;
        plain_checksums(self, "eth0").await?;
        until_up(self, &["eth0"]).await?;
        ensure_integration_bridge(host).await?;
        self.add_port(host, &tap).await
    }

    /// As Nova and libvirt do it, plus the tag: until an agent has wired the port it is in no network, not even for a moment.
    async fn add_port(&self, host: &Host, tap: &str) -> Result<(), Error> {
        let ids = [
            format!("external_ids:iface-id={}", self.spec.port),
            format!("external_ids:attached-mac=\"{}\"", self.spec.mac),
            format!("external_ids:vm-uuid={}", Uuid::new_v4()),
            "external_ids:iface-status=active".to_owned(),
        ];
        let mut args = vec!["add-port", "br-int", tap, "tag=4095", "--", "set", "Interface", tap];
        args.extend(ids.iter().map(String::as_str));
        host.vsctl(args).await.map(drop)
    }

    /// Takes the interface off the bridge; the VM's namespace goes with the rest of it.
    pub(crate) async fn unplug(&self, host: &Host) -> Result<(), Error> {
        let tap = self.tap();
        host.vsctl(["--if-exists", "del-port", "br-int", &tap]).await?;
        // The device may be gone already, if the VM's namespace is.
        let _ = host.ip(&[format!("link delete {tap}")]).await;
        Ok(())
    }
}

/// An agent makes `br-int`; where none runs yet, the lab does as the one who installs OVS would.
async fn ensure_integration_bridge(host: &Host) -> Result<(), Error> {
    let exists = host.output("ovs-vsctl", ["--timeout=30", "br-exists", "br-int"]).await?.status.success();
    if exists {
        return Ok(());
    }
    let make = "--may-exist add-br br-int -- set Bridge br-int datapath_type=netdev fail_mode=secure";
    host.vsctl(make.split(' ')).await.map(drop)
}

/// `vm-vm1`: what the VM is called among the lab's nodes, so that VMs never clash with hosts.
pub(crate) fn node_name(vm: &NodeName) -> String {
    format!("vm-{vm}")
}

/// As Nova names it: `tap` and the first 11 characters of the port's id, 14 of the 15 that Linux allows.
fn tap_name(port: PortId) -> String {
    format!("tap{:.11}", port.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_are_named_as_nova_names_them() {
        let port = "7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b".parse().unwrap();
        assert_eq!(tap_name(port), "tap7b0c7d5a-2a");
    }
}
