//! What an operator sets, and the same parsed into what the agent works with.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use model::{HostName, LocalVlan, TunnelType};
use oslo::address::{Addressing, Name};
use oslo::transport::Broker;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::static_feed::StaticFile;

/// `control_exchange` of all of Neutron's processes.
const EXCHANGE: &str = "neutron";

/// The agent's settings as file, environment and flags give them; every name is the same in all three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// Who says what this host is to wire.
    pub control: Control,
    /// Where the server takes agents: `host:port`.
    pub server: String,
    /// Permits a plain-text stream to a server that is not on this host.
    pub insecure_server: bool,
    /// This host's tunnel endpoint: an address of the underlay.
    pub local_ip: Option<IpAddr>,
    /// The name under which ports are bound to this host (`binding:host_id`); default: the host's own name.
    pub host: Option<HostName>,
    pub tunnel_types: Vec<TunnelType>,
    /// Off: a full mesh of tunnels and learning only.
    pub l2_population: bool,
    pub arp_responder: bool,
    pub integration_bridge: String,
    pub tunnel_bridge: String,
    /// Of both bridges; default: what a bridge that is there has, and `system` where there is none.
    pub datapath_type: Option<DatapathType>,
    /// The socket of `ovsdb-server`.
    pub ovsdb: PathBuf,
    /// Where Open vSwitch keeps the sockets of its bridges (`<bridge>.mgmt`).
    pub ovs_rundir: PathBuf,
    /// Local VLANs that may be given to networks: `first-last`.
    pub local_vlans: String,
    /// Outputs of one flood list that the datapath really serves.
    pub flood_limit: usize,
    /// How often all flows are read and compared, though nobody has told of a change; in milliseconds.
    pub review_interval_ms: u64,
    pub run_dir: PathBuf,
    /// Where the checkpoint lies: what the agent knows, for the next time it starts.
    pub state_dir: PathBuf,
    /// Networks, ports and entries from this file in place of a server.
    pub static_file: Option<PathBuf>,
    /// The cloud's RabbitMQ, as in `neutron.conf`, under `control = "neutron"`; and so are the three that follow.
    pub transport_url: Option<String>,
    pub amqp_durable_queues: bool,
    pub rabbit_quorum_queue: bool,
    pub rabbit_transient_quorum_queue: bool,
    /// How often Neutron is told that this agent is alive, in milliseconds.
    pub report_interval_ms: u64,
}

/// Who says what a host is to wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// `culvert server`.
    Culvert,
    /// A stock neutron-server.
    Neutron,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            control: Control::Culvert,
            server: "127.0.0.1:9690".to_owned(),
            insecure_server: false,
            local_ip: None,
            host: None,
            tunnel_types: TunnelType::ALL.to_vec(),
            l2_population: true,
            arp_responder: true,
            integration_bridge: "br-int".to_owned(),
            tunnel_bridge: "br-tun".to_owned(),
            datapath_type: None,
            ovsdb: "/var/run/openvswitch/db.sock".into(),
            ovs_rundir: "/var/run/openvswitch".into(),
            local_vlans: "1-4094".to_owned(),
            flood_limit: 780,
            review_interval_ms: 300_000,
            run_dir: "/run/culvert".into(),
            state_dir: "/var/lib/culvert".into(),
            static_file: None,
            transport_url: None,
            amqp_durable_queues: false,
            rabbit_quorum_queue: false,
            rabbit_transient_quorum_queue: false,
            report_interval_ms: 30_000,
        }
    }
}

/// Who forwards: the kernel's module, or `ovs-vswitchd` itself (`Bridge.datapath_type` in ovs-vswitchd.conf.db(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatapathType {
    System,
    Netdev,
}

impl DatapathType {
    pub const fn as_str(self) -> &'static str {
        match self {
            DatapathType::System => "system",
            DatapathType::Netdev => "netdev",
        }
    }

    /// Whether this is what a bridge's column says, in which `system` may be written as nothing at all.
    pub(crate) fn is(self, column: &str) -> bool {
        column == self.as_str() || self == DatapathType::System && column.is_empty()
    }
}

