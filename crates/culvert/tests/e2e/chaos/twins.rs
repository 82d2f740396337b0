//! VMs that Culvert does not know, beside those that it does: on each host one more, with the same links, the same
//! `ovs-vswitchd` and tunnels of the same type between them, and flows that a hand has set and nobody changes. What is lost
//! between two of them at some moment, the machine has lost.

use lab::{Host, Vm, VmSpec};
use model::{Mac, PortId, TunnelType};
use uuid::Uuid;

use super::rig::HOSTS;
use crate::overlay::Overlay;

/// A twin, and the flows between it and the others.
pub(super) struct Twin {
    pub(super) vm: Vm,
    host: Host,
    flows: String,
}

impl Twin {
    /// On the host of this name?
    pub(super) fn is_on(&self, host: &str) -> bool {
        self.host.name() == host
    }

    /// All at once, by hand.
    pub(super) async fn set_flows(&self) {
        self.host.add_flows("br-twin", &self.flows).await.unwrap();
    }
}

pub(super) async fn plug(overlay: &Overlay, tunnel_type: TunnelType) -> Vec<Twin> {
    let mut twins = Vec::new();
    for (number, host) in (1..).zip(HOSTS) {
        let spec = VmSpec {
            name: format!("twin{number}").parse().unwrap(),
            port: PortId(Uuid::new_v4()),
            mac: mac(number),
            addresses: vec![format!("10.8.0.{number}/24").parse().unwrap()],
            mtu: 1400,
        };
        let vm = overlay.plug(host, spec).await.unwrap();
        let host = overlay.at(host);
        let flows = connect(&host, &vm, number, &overlay.hosts(), tunnel_type).await;
        let twin = Twin { vm, host, flows };
        twin.set_flows().await;
        twins.push(twin);
    }
    twins
}

/// Makes a bridge with the twin and a tunnel to each other host, of a key of its own; the flows that it needs.
async fn connect(host: &Host, twin: &Vm, number: u8, hosts: &[Host], tunnel_type: TunnelType) -> String {
    let tap = twin.tap();
    let mut vsctl = format!(
        "del-port br-int {tap} -- add-br br-twin -- set Bridge br-twin datapath_type=netdev fail_mode=secure \
         -- add-port br-twin {tap}"
    );
    let mut flows = Vec::new();
    for (other, at) in (1..).zip(HOSTS).filter(|(other, _)| *other != number) {
        let remote = hosts.iter().find(|host| host.name() == at).unwrap().endpoint();
        let tunnel = format!("-- add-port br-twin twin-{other} -- set Interface twin-{other} type={tunnel_type}");
        let options = format!("options:remote_ip={remote} options:local_ip={} options:key=7777", host.endpoint());
        vsctl.extend([" ", &tunnel, " ", &options]);
        flows.push(format!("in_port={tap},dl_dst={} actions=output:twin-{other}", mac(other)));
        flows.push(format!("in_port=twin-{other} actions=output:{tap}"));
        let neighbour = format!("neighbour replace 10.8.0.{other} lladdr {} dev eth0 nud permanent", mac(other));
        twin.exec("ip", neighbour.split(' ')).await.unwrap();
    }
    host.vsctl(vsctl.split_whitespace()).await.unwrap();
    flows.join("\n")
}

fn mac(number: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0x77, 0, number])
}
