use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::{Error, Lab, Node, SERVER_ADDRESS};

/// The lab's name for the node that joins all others.
pub(crate) const SWITCH: &str = "switch";
/// The lab's name for the node where the server runs.
pub(crate) const SERVER: &str = "server";

/// Makes the namespaces, the two Linux bridges in the switch and a link from each to every node; waits until frames pass.
pub(crate) async fn make(lab: &Lab) -> Result<(), Error> {
    let (switch, server) = (lab.switch(), lab.server());
    let (mut in_switch, mut ports) = (Vec::new(), Vec::new());
    for bridge in ["br-ul", "br-mg"] {
        in_switch.push(format!("link add {bridge} type bridge"));
        in_switch.extend(quiet_up(bridge));
    }
    let mut plug = |port: String, bridge: &str| {
        in_switch.push(format!("link set {port} master {bridge}"));
        in_switch.extend(quiet_up(&port));
        ports.push(port);
    };
    switch.create().await?;

    server.create().await?;
    let mut in_server = vec![veth("mg", 1, "mg-server", &switch), format!("address add {SERVER_ADDRESS}/24 dev mg")];
    in_server.extend(quiet_up("mg"));
    server.ip(&in_server).await?;
    plug("mg-server".to_owned(), "br-mg");

    for host in lab.hosts() {
        host.create().await?;
        without_ipv6(&host).await?;
        let (ul, mg) = (format!("ul-{}", host.name()), format!("mg-{}", host.name()));
        let mut in_host = vec![veth("ul", 1, &ul, &switch), veth("mg", 2, &mg, &switch)];
        in_host.push(format!("address add {}/24 dev mg", host.management()));
        in_host.extend(quiet_up("mg"));
        // The kernel has an address of this network on br-ul, and would answer for it here too, with this device's MAC: who
        // believed that would send to a MAC that no tunnel ends at.
        in_host.push("link set ul arp off".to_owned());
        in_host.extend(quiet_up("ul"));
        host.ip(&in_host).await?;
        plain_checksums(&host, "ul").await?;
        plug(ul, "br-ul");
        plug(mg, "br-mg");
    }
    switch.ip(&in_switch).await?;

    until_up(&switch, &ports).await?;
    until_up(&server, &["mg"]).await?;
    for host in lab.hosts() {
        until_up(&host, &["ul", "mg"]).await?;
    }
    Ok(())
}

/// Waits until the kernel lets frames through these devices. It does so some time after they are up: the news that a link
/// has its other end goes through a queue, and until then a device sends nothing and a bridge's port forwards nothing.
pub(crate) async fn until_up(node: &Node, devices: &[impl AsRef<str>]) -> Result<(), Error> {
    let deadline = Instant::now() + LINK_DEADLINE;
    loop {
        let shown = node.exec("ip", ["-json", "-details", "link", "show"]).await?;
        let links: Vec<Link> = serde_json::from_str(&shown).unwrap_or_default();
        let is_up = |device: &&str| links.iter().any(|link| link.ifname == **device && link.passes_frames());
        match devices.iter().map(AsRef::as_ref).find(|device| !is_up(device)) {
            None => return Ok(()),
            Some(device) if Instant::now() > deadline => {
                let (node, device) = (node.name().to_owned(), device.to_owned());
                return Err(Error::Link { node, device, seconds: LINK_DEADLINE.as_secs() });
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// The kernel takes a second at most when nothing else is going on.
const LINK_DEADLINE: Duration = Duration::from_secs(30);

/// What `ip -json -details link show` says of a device, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Link {
    ifname: String,
    operstate: String,
    #[serde(default)]
    linkinfo: LinkInfo,
}

#[derive(Debug, Default, Deserialize)]
struct LinkInfo {
    info_slave_data: Option<BridgePort>,
}

#[derive(Debug, Deserialize)]
struct BridgePort {
    state: Option<String>,
}

impl Link {
    fn passes_frames(&self) -> bool {
        let state = self.linkinfo.info_slave_data.as_ref().and_then(|port| port.state.as_deref());
        self.operstate == "UP" && state.is_none_or(|state| state == "forwarding")
    }
}

/// Every device that comes and goes would change the host's IPv6 routes, at which `ovs-vswitchd` reads all routes anew; what
/// it translates meanwhile finds none to a tunnel's other end, and is dropped for some milliseconds (seen on OVS 3.1, in its
/// userspace datapath, which does the encapsulation itself).
async fn without_ipv6(host: &Node) -> Result<(), Error> {
    if has_ipv6() {
        host.exec("sh", ["-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"]).await?;
    }
    Ok(())
}

fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// Brings a device up without an IPv6 link-local address: so the kernel sends nothing of its own through it (router
/// solicitations, multicast reports), and a capture shows what the test or the person sent.
pub(crate) fn quiet_up(device: &str) -> Vec<String> {
    let mut lines = vec![format!("link set {device} up")];
    if has_ipv6() {
        lines.insert(0, format!("link set {device} addrgenmode none"));
    }
    lines
}

/// Makes the kernel finish checksums before a frame leaves the device. On a veth it does not, trusting the other end to be
/// a kernel too; but there OVS reads raw frames and carries them into a tunnel as they are.
pub(crate) async fn plain_checksums(node: &Node, device: &str) -> Result<(), Error> {
    node.exec("ethtool", ["-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]).await.map(drop)
}

/// Makes a veth whose ends have different interface numbers, `number` being counted from 1 in each namespace. Where they
/// have the same by chance, the kernel does not see that it is a pair and delays the news of the link by up to a second.
pub(crate) fn veth(device: &str, number: u32, peer: &str, to: &Node) -> String {
    let index = 1_000_000 + number;
    format!("link add {device} index {index} type veth peer name {peer} netns {}", to.namespace())
}