impl fmt::Display for DatapathType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Settings that make sense together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub source: Source,
    pub local_ip: IpAddr,
    pub host: HostName,
    pub tunnel_types: Vec<TunnelType>,
    pub l2_population: bool,
    pub arp_responder: bool,
    pub integration_bridge: String,
    pub tunnel_bridge: String,
    /// `None`: as the bridges have it.
    pub datapath_type: Option<DatapathType>,
    pub ovsdb: PathBuf,
    pub ovs_rundir: PathBuf,
    pub local_vlans: (LocalVlan, LocalVlan),
    pub flood_limit: usize,
    pub review_interval: Duration,
    pub run_dir: PathBuf,
    pub state_dir: PathBuf,
}

/// Who says what this host is to wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A server at `host:port`.
    Server(String),
    Neutron(Neutron),
    StaticFile(PathBuf),
}

/// How a stock neutron-server is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neutron {
    pub brokers: Vec<Broker>,
    pub addressing: Addressing,
    pub report_interval: Duration,
}

impl Config {
    /// Whether what the settings name can be used, as far as that is known before the agent runs.
    pub fn check(&self) -> Result<(), Error> {
        match &self.source {
            Source::Server(_) | Source::Neutron(_) => Ok(()),
            Source::StaticFile(path) => StaticFile::read(path).map(drop),
        }
    }

    /// The file that holds what the server has said; none if no server says anything.
    pub(crate) fn checkpoint(&self) -> Option<PathBuf> {
        match self.source {
            Source::Server(_) | Source::Neutron(_) => Some(self.state_dir.join("agent.checkpoint")),
            Source::StaticFile(_) => None,
        }
    }
}

impl Settings {
    /// Checks each setting and what they mean together.
    ///
    /// `own_name` is the host's own name, for when `host` is not set.
    pub fn parse(self, own_name: Option<&str>) -> Result<Config, Error> {
        let local_ip = self.local_ip.ok_or(Error::NoLocalIp)?;
        if local_ip.is_unspecified() || local_ip.is_multicast() || local_ip.is_loopback() || is_broadcast(local_ip) {
            return Err(Error::LocalIp(local_ip));
        }
        let host = match self.host {
            Some(host) => host,
            None => own_name.ok_or(Error::HostName(None))?.parse().map_err(|source| Error::HostName(Some(source)))?,
        };
        let mut tunnel_types = self.tunnel_types;
        tunnel_types.sort_unstable();
        tunnel_types.dedup();
        if tunnel_types.is_empty() {
            return Err(Error::NoTunnelType);
        }
        if self.arp_responder && !self.l2_population {
            return Err(Error::ResponderWithoutPopulation);
        }
        for bridge in [&self.integration_bridge, &self.tunnel_bridge] {
            check_bridge_name(bridge)?;
        }
        if self.integration_bridge == self.tunnel_bridge {
            return Err(Error::OneBridge(self.tunnel_bridge));
        }
        if self.flood_limit == 0 {
            return Err(Error::FloodLimit);
        }
        if self.review_interval_ms == 0 {
            return Err(Error::ReviewInterval);
        }
        if self.report_interval_ms == 0 {
            return Err(Error::ReportInterval);
        }
        let source = match self.static_file {
            Some(path) => Source::StaticFile(path),
            None if self.control == Control::Neutron => Source::Neutron(Neutron {
                brokers: Broker::parse_url(&self.transport_url.ok_or(Error::NoTransportUrl)?)?,
                addressing: Addressing {
                    durable: self.amqp_durable_queues,
                    quorum: self.rabbit_quorum_queue,
                    transient_quorum: self.rabbit_transient_quorum_queue,
                    ..Addressing::new(Name::new(EXCHANGE)?)
                },
                report_interval: Duration::from_millis(self.report_interval_ms),
            }),
            None => Source::Server(check_server(self.server, self.insecure_server)?),
        };
        Ok(Config {
            source,
            local_ip,
            host,
            tunnel_types,
            l2_population: self.l2_population,
            arp_responder: self.arp_responder,
            integration_bridge: self.integration_bridge,
            tunnel_bridge: self.tunnel_bridge,
            datapath_type: self.datapath_type,
            ovsdb: self.ovsdb,
            ovs_rundir: self.ovs_rundir,
            local_vlans: parse_vlans(&self.local_vlans)?,
            flood_limit: self.flood_limit,
            review_interval: Duration::from_millis(self.review_interval_ms),
            run_dir: self.run_dir,
            state_dir: self.state_dir,
        })
    }
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())
}

/// A bridge's name becomes an interface's and a socket's: the kernel's bound of 15, and no slash.
fn check_bridge_name(name: &str) -> Result<(), Error> {
    let clean = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let dots = name == "." || name == "..";
    if clean && !dots && (1..=15).contains(&name.len()) { Ok(()) } else { Err(Error::BridgeName(name.to_owned())) }
}

