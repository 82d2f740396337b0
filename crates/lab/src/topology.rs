use std::path::Path;

use crate::{Error, SERVER_ADDRESS, Spec, command};

/// The lab's name for the node that joins all others.
pub(crate) const SWITCH: &str = "switch";
/// The lab's name for the node where the server runs.
pub(crate) const SERVER: &str = "server";

/// Makes the namespaces, the two Linux bridges in the switch and a link from each to every node.
pub(crate) async fn make(spec: &Spec) -> Result<(), Error> {
    let nodes = [SERVER, SWITCH].into_iter().chain(spec.hosts.iter().map(|host| host.name.as_str()));
    let namespaces: Vec<_> = nodes.map(|node| format!("netns add {}", spec.name.namespace(node))).collect();
    command::ip_batch(None, &namespaces).await?;

    let switch = spec.name.namespace(SWITCH);
    let mut in_switch = vec!["link set lo up".to_owned()];
    for bridge in ["br-ul", "br-mg"] {
        in_switch.push(format!("link add {bridge} type bridge"));
        in_switch.extend(quiet_up(bridge));
    }
    let mut in_server = vec!["link set lo up".to_owned(), veth("mg", "mg-server", &switch)];
    in_server.push(format!("address add {SERVER_ADDRESS}/24 dev mg"));
    in_server.extend(quiet_up("mg"));
    in_switch.extend(enslave("mg-server", "br-mg"));
    command::ip_batch(Some(&spec.name.namespace(SERVER)), &in_server).await?;

    for host in &spec.hosts {
        let (ul, mg) = (format!("ul-{}", host.name), format!("mg-{}", host.name));
        let mut in_host = vec!["link set lo up".to_owned(), veth("ul", &ul, &switch), veth("mg", &mg, &switch)];
        in_host.push(format!("address add {}/24 dev mg", host.management));
        in_host.extend(quiet_up("mg"));
        in_host.extend(quiet_up("ul"));
        in_switch.extend(enslave(&ul, "br-ul"));
        in_switch.extend(enslave(&mg, "br-mg"));
        let namespace = spec.name.namespace(host.name.as_str());
        command::ip_batch(Some(&namespace), &in_host).await?;
        plain_checksums(&namespace, "ul").await?;
    }
    command::ip_batch(Some(&switch), &in_switch).await
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
pub(crate) async fn plain_checksums(namespace: &str, device: &str) -> Result<(), Error> {
    let args = ["-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off"];
    command::run(command::in_namespace(namespace, "ethtool", args), None).await.map(drop)
}

fn veth(device: &str, peer: &str, peer_namespace: &str) -> String {
    format!("link add {device} type veth peer name {peer} netns {peer_namespace}")
}

fn enslave(device: &str, bridge: &str) -> Vec<String> {
    let mut lines = vec![format!("link set {device} master {bridge}")];
    lines.extend(quiet_up(device));
    lines
}
