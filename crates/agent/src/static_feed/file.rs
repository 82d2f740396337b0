use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use model::{Entry, Generation, HostName, Mac, NetworkId, PortId, Segment, TunnelType};
use serde::Deserialize;
use sync::messages::{Endpoint, NetworkInfo, Wire};

use crate::Error;

/// A static file, parsed: every port and entry names a network that the file describes.
#[derive(Debug, Default)]
pub struct StaticFile {
    pub(super) networks: BTreeMap<NetworkId, NetworkInfo>,
    /// Ports to wire here, by interface id.
    pub(super) ports: BTreeMap<String, Wire>,
    /// Ports on other hosts.
    pub(super) entries: BTreeMap<NetworkId, Vec<Entry>>,
    /// Other hosts, for full-mesh mode.
    pub(super) endpoints: Vec<Endpoint>,
}

impl StaticFile {
    /// Reads a file: JSON if its name ends so, TOML otherwise.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::ReadFile { path: path.into(), source })?;
        let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let raw = if json {
            serde_json::from_str(&text).map_err(Into::into)
        } else {
            toml::from_str(&text).map_err(Into::into)
        };
        let raw: Raw = raw.map_err(|source| Error::ParseFile { path: path.into(), source })?;
        raw.parse().map_err(|reason| Error::StaticFile { path: path.into(), reason })
    }

    #[cfg(test)]
    pub(crate) fn from_toml(text: &str) -> Result<Self, String> {
        toml::from_str::<Raw>(text).map_err(|error| error.to_string())?.parse()
    }
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Raw {
    networks: Vec<RawNetwork>,
    ports: Vec<RawPort>,
    entries: Vec<RawEntry>,
    endpoints: Vec<RawEndpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetwork {
    id: NetworkId,
    #[serde(rename = "type")]
    tunnel_type: TunnelType,
    key: u64,
    mtu: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPort {
    id: PortId,
    network: NetworkId,
    mac: Mac,
    #[serde(default)]
    ips: Vec<IpAddr>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    network: NetworkId,
    port: PortId,
    mac: Mac,
    #[serde(default)]
    ips: Vec<IpAddr>,
    endpoint: IpAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEndpoint {
    host: HostName,
    address: IpAddr,
    tunnel_types: Vec<TunnelType>,
}

/// What an underlay carries unless a network says otherwise.
const UNDERLAY_MTU: u32 = 1500;

impl Raw {
    fn parse(self) -> Result<StaticFile, String> {
        let mut file = StaticFile::default();
        for raw in self.networks {
            let segment =
                Segment::new(raw.tunnel_type, raw.key).map_err(|error| format!("network {}: {error}", raw.id))?;
            let mtu = raw.mtu.unwrap_or(UNDERLAY_MTU - raw.tunnel_type.overhead());
            if file.networks.values().any(|other| other.segment == segment) {
                return Err(format!("network {}: another network has the segment {segment} already", raw.id));
            }
            if file.networks.insert(raw.id, NetworkInfo { network: raw.id, segment, mtu }).is_some() {
                return Err(format!("network {} is there twice", raw.id));
            }
        }
        for RawPort { id: port, network, mac, ips } in self.ports {
            known(&file, network, port)?;
            let wire = Wire { port, network, generation: Generation::ZERO, mac, ips, prepared: false };
            if file.ports.insert(port.to_string(), wire).is_some() {
                return Err(format!("port {port} is there twice"));
            }
        }
        for RawEntry { network, port, mac, ips, endpoint } in self.entries {
            known(&file, network, port)?;
            let entries = file.entries.entry(network).or_default();
            entries.push(Entry { port, mac, ips, endpoint });
        }
        for (network, entries) in &mut file.entries {
            entries.sort_unstable_by_key(|entry| entry.port);
            if let Some(pair) = entries.windows(2).find(|pair| matches!(pair, [a, b] if a.port == b.port)) {
                let port = pair.first().map(|entry| entry.port.to_string()).unwrap_or_default();
                return Err(format!("network {network}: the entry of port {port} is there twice"));
            }
        }
        let endpoint = |RawEndpoint { host, address, tunnel_types }| Endpoint { host, address, tunnel_types };
        file.endpoints = self.endpoints.into_iter().map(endpoint).collect();
        Ok(file)
    }
}

fn known(file: &StaticFile, network: NetworkId, port: PortId) -> Result<(), String> {
    if file.networks.contains_key(&network) {
        Ok(())
    } else {
        Err(format!("port {port} is on network {network}, which the file does not describe"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        StaticFile::from_toml(text).map(|_| ()).expect_err("must be refused")
    }

    #[test]
    fn mistakes_are_named() {
        let network = "[[networks]]\nid = \"00000000-0000-0000-0000-00000000000a\"\ntype = \"vxlan\"\nkey = 7\n";
        assert!(StaticFile::from_toml(network).is_ok());
        assert!(error(&format!("{network}{network}")).contains("already"));
        assert!(error(&network.replace("key = 7", "key = 16777216")).contains("16777215"));
        assert!(error(&network.replace("key", "vni")).contains("vni"));
        let port = "[[ports]]\nid = \"00000000-0000-0000-0000-000000000001\"\nmac = \"fa:16:3e:00:00:01\"\n\
                    network = \"00000000-0000-0000-0000-00000000000b\"\n";
        assert!(error(&format!("{network}{port}")).contains("does not describe"));
    }
}
