use std::path::Path;

use crate::{Error, Lab, Node, SERVER_ADDRESS};

/// The lab's name for the node that joins all others.
pub(crate) const SWITCH: &str = "switch";
/// The lab's name for the node where the server runs.
pub(crate) const SERVER: &str = "server";

/// Makes the namespaces, the two Linux bridges in the switch and a link from each to every node.
pub(crate) async fn make(lab: &Lab) -> Result<(), Error> {
    let (switch, server) = (lab.switch(), lab.server());
    let mut in_switch = Vec::new();
    for bridge in ["br-ul", "br-mg"] {
        in_switch.push(format!("link add {bridge} type bridge"));
        in_switch.extend(quiet_up(bridge));
    }
    switch.create().await?;

    server.create().await?;
    let mut in_server = vec![veth("mg", "mg-server", &switch), format!("address add {SERVER_ADDRESS}/24 dev mg")];
    in_server.extend(quiet_up("mg"));
    in_switch.extend(enslave("mg-server", "br-mg"));
    server.ip(&in_server).await?;

    for host in lab.hosts() {
        host.create().await?;
        let (ul, mg) = (format!("ul-{}", host.name()), format!("mg-{}", host.name()));
        let mut in_host = vec![veth("ul", &ul, &switch), veth("mg", &mg, &switch)];
        in_host.push(format!("address add {}/24 dev mg", host.management()));
        in_host.extend(quiet_up("mg"));
        in_host.extend(quiet_up("ul"));
        in_switch.extend(enslave(&ul, "br-ul"));
        in_switch.extend(enslave(&mg, "br-mg"));
        host.ip(&in_host).await?;
        plain_checksums(&host, "ul").await?;
    }
    switch.ip(&in_switch).await
}

/// Brings a device up without an IPv6 link-local address: so the kernel sends nothing of its own through it (router
/// solicitations, multicast reports), and a capture shows what the test or the person sent.
pub(crate) fn quiet_up(device: &str) -> Vec<String> {
    let mut lines = vec![format!("link set {device} up")];
    if Path::new("/proc/sys/net/ipv6").exists() {
        lines.insert(0, format!("link set {device} addrgenmode none"));
    }
    lines
}

/// Makes the kernel finish checksums before a frame leaves the device. On a veth it does not, trusting the other end to be
/// a kernel too; but there OVS reads raw frames and carries them into a tunnel as they are.
pub(crate) async fn plain_checksums(node: &Node, device: &str) -> Result<(), Error> {
    node.exec("ethtool", ["-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]).await.map(drop)
}

fn veth(device: &str, peer: &str, to: &Node) -> String {
    format!("link add {device} type veth peer name {peer} netns {}", to.namespace())
}

fn enslave(device: &str, bridge: &str) -> Vec<String> {
    let mut lines = vec![format!("link set {device} master {bridge}")];
    lines.extend(quiet_up(device));
    lines
}
