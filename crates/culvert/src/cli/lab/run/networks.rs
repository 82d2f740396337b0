//! What the story is about: two networks with the same subnet, and how they come to be through the REST API.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use lab::{Lab, Rest, VmSpec};
use model::{Mac, PortId, Segment, TunnelType};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::teller::Teller;

/// A network to be made.
pub(super) struct Plan {
    tunnel_type: TunnelType,
    /// Name, host and address of each VM.
    vms: [(&'static str, &'static str, [u8; 4]); 3],
}

/// Both networks have the same subnet and the same gateway's address: what keeps them apart is not the addresses.
pub(super) const PLANS: [Plan; 2] = [
    Plan {
        tunnel_type: TunnelType::Gre,
        vms: [
            ("gre-gw", "network", GATEWAY),
            ("gre-vm1", "compute1", [81, 1, 180, 8]),
            ("gre-vm2", "compute2", [81, 1, 180, 9]),
        ],
    },
    Plan {
        tunnel_type: TunnelType::Vxlan,
        vms: [
            ("vxlan-gw", "network", GATEWAY),
            ("vxlan-vm1", "compute1", [81, 1, 180, 18]),
            ("vxlan-vm2", "compute2", [81, 1, 180, 19]),
        ],
    },
];

const SUBNET: &str = "81.1.180.0/24";
const PREFIX: u8 = 24;
const GATEWAY: [u8; 4] = [81, 1, 180, 1];

/// How long ports may take to become ACTIVE; it takes well under a second on a quiet machine.
const ACTIVE: Duration = Duration::from_secs(30);

/// A network that was made.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) segment: Segment,
    pub(super) ports: Vec<Port>,
    id: String,
    mtu: u32,
}

/// A port that was made, and its VM, which has the same name.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) name: &'static str,
    pub(super) host: &'static str,
    pub(super) mac: Mac,
    pub(super) ip: IpAddr,
    id: PortId,
}

/// A network and its subnet, without ports.
pub(super) async fn make_network(rest: &Rest, plan: &Plan, teller: &Teller) -> anyhow::Result<Network> {
    let tunnel_type = plan.tunnel_type;
    let name = format!("net-{tunnel_type}");
    teller.command(&format!("openstack network create --provider-network-type {tunnel_type} {name}"));
    let made = rest.create("network", json!({ "name": name, "provider:network_type": tunnel_type })).await?;
    let id = text(&made, "id")?;
    let segment = Segment::new(tunnel_type, number(&made, "provider:segmentation_id")?)?;
    let mtu = number(&made, "mtu")?.try_into()?;

    let (subnet, gateway) = (format!("subnet-{tunnel_type}"), IpAddr::from(GATEWAY));
    teller.command(&format!(
        "openstack subnet create --network {name} --subnet-range {SUBNET} --gateway {gateway} --no-dhcp {subnet}"
    ));
    let attributes = json!({
        "name": subnet, "network_id": id, "ip_version": 4, "cidr": SUBNET, "gateway_ip": gateway, "enable_dhcp": false,
    });
    rest.create("subnet", attributes).await?;
    teller.line(format!("{name}: {segment}, MTU {mtu}"));
    Ok(Network { name, segment, ports: Vec::new(), id, mtu })
}

/// The ports of a network, each bound to its host.
pub(super) async fn make_ports(rest: &Rest, plan: &Plan, network: &mut Network, teller: &Teller) -> anyhow::Result<()> {
    for (name, host, address) in plan.vms {
        let ip = IpAddr::from(address);
        let of = &network.name;
        teller
            .command(&format!("openstack port create --network {of} --fixed-ip ip-address={ip} --host {host} {name}"));
        let attributes = json!({
            "name": name, "network_id": network.id, "fixed_ips": [{"ip_address": ip}], "binding:host_id": host,
        });
        let made = rest.create("port", attributes).await?;
        let vif_type = text(&made, "binding:vif_type")?;
        if vif_type != "ovs" {
            bail!("port {name} was not bound to {host}: its binding:vif_type is {vif_type}");
        }
        let (id, mac) = (text(&made, "id")?.parse()?, text(&made, "mac_address")?.parse()?);
        network.ports.push(Port { name, host, mac, ip, id });
    }
    Ok(())
}

/// A VM for each port, plugged as Nova and libvirt plug it.
pub(super) async fn plug(lab: &Lab, network: &Network, teller: &Teller) -> anyhow::Result<()> {
    for port in &network.ports {
        let addresses = vec![IpNet::new(port.ip, PREFIX)?];
        let spec = VmSpec { name: port.name.parse()?, port: port.id, mac: port.mac, addresses, mtu: network.mtu };
        let vm = lab.plug(port.host, spec).await?;
        teller.line(format!("{:<10} {:<9} {}  {} {}", port.name, port.host, vm.tap(), port.mac, port.ip));
    }
    Ok(())
}

/// Waits until all ports are ACTIVE: wired, and every host that must know of them does.
pub(super) async fn until_active(lab: &Lab, rest: &Rest) -> anyhow::Result<()> {
    let deadline = Instant::now() + ACTIVE;
    loop {
        let ports = rest.list("port", "fields=name&fields=status&fields=binding:host_id").await?;
        let Some(waiting) = ports.iter().find(|port| port["status"] != "ACTIVE") else { return Ok(()) };
        lab.check_control()?;
        if Instant::now() > deadline {
            let (name, host) = (text(waiting, "name")?, text(waiting, "binding:host_id")?);
            let agent = lab.host(&host)?.process("agent")?.context("its host has no agent")?;
            let status = text(waiting, "status")?;
            bail!("port {name} is {status} after {} s; its agent last said:\n{}", ACTIVE.as_secs(), agent.log_tail());
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// An attribute that the server must have given.
pub(super) fn text(object: &Value, name: &str) -> anyhow::Result<String> {
    let found = object[name].as_str().map(ToOwned::to_owned);
    found.with_context(|| format!("the server's answer has no text \"{name}\": {object}"))
}

fn number(object: &Value, name: &str) -> anyhow::Result<u64> {
    object[name].as_u64().with_context(|| format!("the server's answer has no number \"{name}\": {object}"))
}
