use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use agent::{DatapathType, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ovs::{Ovs, wait};
use crate::proxy::{self, Count};

const GRE: &str = "00000000-0000-0000-0000-00000000000a";
const VXLAN: &str = "00000000-0000-0000-0000-00000000000b";
const PORT: &str = "00000000-0000-0000-0000-000000000001";
const OTHER: &str = "00000000-0000-0000-0000-000000000002";

/// Steps 1 and 2 of the reference scenario as compute1 sees them, and a VXLAN network with the same key.
fn static_file(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("static.toml");
    let text = format!(
        r#"
        [[networks]]
        id = "{GRE}"
        type = "gre"
        key = 6
        [[networks]]
        id = "{VXLAN}"
        type = "vxlan"
        key = 6
        [[ports]]
        id = "{PORT}"
        network = "{GRE}"
        mac = "fa:16:3e:b3:e7:7a"
        ips = ["81.1.180.8"]
        [[ports]]
        id = "{OTHER}"
        network = "{VXLAN}"
        mac = "fa:16:3e:b3:e7:7b"
        ips = ["81.1.180.8"]
        [[entries]]
        network = "{GRE}"
        port = "00000000-0000-0000-0000-000000000011"
        mac = "fa:16:3e:87:40:f3"
        ips = ["81.1.180.1"]
        endpoint = "10.0.1.21"
        [[entries]]
        network = "{GRE}"
        port = "00000000-0000-0000-0000-000000000012"
        mac = "fa:16:3e:73:49:41"
        ips = ["81.1.180.9"]
        endpoint = "10.0.1.39"
        [[entries]]
        network = "{VXLAN}"
        port = "00000000-0000-0000-0000-000000000013"
        mac = "fa:16:3e:73:49:42"
        ips = ["81.1.180.9"]
        endpoint = "10.0.1.39"
        "#
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// An agent in this process, behind proxies that count its writes.
struct Agent {
    stop: CancellationToken,
    running: JoinHandle<()>,
    status: std::path::PathBuf,
    database: Arc<Count>,
    integration: Arc<Count>,
    tunnel: Arc<Count>,
}

impl Agent {
    fn start(ovs: &Ovs, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::Builder::new().prefix("culvert-proxy-").tempdir().unwrap();
        let via = |name: &str, scanner| proxy::start(&dir.path().join(name), ovs.path(name), scanner);
        let database = via("db.sock", proxy::ovsdb);
        let integration = via("br-int.mgmt", proxy::openflow);
        let tunnel = via("br-tun.mgmt", proxy::openflow);
        let mut settings = Settings {
            local_ip: Some([10, 0, 1, 31].into()),
            datapath_type: Some(DatapathType::Netdev),
            ovsdb: dir.path().join("db.sock"),
            ovs_rundir: dir.path().into(),
            run_dir: dir.path().into(),
            static_file: Some(static_file(dir.path())),
            ..Settings::default()
        };
        change(&mut settings);
        let config = settings.parse(Some("compute1")).unwrap();
        let status = dir.path().join("agent.sock");
        let stop = CancellationToken::new();
        let token = stop.clone();
        let running = tokio::spawn(async move {
            let _dir = dir;
            agent::run(config, token).await.unwrap();
        });
        Agent { stop, running, status, database, integration, tunnel }
    }

    /// Ends it as SIGTERM does.
    async fn stop(self) -> Counts {
        self.stop.cancel();
        self.running.await.unwrap();
        assert!(self.tunnel.bytes.load(std::sync::atomic::Ordering::SeqCst) > 0, "the proxies were in use");
        Counts {
            database: self.database.writes(),
            integration: self.integration.writes(),
            tunnel: self.tunnel.writes(),
        }
    }
}

/// What an agent has written in its life.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    database: usize,
    integration: usize,
    tunnel: usize,
}

fn plug_both(ovs: &Ovs) {
    ovs.plug("tap1", PORT);
    ovs.plug("tap2", OTHER);
}

fn count(ovs: &Ovs, what: &str) -> usize {
    ovs.flows("br-tun").iter().filter(|flow| flow.contains(what)).count()
}

/// Everything of the static file is in.
fn is_wired(ovs: &Ovs) -> bool {
    let has = |name| ovs.has_port("br-tun", name);
    let ports = has("gre-0a000115") && has("gre-0a000127") && has("vxlan-0a000127");
    ports && count(ovs, "table=20, priority=2") == 3 && count(ovs, "table=22, priority=1") == 2 && admitted(ovs) == 3
}

/// The patch port, and those that are wired.
fn admitted(ovs: &Ovs) -> usize {
    ovs.flows("br-int").iter().filter(|flow| flow.contains("in_port=")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn base_bridges_hold_exactly_the_base_flows() {
    let ovs = Ovs::start();
    let agent = Agent::start(&ovs, |_| {});
    // All of a bridge's base flows come in one bundle.
    wait("the base flows", || {
        ovs.has_port("br-int", "patch-tun")
            && ovs.is_up("br-tun")
            && ovs.is_up("br-int")
            && !ovs.flows("br-tun").is_empty()
            && !ovs.flows("br-int").is_empty()
    });
    for bridge in ["br-int", "br-tun"] {
        assert_eq!(ovs.vsctl(&format!("get Bridge {bridge} fail_mode")).trim(), "secure");
        assert_eq!(ovs.vsctl(&format!("get Bridge {bridge} datapath_type")).trim(), "netdev");
    }
    assert_eq!(ovs.vsctl("get Interface patch-tun options:peer").trim(), "patch-int");
    insta::assert_snapshot!("br_int_base", ovs.flows("br-int").join("\n"));
    insta::assert_snapshot!("br_tun_base", ovs.flows("br-tun").join("\n"));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_file_wires_ports_on_gre_and_vxlan_at_once() {
    let ovs = Ovs::start();
    let agent = Agent::start(&ovs, |_| {});
    wait("the bridges", || ovs.has_port("br-int", "patch-tun") && ovs.is_up("br-int") && ovs.is_up("br-tun"));
    plug_both(&ovs);
    wait("both ports wired", || is_wired(&ovs));
    assert_eq!((ovs.tag("tap1"), ovs.tag("tap2")), ("1".to_owned(), "2".to_owned()));
    assert_eq!(ovs.vsctl("get Port tap1 other_config:net_uuid").trim().trim_matches('"'), GRE);
    let options = ovs.vsctl("get Interface gre-0a000115 options");
    for option in
        ["df_default=\"true\"", "in_key=flow", "out_key=flow", "local_ip=\"10.0.1.31\"", "remote_ip=\"10.0.1.21\""]
    {
        assert!(options.contains(option), "{options}");
    }
    insta::assert_snapshot!("br_int_wired", ovs.flows("br-int").join("\n"));
    let entries: Vec<_> =
        ovs.flows("br-tun").into_iter().filter(|flow| !flow.contains("cookie=0xc01f010000000000")).collect();
    insta::assert_snapshot!("br_tun_wired", entries.join("\n"));

    // Unplugged: all that is the network's goes, without a word from anybody.
    ovs.vsctl("--no-wait del-port br-int tap1");
    wait("the GRE network's rows and tunnels gone", || {
        !ovs.has_port("br-tun", "gre-0a000115")
            && !ovs.has_port("br-tun", "gre-0a000127")
            && count(&ovs, "dl_vlan=1,") == 0
    });
    assert!(ovs.has_port("br-tun", "vxlan-0a000127"), "the VXLAN network is still here");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_writes_nothing_and_mends_exactly_what_is_missing() {
    let ovs = Ovs::start();
    let first = Agent::start(&ovs, |_| {});
    wait("the bridges", || ovs.has_port("br-int", "patch-tun") && ovs.is_up("br-int") && ovs.is_up("br-tun"));
    plug_both(&ovs);
    wait("both ports wired", || is_wired(&ovs));
    let written = first.stop().await;
    assert!(written.database > 0 && written.integration > 0 && written.tunnel > 0, "{written:?}");
    let before = (ovs.flows("br-int"), ovs.flows("br-tun"), ovs.vsctl("show"));

    let second = Agent::start(&ovs, |_| {});
    wait("the agent", || second.status.exists());
    settled(&second);
    let nothing = Counts { database: 0, integration: 0, tunnel: 0 };
    assert_eq!(second.stop().await, nothing);
    assert_eq!((ovs.flows("br-int"), ovs.flows("br-tun"), ovs.vsctl("show")), before);

    // The control: one flow is taken away, one flow-mod brings it back.
    ovs.ofctl(&["--strict", "del-flows"], "br-tun", &["table=20,priority=2,dl_vlan=1,dl_dst=fa:16:3e:87:40:f3"]);
    assert_eq!(count(&ovs, "table=20, priority=2"), 2);
    let third = Agent::start(&ovs, |_| {});
    wait("the missing flow", || count(&ovs, "table=20, priority=2") == 3 && third.status.exists());
    settled(&third);
    assert_eq!(third.stop().await, Counts { tunnel: 1, ..nothing });
    assert_eq!(ovs.flows("br-tun"), before.1);
}

/// While a large change goes in Open vSwitch does not tell what others do; afterwards it does again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_hand_takes_away_after_a_large_change_comes_back_at_once() {
    const MANY: usize = 600;
    let ovs = Ovs::start();
    let mac = |index: usize| format!("fa:16:3e:00:{:02x}:{:02x}", index / 256, index % 256);
    let agent = Agent::start(&ovs, |settings| {
        let mut file = std::fs::OpenOptions::new().append(true).open(settings.static_file.as_ref().unwrap()).unwrap();
        for index in 0..MANY {
            let (port, ip) = (0x1000 + index, format!("81.1.{}.{}", 200 + index / 256, index % 256));
            writeln!(
                file,
                "[[entries]]\nnetwork = \"{GRE}\"\nport = \"00000000-0000-0000-0000-{port:012x}\"\nmac = \"{}\"\n\
                 ips = [\"{ip}\"]\nendpoint = \"10.0.1.39\"",
                mac(index)
            )
            .unwrap();
        }
    });
    wait("the bridges", || ovs.has_port("br-int", "patch-tun") && ovs.is_up("br-int") && ovs.is_up("br-tun"));
    plug_both(&ovs);
    wait("all entries", || count(&ovs, "table=20, priority=2") == 3 + MANY);
    settled(&agent);

    // Another flow each time: the last of the large change may not have been answered when the first is taken away.
    let (mut index, written) = (0, agent.tunnel.writes());
    wait("a flow that was taken away", || {
        ovs.ofctl(&["del-flows"], "br-tun", &[&format!("table=20,dl_dst={}", mac(index))]);
        index += 1;
        agent.tunnel.writes() > written
    });
    wait("its return", || count(&ovs, &format!("dl_dst={}", mac(index - 1))) == 1);
    agent.stop().await;
}

/// Waits until the agent has been told everything, has compared it with what is there, and has nothing under way.
fn settled(agent: &Agent) {
    wait("the agent settled", || status(agent)["settled"] == true);
}

/// What the agent says of itself; nothing while it does not answer.
fn status(agent: &Agent) -> serde_json::Value {
    let stream = std::os::unix::net::UnixStream::connect(&agent.status).ok();
    stream.and_then(|stream| serde_json::from_reader(stream).ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn bridges_and_ports_of_others_are_left_alone() {
    let ovs = Ovs::start();
    ovs.vsctl("add-br br-ex -- set Bridge br-ex datapath_type=netdev -- set-controller br-ex tcp:127.0.0.1:1");
    ovs.vsctl("add-br br-int -- set Bridge br-int datapath_type=netdev -- set-controller br-int tcp:127.0.0.1:6633");
    ovs.vsctl("add-port br-int veth9 tag=77 -- set Interface veth9 type=internal external_ids:owner=somebody");
    let look = || {
        let columns = "--columns=name,tag,trunks,vlan_mode,other_config,external_ids";
        (ovs.vsctl(&format!("{columns} list Port veth9")), ovs.vsctl("list Bridge br-ex"), ovs.flows("br-ex"))
    };
    let before = look();
    let agent = Agent::start(&ovs, |_| {});
    wait("the bridges", || ovs.has_port("br-int", "patch-tun") && ovs.is_up("br-int") && ovs.is_up("br-tun"));
    plug_both(&ovs);
    wait("both ports wired", || {
        ovs.has_port("br-tun", "vxlan-0a000127") && count(&ovs, "table=20, priority=2") == 3 && admitted(&ovs) == 4
    });
    assert_eq!(look(), before);
    wait("the hand-over", || ovs.vsctl("get-controller br-int").trim() == "unix:br-int.culvert");
    assert_eq!(ovs.vsctl("get-controller br-ex").trim(), "tcp:127.0.0.1:1");
    // What went with the controller was nobody else's doing; what is taken away now is.
    let repaired = || status(&agent)["repaired"]["flows"].clone();
    assert_eq!(repaired(), 0);
    ovs.ofctl(&["--names", "del-flows"], "br-int", &["in_port=patch-tun"]);
    wait("it is put right", || admitted(&ovs) == 4 && repaired() == 1);
    agent.stop().await;
}

/// Nothing says what the datapath type is to be: a bridge keeps its own, and the one that is made is as that is.
#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_keeps_its_datapath_type() {
    let ovs = Ovs::start();
    ovs.vsctl("add-br br-int -- set Bridge br-int datapath_type=netdev -- set-fail-mode br-int secure");
    let uuid = ovs.vsctl("get Bridge br-int datapath_id");
    let agent = Agent::start(&ovs, |settings| settings.datapath_type = None);
    wait("the bridges", || ovs.has_port("br-int", "patch-tun") && ovs.is_up("br-int") && ovs.is_up("br-tun"));
    plug_both(&ovs);
    wait("both ports wired", || is_wired(&ovs));
    for bridge in ["br-int", "br-tun"] {
        assert_eq!(ovs.vsctl(&format!("get Bridge {bridge} datapath_type")).trim(), "netdev", "{bridge}");
    }
    assert_eq!(ovs.vsctl("get Bridge br-int datapath_id"), uuid, "it was not made anew");
    agent.stop().await;
    // The control: a setting that says so changes them.
    let agent = Agent::start(&ovs, |settings| settings.datapath_type = Some(DatapathType::System));
    for bridge in ["br-int", "br-tun"] {
        let what = format!("get Bridge {bridge} datapath_type");
        wait("the other datapath type", || ovs.vsctl(&what).trim() == "system");
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vswitchd_that_lost_everything_is_repaired() {
    let mut ovs = Ovs::start();
    let agent = Agent::start(&ovs, |_| {});
    wait("the bridges", || ovs.has_port("br-int", "patch-tun") && ovs.is_up("br-int") && ovs.is_up("br-tun"));
    plug_both(&ovs);
    wait("both ports wired", || is_wired(&ovs));
    let before = (ovs.flows("br-int").len(), ovs.flows("br-tun").len());
    ovs.kill_vswitchd();
    ovs.start_vswitchd();
    wait("the switch", || ovs.is_up("br-int") && ovs.is_up("br-tun"));
    wait("all flows back", || is_wired(&ovs));
    assert_eq!((ovs.flows("br-int").len(), ovs.flows("br-tun").len()), before);
    agent.stop().await;
}
