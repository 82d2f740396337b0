//! `docs/pipeline.md` shows what a host has: its dumps are compared with those of a real host, both ways.

mod page;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;

use lab::{ControlSpec, Host};
use model::TunnelType;
use serde_json::json;

use self::page::{Lines, differences, place_of, with_dumps_of};
use crate::overlay::{Overlay, agents, until};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pipeline.md");
/// Where the VMs of each network are, with the last octet of their addresses.
const VMS: [(&str, u8); 3] = [("compute1", 8), ("network", 1), ("compute2", 9)];

/// A GRE and a VXLAN network with a VM on each of three hosts, seen on compute1: every flow that is there is in the page,
/// and every flow in the page is there; so it is with the responder off, and in a full mesh. `CULVERT_BLESS=1` writes
/// dumps that are wrong anew.
#[tokio::test]
async fn docs_pipeline_is_what_a_host_has() {
    let real = dumps().await;
    let mut page = fs::read_to_string(PAGE).unwrap();
    if std::env::var("CULVERT_BLESS").is_ok_and(|bless| bless == "1") && !differences(&page, &real).is_empty() {
        page = with_dumps_of(&page, &real);
        fs::write(PAGE, &page).unwrap();
    }
    let wrong = differences(&page, &real).join("\n");
    assert!(wrong.is_empty(), "docs/pipeline.md is not what a host has:\n{wrong}\nCULVERT_BLESS=1 mends the dumps");

    // A page with another action, key or kind of cookie, or without a flow, a table or a port, would be found out.
    let without = |part: &str| page.lines().filter(|line| !line.contains(part)).collect::<Vec<_>>().join("\n");
    for broken in [
        page.replacen("arp_op=1 actions=drop\n", "arp_op=1 actions=NORMAL\n", 1),
        page.replacen("tun_id=0x6 ", "tun_id=0x7 ", 1),
        page.replacen("cookie=0xc01f0a", "cookie=0xc01f09", 1),
        without("vlan_tci=0x0002/0x0fff"),
        without("real: br-tun 10 "),
        without("4095 {}"),
    ] {
        assert!(broken != page && !differences(&broken, &real).is_empty());
    }
}

/// What compute1 has, by mode.
async fn dumps() -> BTreeMap<&'static str, Lines> {
    let overlay = Overlay::up("docs", ControlSpec::default()).await;
    for (number, tunnel_type, key) in [(1, TunnelType::Gre, 6), (2, TunnelType::Vxlan, 1001)] {
        let network = overlay.network(tunnel_type, key, "81.1.180.0/24").await;
        for (host, last) in VMS {
            let (vm, ip) = (format!("{tunnel_type}-{last}"), format!("81.1.180.{last}"));
            let mac = json!({ "mac_address": format!("fa:16:3e:00:{number:02}:{last:02}") });
            let port = overlay.port_with(&network, &vm, host, &ip, mac).await;
            overlay.plug_port(&port).await;
            overlay.until_status(&port, "ACTIVE").await;
        }
    }
    // Nobody's port: it stays on the dead VLAN.
    overlay.plug_vm(99, "compute1", "81.1.180.99/24", 1450).await;
    ping_all(&overlay).await;
    let host = overlay.at("compute1");
    let default = seen(&host).await;

    host.restart_control_agent(&agents(&["--arp-responder=false"])).await.unwrap();
    until("nothing is left of the responder", async || {
        let seen = seen(&host).await;
        ["br-tun 18", "br-tun 21"].iter().all(|table| !seen.contains_key(*table))
    })
    .await;
    let no_responder = seen(&host).await;

    host.restart_control_agent(&agents(&["--l2-population=false", "--arp-responder=false"])).await.unwrap();
    until("what was learned is all that is known", async || {
        ping_all(&overlay).await;
        let unicast = &seen(&host).await["br-tun 20"];
        let learned = unicast.iter().filter(|line| line.contains("hard_timeout")).count();
        (learned, unicast.len()) == (4, 5)
    })
    .await;
    let no_population = seen(&host).await;

    BTreeMap::from([("", default), ("arp_responder=false", no_responder), ("l2_population=false", no_population)])
}

/// Once all others have answered, compute1 has learned of them.
async fn ping_all(overlay: &Overlay) {
    for vm in ["gre-8", "vxlan-8"] {
        for last in [1, 9] {
            let ping = overlay.vm(vm).unwrap().ping([81, 1, 180, last].into(), 1).await.unwrap();
            assert!(ping.is_complete(), "{vm} reaches 81.1.180.{last}");
        }
    }
}

/// What the host has, line by line as its tools print it.
async fn seen(host: &Host) -> Lines {
    let mut lines = Lines::new();
    for bridge in ["br-int", "br-tun"] {
        let args = ["-O", "OpenFlow14", "--names", "--no-stats", "dump-flows", bridge];
        let dump = host.exec("ovs-ofctl", args).await.unwrap();
        for flow in dump.lines().map(str::trim).filter(|line| line.contains("actions=")) {
            lines.entry(place_of(bridge, flow)).or_default().push(flow.to_owned());
        }
    }
    for flows in lines.values_mut() {
        flows.sort_by_key(|flow| Reverse(priority(flow)));
    }
    let ports = rows(host, "name,tag,other_config", "Port").await;
    lines.insert("ports".to_owned(), ports.into_iter().filter(|row| row.starts_with("tap")).collect());
    let tunnels = rows(host, "name,type,options", "Interface").await;
    lines.insert("tunnels".to_owned(), tunnels.into_iter().filter(|row| row.contains("remote_ip")).collect());
    lines
}

async fn rows(host: &Host, columns: &str, table: &str) -> Vec<String> {
    let columns = format!("--columns={columns}");
    let text = host.vsctl(["--format=table", "--no-headings", &columns, "list", table]).await.unwrap();
    let mut rows: Vec<_> = text.lines().map(|row| row.trim().to_owned()).collect();
    rows.sort();
    rows
}

fn priority(flow: &str) -> u16 {
    let digits = flow.split_once("priority=").unwrap().1.split([',', ' ']).next().unwrap();
    digits.parse().unwrap()
}
