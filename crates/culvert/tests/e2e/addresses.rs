//! Behaviour 9: fixed IPs come and go, and only the responder's rows follow.

use std::collections::BTreeSet;

use lab::{ControlSpec, Vm};
use model::TunnelType;
use serde_json::{Value, json};

use crate::inspect::{LEARNED, asked_for, rows};
use crate::monitor::Monitor;
use crate::overlay::{Overlay, until};
use crate::support::TestLab;

#[tokio::test]
async fn fixed_ips_change_only_the_responders_rows_over_gre() {
    fixed_ips("ipsg", TunnelType::Gre).await;
}

#[tokio::test]
async fn fixed_ips_change_only_the_responders_rows_over_vxlan() {
    fixed_ips("ipsv", TunnelType::Vxlan).await;
}

/// A port on compute1 changes its address, gets a second, loses one; gets an IPv6 address, loses that. Open vSwitch's own
/// monitor on compute2 shows each time exactly the responder's rows of the addresses concerned, and none at all for
/// IPv6; on compute1 it shows the rows that keep questions for these addresses on the host.
async fn fixed_ips(name: &str, tunnel_type: TunnelType) {
    let overlay = Overlay::start(TestLab::of_two(name).await, ControlSpec::default()).await;
    let network = overlay.network(tunnel_type, 6, "81.1.180.0/24").await;
    let v6 = json!({ "network_id": network.id, "ip_version": 6, "cidr": "2001:db8::/64", "enable_dhcp": false });
    overlay.rest.create("subnet", v6).await.unwrap();
    let port = overlay.add_vm(&network, "vm1", "compute1", "81.1.180.8").await;
    let other = overlay.add_vm(&network, "vm2", "compute2", "81.1.180.9").await;
    let (vm, peer) = (overlay.vm("vm1").unwrap(), overlay.vm("vm2").unwrap());
    peer.exec("ip", ["address", "add", "2001:db8::9/64", "dev", "eth0", "nodad"]).await.unwrap();
    overlay.until_in_step().await;
    let mut there = Monitor::start(&overlay.at("compute2"), "br-tun").await;
    let mut here = Monitor::start(&overlay.at("compute1"), "br-tun").await;

    let steps: [(&[&str], &[&str]); 5] = [
        (&["81.1.180.18"], &["-81.1.180.8", "+81.1.180.18"]),
        (&["81.1.180.18", "81.1.180.19"], &["+81.1.180.19"]),
        (&["81.1.180.19"], &["-81.1.180.18"]),
        (&["81.1.180.19", "2001:db8::19"], &[]),
        (&["81.1.180.19", "81.1.180.8"], &["+81.1.180.8"]),
    ];
    let mut known = vec!["81.1.180.8"];
    for (wanted, expected) in steps {
        let what = format!("{known:?} become {wanted:?}");
        let fixed_ips: Vec<Value> = wanted.iter().map(|ip| json!({ "ip_address": ip })).collect();
        overlay.change(&port, json!({ "fixed_ips": fixed_ips })).await;
        for host in overlay.hosts() {
            until(&format!("{what}, on {}", host.name()), async || {
                let rows = rows(&host, "br-tun", &["table=21,", "arp_tpa="]).await;
                let asked: BTreeSet<_> = rows.iter().filter_map(|row| asked_for(row)).collect();
                asked == wanted.iter().copied().filter(|ip| is_v4(ip)).chain(["81.1.180.9"]).collect()
            })
            .await;
        }
        // All that the change may cause has been told to all and confirmed by them.
        until(&format!("{what}, in step"), async || overlay.report_of(&port).await["ips"] == json!(wanted)).await;
        overlay.until_in_step().await;
        let changes = there.events().await;
        assert_eq!(summary(&changes), expected, "{what}: {changes:#?}");
        let changes = here.events().await;
        assert_eq!(summary(&changes), expected, "{what}, on the port's own host: {changes:#?}");
        assert_eq!(overlay.status(&port).await, "ACTIVE", "{what}");

        // What is new is answered for; what is gone is not, by nobody.
        give(&vm, wanted).await;
        for ip in wanted.iter().filter(|ip| is_v4(ip)) {
            assert_eq!(peer.arping("eth0", ip.parse().unwrap(), 1).await.unwrap().received, 1, "{what}: {ip}");
            assert!(peer.ping(ip.parse().unwrap(), 1).await.unwrap().is_complete(), "{what}: {ip}");
        }
        for ip in wanted.iter().filter(|ip| !is_v4(ip)) {
            assert!(peer.ping(ip.parse().unwrap(), 1).await.unwrap().is_complete(), "{what}: {ip}");
        }
        for ip in known.iter().filter(|ip| !wanted.contains(ip) && is_v4(ip)) {
            assert_eq!(peer.arping("eth0", ip.parse().unwrap(), 1).await.unwrap().received, 0, "{what}: {ip}");
        }
        // Frames teach the switches where the VMs are; that changes no row of ours.
        for monitor in [&mut here, &mut there] {
            let changes = monitor.events().await;
            assert_eq!(changes.iter().find(|change| !change.contains(LEARNED)), None);
        }
        known = wanted.to_vec();
    }
    assert_eq!(overlay.status(&other).await, "ACTIVE");
    overlay.check_control().unwrap();
}

/// Gives the VM these addresses, and no others.
async fn give(vm: &Vm, addresses: &[&str]) {
    vm.exec("ip", ["address", "flush", "dev", "eth0", "scope", "global"]).await.unwrap();
    for ip in addresses {
        let (prefix, more) = if is_v4(ip) { (24, None) } else { (64, Some("nodad")) };
        let address = format!("{ip}/{prefix}");
        vm.exec("ip", ["address", "add", &address, "dev", "eth0"].into_iter().chain(more)).await.unwrap();
    }
}

fn is_v4(ip: &str) -> bool {
    ip.contains('.')
}

/// `-81.1.180.8`, `+81.1.180.18`: rows of the responder that went and came, those that went first; all others as they are.
fn summary(changes: &[String]) -> Vec<String> {
    let one = |change: &String| match asked_for(change).filter(|_| change.contains("table=21")) {
        Some(ip) if change.contains("event=ADDED") => format!("+{ip}"),
        Some(ip) if change.contains("event=DELETED") => format!("-{ip}"),
        _ => change.clone(),
    };
    let mut summary: Vec<_> = changes.iter().map(one).collect();
    summary.sort_by_key(|line| line.starts_with('+'));
    summary
}
