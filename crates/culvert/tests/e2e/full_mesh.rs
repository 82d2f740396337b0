//! Behaviour 2: without `l2_population`, every host has a tunnel to every other, floods, and learns.

use std::net::IpAddr;

use lab::Encapsulated;
use model::{Mac, TunnelType};

use crate::overlay::{Overlay, agents, until, until_equal};

#[tokio::test]
async fn full_mesh_floods_and_learns_over_gre() {
    full_mesh("meshg", TunnelType::Gre, 6).await;
}

#[tokio::test]
async fn full_mesh_floods_and_learns_over_vxlan() {
    full_mesh("meshv", TunnelType::Vxlan, 1001).await;
}

const NOBODY: Mac = Mac([0xfa, 0x16, 0x3e, 0xff, 0xff, 0xff]);

/// Tunnels of both types lead everywhere before there is any network. What is broadcast reaches every host, the one
/// without a port on the network too; so does unicast to a MAC that nobody has heard of. Once one has answered, its MAC
/// is learned and its frames go to its host alone.
async fn full_mesh(name: &str, tunnel_type: TunnelType, key: u32) {
    let overlay = Overlay::up(name, agents(&["--l2-population=false", "--arp-responder=false"])).await;
    let mesh = ["gre-0a000115", "gre-0a000127", "vxlan-0a000115", "vxlan-0a000127"];
    until("compute1 has all tunnels", async || overlay.switch("compute1").await.tunnel_names() == mesh).await;

    let network = overlay.network(tunnel_type, key, "81.1.180.0/24").await;
    let one = overlay.add_vm(&network, "vm1", "compute1", "81.1.180.8").await;
    let two = overlay.add_vm(&network, "vm2", "compute2", "81.1.180.9").await;
    let switch = overlay.switch("compute1").await;
    let vlan = switch.vlan(&network.id).unwrap();
    let (to_network, to_two) = (format!("{tunnel_type}-0a000115"), format!("{tunnel_type}-0a000127"));
    let flood = format!(
        "table=22,priority=1,dl_vlan={vlan} actions=strip_vlan,set_tunnel:{key:#x},output:{to_network},output:{to_two}"
    );
    assert_eq!(switch.of_vlan(22, vlan), switch.meaning([&flood]), "every tunnel of the type, and no other");
    let by_rule = switch.meaning(["table=20,priority=0 actions=goto_table:22"]);
    assert_eq!(switch.table(20), by_rule, "nothing is known beforehand");

    // To a MAC that nobody has: to every host, as it is to nobody's.
    let vm = overlay.vm("vm1").unwrap();
    let unused: IpAddr = "81.1.180.77".parse().unwrap();
    let ip = unused.to_string();
    vm.exec("ip", ["neighbour", "replace", &ip, "lladdr", &NOBODY.to_string(), "dev", "eth0"]).await.unwrap();
    let (_, frames) = overlay.watch_underlay(async || vm.ping(unused, 1).await.unwrap()).await;
    let unknown = frames.iter().filter(|frame| frame.macs() == Some((one.mac, NOBODY)));
    assert_eq!(endpoints(unknown), ["10.0.1.21", "10.0.1.39"]);

    // An ARP request too; and from its answer on, frames go to the right host alone.
    let (complete, frames) = overlay.ping(&one, &two, 3).await;
    assert!(complete);
    let requests =
        frames.iter().filter(|frame| frame.is_arp_request() && frame.macs() == Some((one.mac, Mac::BROADCAST)));
    assert_eq!(endpoints(requests), ["10.0.1.21", "10.0.1.39"]);
    let pings = frames.iter().filter(|frame| frame.is_icmp() && frame.macs() == Some((one.mac, two.mac)));
    assert_eq!(endpoints(pings), ["10.0.1.39"; 3]);
    for frame in &frames {
        assert_eq!((frame.tunnel_type, frame.key), (tunnel_type, key));
    }

    // What was learned means what the scenario shows: a flow as `learn` writes it, for 300 s.
    let switch = overlay.switch("compute1").await;
    let learned = switch.meaning([format!(
        "table=20,priority=1,hard_timeout=300,vlan_tci={vlan:#06x}/0x0fff,dl_dst={} \
         actions=load:0->NXM_OF_VLAN_TCI[],load:{key:#x}->NXM_NX_TUN_ID[],output:{to_two}",
        two.mac
    )]);
    assert!(learned.is_subset(&switch.table(20)), "{learned:?} in {:?}", switch.table(20));

    // A tunnel port that a hand takes away is back at once, with all that floods to it.
    overlay.at("compute1").vsctl(["del-port", "br-tun", &to_two]).await.unwrap();
    until_equal("the mesh is whole", async || {
        let switch = overlay.switch("compute1").await;
        let whole = switch.tunnel_names() == mesh && switch.numbers.contains_key(&to_two);
        whole.then(|| (switch.of_vlan(22, vlan), switch.meaning([&flood])))
    })
    .await;
    assert!(overlay.ping(&one, &two, 2).await.0);
    let log = overlay.at("compute1").process("agent").unwrap().unwrap().log();
    assert!(log.contains("was removed, and not by this agent: made anew"), "{log}");
}

/// Where the frames were sent to, in order of address.
fn endpoints<'a>(frames: impl Iterator<Item = &'a Encapsulated>) -> Vec<String> {
    let mut endpoints: Vec<String> = frames.map(|frame| frame.to.to_string()).collect();
    endpoints.sort();
    endpoints
}