/// Until TLS comes the stream is plain: loopback, or a network that the operator declares trusted.
fn check_server(server: String, insecure: bool) -> Result<String, Error> {
    let Some((host, port)) = server.rsplit_once(':') else { return Err(Error::Server(server)) };
    if host.is_empty() || port.parse::<u16>().map_or(true, |port| port == 0) {
        return Err(Error::Server(server));
    }
    let loopback = match server.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => host == "localhost",
    };
    if loopback || insecure { Ok(server) } else { Err(Error::PlainServer(server)) }
}

fn parse_vlans(text: &str) -> Result<(LocalVlan, LocalVlan), Error> {
    let bad = || Error::LocalVlans(text.to_owned());
    let tag = |part: &str| part.trim().parse().ok().and_then(|tag| LocalVlan::new(tag).ok()).ok_or_else(bad);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (tag(first)?, tag(last)?);
    if first <= last { Ok((first, last)) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { local_ip: Some(IpAddr::from([10, 0, 1, 31])), ..Settings::default() }
    }

    fn error(settings: Settings) -> String {
        settings.parse(Some("compute1")).map(|_| ()).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_defaults_need_only_a_local_ip() {
        let config = settings().parse(Some("compute1")).expect("the defaults are sound");
        assert_eq!(config.host.as_str(), "compute1");
        assert_eq!(config.local_vlans, (LocalVlan::MIN, LocalVlan::MAX));
        assert!(error(Settings::default()).contains("local_ip"));
    }

    #[test]
    fn a_responder_without_population_is_refused_with_the_reason() {
        assert!(error(Settings { l2_population: false, ..settings() }).contains("arp_responder needs l2_population"));
        let both_off = Settings { l2_population: false, arp_responder: false, ..settings() };
        assert!(both_off.parse(Some("compute1")).is_ok());
    }

    #[test]
    fn a_plain_stream_leaves_the_host_only_if_told_so() {
        let remote = Settings { server: "10.0.0.11:9690".to_owned(), ..settings() };
        assert!(error(remote.clone()).contains("insecure_server"));
        assert!(Settings { insecure_server: true, ..remote }.parse(Some("compute1")).is_ok());
        for local in ["[::1]:9690", "localhost:9690", "127.0.0.1:9690"] {
            assert!(Settings { server: local.to_owned(), ..settings() }.parse(Some("compute1")).is_ok(), "{local}");
        }
        assert!(error(Settings { server: "nowhere".to_owned(), ..settings() }).contains("host:port"));
    }

    #[test]
    fn neutron_needs_a_broker() {
        let neutron = Settings { control: Control::Neutron, ..settings() };
        assert!(error(neutron.clone()).contains("transport_url"));
        let bad = Settings { transport_url: Some("amqp://u:secret@h".to_owned()), ..neutron.clone() };
        assert!(error(bad.clone()).contains("rabbit://") && !error(bad).contains("secret"));
        let good = Settings { transport_url: Some("rabbit://u:p@h1,u:p@h2/".to_owned()), ..neutron };
        let Ok(Config { source: Source::Neutron(neutron), .. }) = good.parse(Some("compute1")) else {
            panic!("a broker is all it needs")
        };
        assert_eq!(neutron.brokers.len(), 2);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for vlans in ["0-5", "9-1", "1-4095", "x"] {
            assert!(error(Settings { local_vlans: vlans.to_owned(), ..settings() }).contains("local VLANs"), "{vlans}");
        }
        for ip in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
            let bad = Settings { local_ip: ip.parse().ok(), ..settings() };
            assert!(error(bad).contains("tunnel endpoint"), "{ip}");
        }
        assert!(error(Settings { tunnel_bridge: "../x".to_owned(), ..settings() }).contains("bridge"));
        assert!(error(Settings { tunnel_bridge: "br-int".to_owned(), ..settings() }).contains("two bridges"));
    }

    #[test]
    fn unknown_names_are_errors() {
        let read = |json: &str| serde_json::from_str::<Settings>(json).map(|settings| settings.tunnel_types);
        assert_eq!(read(r#"{"tunnel_types": ["gre"]}"#).ok(), Some(vec![TunnelType::Gre]));
        assert!(read(r#"{"tunnel_types": ["stt"]}"#).is_err());
        assert!(read(r#"{"tunel_types": ["gre"]}"#).is_err());
    }
}
