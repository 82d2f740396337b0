//! What a host's `br-tun` should mean for a network, written down as the reference scenario does.

use std::collections::BTreeSet;

use model::{Mac, TunnelType};

use crate::overlay::{Network, Overlay, Port, until_equal};
use crate::switch::Switch;

/// An entry that a host must have.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) mac: Mac,
    pub(crate) ips: Vec<String>,
    pub(crate) host: String,
}

impl From<&Port> for Known {
    fn from(port: &Port) -> Known {
        Known { mac: port.mac, ips: vec![port.address.addr().to_string()], host: port.host.clone() }
    }
}

/// Tables 20, 21 and 22 for one network.
type Tables = [BTreeSet<String>; 3];

impl Overlay {
    /// Waits until a host knows these ports of a network, and no others: unicast, responder and flood rows are what follows
    /// from them, not one more. Ports of this host itself have no row but the one that keeps requests for them here.
    pub(crate) async fn until_knows(&self, host: &str, network: &Network, ports: &[Known], responder: bool) {
        let what = format!("{host} knows what it should, and no more");
        until_equal(&what, async || {
            let switch = self.switch(host).await;
            let vlan = switch.vlan(&network.id)?;
            let found = [20, 21, 22].map(|table| switch.of_vlan(table, vlan));
            Some((found, self.expected(host, network, ports, responder, &switch, vlan)))
        })
        .await;
        let switch = self.switch(host).await;
        let vlan = switch.vlan(&network.id).unwrap();
        let (table, key) = (classifying(network.segment.tunnel_type), network.segment.key);
        let row = format!(
            "table={table},priority=1,tun_id={key} actions=push_vlan:0x8100,set_field:{}->vlan_vid,goto_table:10",
            0x1000 | vlan
        );
        assert!(switch.meaning([row]).is_subset(&switch.table(table)), "{:?}", switch.table(table));
    }

    fn expected(
        &self,
        host: &str,
        network: &Network,
        ports: &[Known],
        responder: bool,
        switch: &Switch,
        vlan: u16,
    ) -> Tables {
        let (tunnel_type, key) = (network.segment.tunnel_type, network.segment.key);
        let tunnel = |other: &str| format!("output:{tunnel_type}-{:08x}", u32::from(self.at(other).endpoint()));
        let (mut unicast, mut answers, mut flood) = (Vec::new(), Vec::new(), BTreeSet::new());
        for Known { mac, ips, host: at } in ports {
            if at == host {
                answers
                    .extend(ips.iter().map(|ip| {
                        format!("table=21,priority=2,arp,dl_vlan={vlan},arp_op=1,arp_tpa={ip} actions=drop")
                    }));
                continue;
            }
            let port = tunnel(at);
            unicast.push(format!(
                "table=20,priority=2,dl_vlan={vlan},dl_dst={mac} actions=strip_vlan,set_tunnel:{key:#x},{port}"
            ));
            answers.extend(ips.iter().map(|ip| {
                format!(
                    "table=21,priority=1,arp,dl_vlan={vlan},arp_op=1,arp_tpa={ip} actions=\
                     move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],mod_dl_src:{mac},load:0x2->NXM_OF_ARP_OP[],\
                     move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],\
                     load:{:#x}->NXM_NX_ARP_SHA[],load:{:#x}->NXM_OF_ARP_SPA[],IN_PORT",
                    mac.to_u64(),
                    u32::from(ip.parse::<std::net::Ipv4Addr>().unwrap())
                )
            }));
            flood.insert(port);
        }
        if !responder {
            answers.clear();
        }
        let outputs: Vec<String> = flood.into_iter().collect();
        let flood =
            format!("table=22,priority=1,dl_vlan={vlan} actions=strip_vlan,set_tunnel:{key:#x},{}", outputs.join(","));
        let flood = if outputs.is_empty() { None } else { Some(flood) };
        [switch.meaning(unicast), switch.meaning(answers), switch.meaning(flood)]
    }
}

/// The table that turns this type's keys into local VLANs.
pub(crate) fn classifying(tunnel_type: TunnelType) -> u8 {
    match tunnel_type {
        TunnelType::Gre => 3,
        TunnelType::Vxlan => 4,
    }
}
