//! One network, wired on every host of a lab with `ovs-vsctl` and `ovs-ofctl`: what an agent is to do, done without one.

use std::fmt::Write;
use std::net::IpAddr;

use lab::{Host, Lab, Vm};
use model::{Segment, TunnelType};

/// A network that all VMs of the lab are in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    pub(crate) segment: Segment,
}

impl Network {
    /// Bridges, tunnel ports and flows on all hosts.
    pub(crate) async fn wire(self, lab: &Lab) {
        let vms = lab.vms().unwrap();
        for (index, host) in lab.hosts().iter().enumerate() {
            // Not the same on any two hosts, as a local VLAN means nothing beyond its host.
            let vlan = index + 1;
            self.make_ports(host, &remotes(lab, host), &vms, vlan).await;
            self.fill(lab, host, vlan).await;
        }
    }

    /// The flows alone, on one host.
    pub(crate) async fn fill(self, lab: &Lab, host: &Host, vlan: usize) {
        host.add_flows("br-int", "priority=0 actions=NORMAL").await.unwrap();
        host.add_flows("br-tun", &self.flows(host, &remotes(lab, host), &lab.vms().unwrap(), vlan)).await.unwrap();
    }

    async fn make_ports(self, host: &Host, remotes: &[Host], vms: &[Vm], vlan: usize) {
        let mut script = "add-br br-tun -- set Bridge br-tun datapath_type=netdev fail_mode=secure \
            -- add-port br-int patch-tun -- set Interface patch-tun type=patch options:peer=patch-int \
            -- add-port br-tun patch-int -- set Interface patch-int type=patch options:peer=patch-tun"
            .to_owned();
        for remote in remotes {
            let (port, tunnel_type) = (self.tunnel_port(remote), self.segment.tunnel_type);
            write!(
                script,
                " -- add-port br-tun {port} -- set Interface {port} type={tunnel_type} options:df_default=true \
                 options:in_key=flow options:out_key=flow options:local_ip={} options:remote_ip={}",
                host.endpoint(),
                remote.endpoint()
            )
            .unwrap();
        }
        for vm in vms.iter().filter(|vm| vm.host().as_str() == host.name()) {
            write!(script, " -- set Port {} tag={vlan}", vm.tap()).unwrap();
        }
        host.vsctl(script.split_whitespace()).await.unwrap();
    }

    /// The tables of the design, for this network and these VMs.
    fn flows(self, host: &Host, remotes: &[Host], vms: &[Vm], vlan: usize) -> String {
        let from_tunnel = match self.segment.tunnel_type {
            TunnelType::Gre => 3,
            TunnelType::Vxlan => 4,
        };
        let key = self.segment.key;
        let to_tunnel = format!("pop_vlan,set_field:{key}->tun_id");
        let vlan_field = 0x1000 | vlan;
        let mut flows = format!(
            "table=0,priority=1,in_port=patch-int actions=resubmit(,2)
             table=0,priority=0 actions=drop
             table=2,priority=1,arp,dl_dst=ff:ff:ff:ff:ff:ff actions=resubmit(,21)
             table=2,priority=0,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,20)
             table=2,priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,22)
             table={from_tunnel},priority=1,tun_id={key} \
                 actions=push_vlan:0x8100,set_field:{vlan_field}->vlan_vid,resubmit(,10)
             table={from_tunnel},priority=0 actions=drop
             table=10,priority=1 actions=learn(table=20,hard_timeout=300,priority=1,NXM_OF_VLAN_TCI[0..11],\
                 NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],\
                 load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:OXM_OF_IN_PORT[]),output:patch-int
             table=20,priority=0 actions=resubmit(,22)
             table=21,priority=0 actions=resubmit(,22)
             table=22,priority=0 actions=drop\n"
        );
        let mut flood = String::new();
        for remote in remotes {
            let port = self.tunnel_port(remote);
            writeln!(flows, "table=0,priority=1,in_port={port} actions=resubmit(,{from_tunnel})").unwrap();
            write!(flood, ",output:{port}").unwrap();
        }
        writeln!(flows, "table=22,priority=1,dl_vlan={vlan} actions={to_tunnel}{flood}").unwrap();
        for vm in vms.iter().filter(|vm| vm.host().as_str() != host.name()) {
            let remote = remotes.iter().find(|remote| remote.name() == vm.host().as_str()).unwrap();
            let (mac, port) = (vm.spec().mac, self.tunnel_port(remote));
            writeln!(flows, "table=20,priority=2,dl_vlan={vlan},dl_dst={mac} actions={to_tunnel},output:{port}")
                .unwrap();
            if let Some(IpAddr::V4(ip)) = vm.address() {
                writeln!(
                    flows,
                    "table=21,priority=1,arp,dl_vlan={vlan},arp_op=1,arp_tpa={ip} actions=\
                     move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{mac}->eth_src,set_field:2->arp_op,\
                     move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],\
                     set_field:{mac}->arp_sha,set_field:{ip}->arp_spa,IN_PORT"
                )
                .unwrap();
            }
        }
        flows
    }

    /// `gre-0a000127`, as Neutron names it.
    fn tunnel_port(self, remote: &Host) -> String {
        format!("{}-{:08x}", self.segment.tunnel_type, u32::from(remote.endpoint()))
    }
}

fn remotes(lab: &Lab, host: &Host) -> Vec<Host> {
    lab.hosts().into_iter().filter(|other| other.name() != host.name()).collect()
}
