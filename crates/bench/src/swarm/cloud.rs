//! Networks and ports of a cloud, made over REST, and what each host must hold of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use directory::Sum;
use model::{Entry, NetworkId, PortId};
use serde_json::{Value, json};

use super::{Size, endpoint};
use crate::rest::{Api, create};

/// Ports of one request.
const BULK: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Cloud {
    /// Each with the hosts that have a port on it.
    pub(super) networks: Vec<(NetworkId, BTreeSet<usize>)>,
    pub(super) ports: BTreeMap<PortId, Port>,
}

#[derive(Debug)]
pub(super) struct Port {
    pub(super) network: usize,
    pub(super) host: usize,
    entry: Entry,
}

impl Cloud {
    /// One network with a port on every host, some with one on each of 30, and the rest skewed as real clouds are: the n-th
    /// largest has 1/n of what the largest has.
    pub(super) async fn create(api: &Api, size: Size, mut random: impl FnMut(usize) -> usize) -> anyhow::Result<Cloud> {
        let mut plan: Vec<Vec<usize>> = vec![(0..size.hosts).collect()];
        for _ in 0..size.of_thirty {
            let mut hosts = BTreeSet::new();
            while hosts.len() < 30 {
                hosts.insert(random(size.hosts));
            }
            plan.push(hosts.into_iter().collect());
        }
        let left = size.ports.saturating_sub(plan.iter().map(Vec::len).sum());
        let others = size.networks.saturating_sub(plan.len()).max(1);
        let whole: f64 = (1..=others).map(|n| 1.0 / n as f64).sum();
        for n in 1..=others {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a number of ports")]
            let ports = ((left as f64 / whole / n as f64) as usize).max(1);
            plan.push((0..ports).map(|_| random(size.hosts)).collect());
        }
        let mut cloud = Cloud::default();
        for hosts in &plan {
            let network = create(&api.client, &api.url, "network", json!({})).await?["id"].take();
            let subnet = json!({ "network_id": network, "ip_version": 4, "cidr": "10.0.0.0/8", "enable_dhcp": false });
            create(&api.client, &api.url, "subnet", subnet).await?;
            let id = NetworkId(text(&network)?.parse()?);
            cloud.networks.push((id, hosts.iter().copied().collect()));
        }
        let wanted: Vec<(usize, usize)> = plan
            .iter()
            .enumerate()
            .flat_map(|(network, hosts)| hosts.iter().map(move |host| (network, *host)))
            .collect();
        for bulk in wanted.chunks(BULK) {
            cloud.add(api, bulk).await?;
        }
        Ok(cloud)
    }

    async fn add(&mut self, api: &Api, wanted: &[(usize, usize)]) -> anyhow::Result<()> {
        let port = |(network, host): &(usize, usize)| {
            let network = self.networks.get(*network).map(|(id, _)| id.to_string());
            json!({ "network_id": network, "binding:host_id": format!("host{host}") })
        };
        let body = json!({ "ports": wanted.iter().map(port).collect::<Vec<_>>() });
        let response = api.client.post(format!("{}/ports", api.url)).json(&body).send().await?;
        let made: Value = response.error_for_status()?.json().await?;
        let made = made["ports"].as_array().context("no ports in the answer")?;
        for ((network, host), port) in wanted.iter().zip(made) {
            let id = PortId(text(&port["id"])?.parse()?);
            let entry = Entry {
                port: id,
                mac: text(&port["mac_address"])?.parse()?,
                ips: vec![text(&port["fixed_ips"][0]["ip_address"])?.parse()?],
                endpoint: endpoint(u32::try_from(*host)?).into(),
            };
            self.ports.insert(id, Port { network: *network, host: *host, entry });
        }
        Ok(())
    }

    /// Gives a port another address; the time of the answer is the caller's to take.
    pub(super) async fn readdress(&mut self, api: &Api, id: PortId, ip: &str) -> anyhow::Result<()> {
        let body = json!({ "port": { "fixed_ips": [{ "ip_address": ip }] } });
        let response = api.client.put(format!("{}/ports/{id}", api.url)).json(&body).send().await?;
        response.error_for_status()?.bytes().await?;
        self.ports.get_mut(&id).context("no such port")?.entry.ips = vec![ip.parse()?];
        Ok(())
    }

    pub(super) fn ports_of_host(&self, host: usize) -> Vec<PortId> {
        self.ports.iter().filter(|(_, port)| port.host == host).map(|(id, _)| *id).collect()
    }

    /// What a host must hold: of each network that it has a port on, all entries but its own.
    pub(super) fn expected(&self, hosts: usize) -> Vec<BTreeMap<NetworkId, Sum>> {
        let mut of_network: Vec<Vec<(usize, &Entry)>> = vec![Vec::new(); self.networks.len()];
        for port in self.ports.values() {
            of_network[port.network].push((port.host, &port.entry));
        }
        let mut expected = vec![BTreeMap::new(); hosts];
        for ((id, interested), entries) in self.networks.iter().zip(&of_network) {
            for host in interested {
                let others = entries.iter().filter(|(at, _)| at != host).map(|(_, entry)| *entry);
                expected[*host].insert(*id, Sum::of(others));
            }
        }
        expected
    }
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().with_context(|| format!("{value} is not a text"))
}
