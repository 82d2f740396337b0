//! Behaviour 10: a restart with nothing changed writes nothing and loses nothing.

use model::TunnelType;

use crate::inspect::{LEARNED, rows};
use crate::observer::{Observed, Pinger};
use crate::overlay::{Overlay, until};
use crate::support::TestLab;

/// Agents killed and started again, then the server, then all of them: not one flow-mod, not one transaction, not one
/// lost ping of one each 10 ms; the local VLANs stay, though they are not those that a fresh agent would give.
///
/// The control is on the same sockets. At first something was written to each of them; and one flow and one tag are taken
/// away while the agent is dead. Pings are lost then, and exactly one flow-mod, that flow's, brings them back, and exactly one
/// transaction that tag.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_nothing_changed_writes_nothing_and_loses_nothing() {
    let overlay = Overlay::without_agents(TestLab::of_two("restart").await).await;
    let hosts = [overlay.at("compute1"), overlay.at("compute2")].map(Observed::new);
    hosts.iter().for_each(Observed::start_agent);
    overlay.until_in_step().await;

    // The first network's VLAN is given back, so that the others' are not the first ones.
    let first = overlay.network(TunnelType::Gre, 5, "81.1.180.0/24").await;
    let passing = overlay.add_vm(&first, "passing", "compute1", "81.1.180.7").await;
    let gre = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let vxlan = overlay.network(TunnelType::Vxlan, 6, "81.1.180.0/24").await;
    overlay.add_vm(&gre, "gre1", "compute1", "81.1.180.8").await;
    overlay.add_vm(&gre, "gre2", "compute2", "81.1.180.9").await;
    overlay.add_vm(&vxlan, "vxlan1", "compute1", "81.1.180.8").await;
    overlay.add_vm(&vxlan, "vxlan2", "compute2", "81.1.180.9").await;
    let stranger = overlay.plug_vm(9, "compute1", "81.1.180.10/24", gre.mtu).await;
    let vm = |name| overlay.vm(name).unwrap();
    overlay.unplug(&passing.vm).await.unwrap();
    let host = overlay.at("compute1");
    until("the first VLAN is given up", async || rows(&host, "br-tun", &["dl_vlan=1,"]).await.is_empty()).await;
    assert_eq!((overlay.tag(&vm("gre1")).await, overlay.tag(&vm("vxlan1")).await), ("2".to_owned(), "3".to_owned()));

    settle(&overlay, &hosts).await;
    for host in &hosts {
        let written = host.take_written();
        for socket in ["db: ", "br-int: ", "br-tun: "] {
            assert!(written.iter().any(|line| line.starts_with(socket)), "the proxy is in use: {socket}{written:#?}");
        }
    }
    let before = state(&overlay).await;
    let pingers = [Pinger::start(&vm("gre1"), &vm("gre2")).await, Pinger::start(&vm("vxlan2"), &vm("vxlan1")).await];

    for (what, agents, server) in [("agents", true, false), ("server", false, true), ("both", true, true)] {
        if agents {
            for host in &hosts {
                host.kill_agent().await;
            }
        }
        if server {
            overlay.server().process("server").unwrap().unwrap().kill().await.unwrap();
            overlay.start_control_server(&[]).await.unwrap();
        }
        if agents {
            hosts.iter().for_each(Observed::start_agent);
        }
        settle(&overlay, &hosts).await;
        for host in &hosts {
            assert_eq!(host.take_written(), Vec::<String>::new(), "after a restart of: {what}");
        }
        assert_eq!(state(&overlay).await, before, "after a restart of: {what}");
    }
    for pinger in pingers {
        let (answered, lost) = pinger.stop().await;
        assert!(answered > 20 && lost == 0, "{answered} answered, {lost} lost");
    }

    // The control: one flow less, and one tag: a stranger's, on which no flow depends.
    let pinger = Pinger::start(&vm("vxlan1"), &vm("vxlan2")).await;
    hosts[0].kill_agent().await;
    let tap = vm("vxlan1").tap();
    assert_eq!(rows(&host, "br-int", &["actions=NORMAL", &tap]).await.len(), 1, "what is to be taken away");
    host.del_flows("br-int", &format!("table=0,in_port={tap}")).await.unwrap();
    host.vsctl(["clear", "Port", &stranger.tap(), "tag"]).await.unwrap();
    assert_eq!(vm("vxlan1").ping("81.1.180.9".parse().unwrap(), 1).await.unwrap().received, 0);
    hosts[0].start_agent();
    settle(&overlay, &hosts).await;
    let (transactions, flow_mods): (Vec<_>, Vec<_>) =
        hosts[0].take_written().into_iter().partition(|line| line.starts_with("db: "));
    assert!(matches!(&flow_mods[..], [one] if one.starts_with("br-int: FlowMod { command: Add")), "{flow_mods:#?}");
    assert!(matches!(&transactions[..], [one] if one.contains(r#""tag":4095"#)), "{transactions:#?}");
    assert_eq!(state(&overlay).await, before);
    let (_, lost) = pinger.stop().await;
    assert!(lost > 0, "without the flow pings are lost");
    overlay.check_control().unwrap();
}

/// Server and agents have told each other everything, and the agents have done it.
async fn settle(overlay: &Overlay, hosts: &[Observed]) {
    overlay.until_in_step().await;
    for host in hosts {
        host.until_settled().await;
    }
}

/// All that must stay as it is: flows of both bridges, the database's ports and tags, the ports' states.
async fn state(overlay: &Overlay) -> Vec<String> {
    let mut state = Vec::new();
    for host in overlay.hosts() {
        for bridge in ["br-int", "br-tun"] {
            // What was learned comes and goes with the frames.
            state.extend(rows(&host, bridge, &[]).await.into_iter().filter(|row| !row.contains(LEARNED)));
        }
        let columns = ["--columns=name,tag,other_config,interfaces", "list", "Port"];
        state.push(host.vsctl(columns).await.unwrap());
    }
    let ports = overlay.rest.list("port", "fields=id&fields=status").await.unwrap();
    state.extend(ports.iter().map(ToString::to_string));
    state
}
