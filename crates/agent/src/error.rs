use std::net::IpAddr;
use std::path::PathBuf;

use thiserror::Error as ThisError;

/// Why the agent cannot start, or had to end.
#[derive(Debug, ThisError)]
pub enum Error {
    #[error("no local_ip: set it to the address on this host at which its tunnels end (--local-ip 10.0.1.31)")]
    NoLocalIp,
    #[error("local_ip {0} cannot be a tunnel endpoint: use an address of the underlay that other hosts reach")]
    LocalIp(IpAddr),
    #[error("no tunnel type: set tunnel_types to gre, vxlan or both")]
    NoTunnelType,
    #[error(
        "arp_responder needs l2_population: without it no host knows the addresses that it would answer for; \
         turn l2_population on or arp_responder off"
    )]
    ResponderWithoutPopulation,
    #[error("\"{0}\" is not a range of local VLANs: write it as 1-4094, within 1 to 4094")]
    LocalVlans(String),
    #[error("integration_bridge and tunnel_bridge are both \"{0}\": they must be two bridges")]
    OneBridge(String),
    #[error("\"{0}\" is no name for a bridge: use 1 to 15 letters, digits, dots, dashes and underscores")]
    BridgeName(String),
    #[error("flood_limit is 0: no broadcast would ever leave this host; use 1 or more (780 on Open vSwitch 3.1)")]
    FloodLimit,
    #[error("`review_interval_ms` must be at least 1: it is the time from one comparison of all flows to the next")]
    ReviewInterval,
    #[error("`report_interval_ms` must be at least 1: it is the time from one sign of life to the next")]
    ReportInterval,
    #[error(
        "no transport_url: control = \"neutron\" needs the cloud's RabbitMQ, as neutron.conf has it \
         (rabbit://USER:PASSWORD@HOST:5672/)"
    )]
    NoTransportUrl,
    #[error(transparent)]
    Oslo(#[from] oslo::Error),
    #[error(transparent)]
    Neutron(#[from] neutron::Error),
    #[error("\"{0}\" is not the address of a server: write host:port, as in 10.0.0.11:9690")]
    Server(String),
    #[error(
        "the stream to {0} would be plain text: only a server on this host may be spoken to so; if the network between is \
         trusted, say so with insecure_server = true (--insecure-server)"
    )]
    PlainServer(String),
    #[error("this host's name cannot be read, or is no host name: set host (--host compute1)")]
    HostName(#[source] Option<model::Error>),
    #[error("cannot read {path}: check that it exists and that the agent may read it")]
    ReadFile { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a static file that the agent understands")]
    ParseFile { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{path}: {reason}")]
    StaticFile { path: PathBuf, reason: String },
    #[error("the host cannot be set up as told")]
    Pipeline(#[from] pipeline::Error),
    #[error("it is no checkpoint, or one of another version's format; the server will say all again")]
    CheckpointFormat,
    #[error("the checkpoint is damaged or was cut short; the server will say all again")]
    CheckpointDamaged,
    #[error("the checkpoint holds what this version cannot read; the server will say all again")]
    CheckpointContent(#[source] sync::Error),
    #[error("the checkpoint is of host {0}: give each host a state_dir of its own")]
    CheckpointOfHost(model::HostName),
    #[error("the checkpoint was written with the other setting of l2_population; the server will say all again")]
    CheckpointOfMode,
    #[error("cannot listen for {0}")]
    Signal(&'static str, #[source] std::io::Error),
}
