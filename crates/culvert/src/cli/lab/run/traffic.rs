//! Frames: who reaches whom, and what crosses the underlay for it.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use futures::future::try_join_all;
use lab::{Encapsulated, Lab, encapsulated};
use model::Segment;

use super::networks::{Network, Port};

/// Echo requests from one VM to another.
const PINGS: u32 = 3;

/// Pings every pair of each network both ways, from empty ARP caches; what of it crossed the underlay, in tunnels.
pub(super) async fn within(lab: &Lab, networks: &[Network]) -> anyhow::Result<Vec<Encapsulated>> {
    let ports = || networks.iter().flat_map(|network| &network.ports);
    for port in ports() {
        lab.vm(port.name)?.exec("ip", ["neighbour", "flush", "dev", "eth0"]).await?;
    }
    let hosts = lab.hosts();
    let captures = try_join_all(hosts.iter().map(|host| host.capture_underlay(""))).await?;
    let pairs = networks.iter().flat_map(|network| ordered_pairs(&network.ports, &network.ports));
    let answers = try_join_all(pairs.map(|(from, to)| ping(lab, from, to, PINGS))).await?;
    let mut frames = Vec::new();
    for (host, capture) in hosts.iter().zip(captures) {
        // Each frame passes two hosts' links: counted where it leaves.
        let passed = encapsulated(&capture.stop().await?);
        frames.extend(passed.into_iter().filter(|frame| frame.from == host.endpoint()));
    }
    for Answers { from, to, received } in answers {
        ensure!(received == PINGS, "{from} got {received} of {PINGS} answers from {to}, of the same network");
    }
    Ok(frames)
}

/// Frames per segment; an error if a frame is in another network's tunnel than its sender's and receiver's, or if one of
/// the networks had none.
pub(super) fn check_segments(
    networks: &[Network],
    frames: &[Encapsulated],
) -> anyhow::Result<BTreeMap<Segment, usize>> {
    let mut counts: BTreeMap<Segment, usize> = networks.iter().map(|network| (network.segment, 0)).collect();
    for frame in frames {
        let segment = Segment { tunnel_type: frame.tunnel_type, key: frame.key };
        let Some(network) = networks.iter().find(|network| network.segment == segment) else {
            bail!("a frame crossed the underlay as {segment}, which is no network's");
        };
        if let Some((from, to)) = frame.macs() {
            let of_network = |mac| network.ports.iter().any(|port| port.mac == mac);
            let right = of_network(from) && (to.is_multicast() || of_network(to));
            ensure!(
                right,
                "a frame from {from} to {to} crossed the underlay as {segment}, which is not their network's"
            );
        }
        *counts.entry(segment).or_default() += 1;
    }
    for (segment, count) in &counts {
        ensure!(*count > 0, "no frame crossed the underlay as {segment}: what answered the pings?");
    }
    Ok(counts)
}

pub(super) fn arp_requests(frames: &[Encapsulated]) -> usize {
    frames.iter().filter(|frame| frame.is_arp_request()).count()
}

/// Pings from every VM every address that only another network has; how many were tried. An answer is an error.
pub(super) async fn between(lab: &Lab, networks: &[Network]) -> anyhow::Result<usize> {
    let mut tries = Vec::new();
    for (index, one) in networks.iter().enumerate() {
        for other in networks.iter().skip(index + 1) {
            tries.extend(ordered_pairs(&one.ports, &other.ports));
            tries.extend(ordered_pairs(&other.ports, &one.ports));
        }
    }
    // An address that both networks have is answered by its own network's.
    let has = |network: &Network, ip| network.ports.iter().any(|port| port.ip == ip);
    let own = |port: &Port| networks.iter().find(|network| network.ports.iter().any(|own| own.name == port.name));
    tries.retain(|(from, to)| own(from).is_some_and(|network| !has(network, to.ip)));
    let answers = try_join_all(tries.iter().map(|(from, to)| ping(lab, from, to, 1))).await?;
    match answers.iter().find(|answers| answers.received > 0) {
        Some(Answers { from, to, .. }) => bail!("{from} reached {to}, which is of another network"),
        None => Ok(answers.len()),
    }
}

struct Answers {
    from: &'static str,
    to: &'static str,
    received: u32,
}

async fn ping(lab: &Lab, from: &Port, to: &Port, count: u32) -> anyhow::Result<Answers> {
    let received = lab.vm(from.name)?.ping(to.ip, count).await?.received;
    Ok(Answers { from: from.name, to: to.name, received })
}

fn ordered_pairs<'a>(from: &'a [Port], to: &'a [Port]) -> Vec<(&'a Port, &'a Port)> {
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (from, to)));
    pairs.filter(|(from, to)| from.name != to.name).collect()
}
