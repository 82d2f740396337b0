//! What the session asks a neutron-server, as requests; and what it answers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use model::{NetworkId, PortId, TunnelType};
use oslo::address::{Destination, Name};
use oslo::codec::{Context, Request};
use oslo::object::{self, Object};
use oslo::{Json, Version};
use serde::{Deserialize, Serialize};

use crate::facts::{NetworkFacts, PortFacts};
use crate::identity::{Identity, NETWORK_VERSION, PORT_VERSION};
use crate::{Error, time};

/// A call. Each is its own question: it is asked again until it is answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// "This agent is alive"; the server answers whether it knew. `start`: the process has not said it before.
    Alive {
        start: bool,
        devices: usize,
    },
    /// "My tunnels of this type end here"; the server answers where all others' do.
    Endpoints(TunnelType),
    /// Ports by their ids.
    Ports(Vec<PortId>),
    Network(NetworkId),
    /// All ports of a network.
    Members(NetworkId),
    /// Ports that are wired, and that are not any more. `refresh`: the server is to send all entries of their networks.
    Devices {
        up: Vec<PortId>,
        down: Vec<PortId>,
        refresh: bool,
    },
}

/// What a request needs beside what it says.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// Microseconds since 1970, UTC.
    pub micros: u64,
    /// As in `req-88325e0f-d7a9-4b09-87fc-8292f60a7b56`; new with each request.
    pub request_id: String,
}

const PLUGIN: &str = "q-plugin";
const REPORTS: &str = "q-reports-plugin";

#[derive(Serialize)]
struct AliveArgs<'a> {
    agent_state: Wrapped<'a>,
    time: String,
}

#[derive(Serialize)]
struct Wrapped<'a> {
    agent_state: crate::identity::AgentState<'a>,
}

#[derive(Serialize)]
struct TunnelArgs<'a> {
    tunnel_ip: IpAddr,
    tunnel_type: TunnelType,
    host: &'a str,
}

#[derive(Serialize)]
struct PullArgs {
    resource_type: &'static str,
    version: Version,
    filter_kwargs: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Serialize)]
struct DevicesArgs<'a> {
    devices_up: &'a [PortId],
    devices_down: &'a [PortId],
    agent_id: String,
    host: &'a str,
    refresh_tunnels: bool,
}

impl Ask {
    /// How long an answer may take at first: what stock agents grant.
    pub fn patience(&self) -> Duration {
        match self {
            Ask::Alive { .. } => Duration::from_secs(30),
            _ => Duration::from_mins(1),
        }
    }

    /// As oslo.messaging sends it, and to whom.
    pub fn request(&self, identity: &Identity, stamp: &Stamp) -> Result<(Destination, Request), Error> {
        let host = identity.host.as_str();
        let pull = |resource_type, version, key, ids: Vec<String>| {
            Json::of(&PullArgs { resource_type, version, filter_kwargs: BTreeMap::from([(key, ids)]) })
        };
        let (topic, method, version, args) = match self {
            Ask::Alive { start, devices } => {
                let agent_state = Wrapped { agent_state: identity.state(*start, *devices) };
                let args = AliveArgs { agent_state, time: time::text(stamp.micros, 'T') };
                (REPORTS, "report_state", Version::new(1, 2), Json::of(&args))
            }
            Ask::Endpoints(tunnel_type) => {
                let args = TunnelArgs { tunnel_ip: identity.local_ip, tunnel_type: *tunnel_type, host };
                (PLUGIN, "tunnel_sync", Version::new(1, 4), Json::of(&args))
            }
            Ask::Ports(ids) => {
                let ids = ids.iter().map(ToString::to_string).collect();
                (PLUGIN, "bulk_pull", Version::new(1, 1), pull("Port", PORT_VERSION, "id", ids))
            }
            Ask::Network(id) => {
                let args = pull("Network", NETWORK_VERSION, "id", vec![id.to_string()]);
                (PLUGIN, "bulk_pull", Version::new(1, 1), args)
            }
            Ask::Members(id) => {
                let args = pull("Port", PORT_VERSION, "network_id", vec![id.to_string()]);
                (PLUGIN, "bulk_pull", Version::new(1, 1), args)
            }
            Ask::Devices { up, down, refresh } => {
                let args = DevicesArgs {
                    devices_up: up,
                    devices_down: down,
                    agent_id: identity.agent_id(),
                    host,
                    refresh_tunnels: *refresh,
                };
                (PLUGIN, "update_device_list", Version::new(1, 5), Json::of(&args))
            }
        };
        let request = Request {
            method: method.to_owned(),
            args: args?,
            namespace: None,
            version: Some(version),
            reply_to: None,
            unique_id: None,
            context: Context::of_service(&stamp.request_id, &time::text(stamp.micros, ' '))?,
        };
        Ok((Destination::Topic(Name::new(topic)?), request))
    }
}

#[derive(Debug, Deserialize)]
struct Tunnels {
    tunnels: Vec<Tunnel>,
}

/// One of `tunnel_sync`'s answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Tunnel {
    #[serde(rename = "ip_address")]
    pub(crate) address: IpAddr,
    /// Older servers have endpoints without one.
    pub(crate) host: Option<String>,
}

/// Ports of which the server could not take what it was told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Devices {
    pub(crate) failed_devices_up: Vec<PortId>,
    pub(crate) failed_devices_down: Vec<PortId>,
}

/// `new`, `alive` or `revived`; null if the server takes no account of it.
pub(crate) fn alive(answer: &Json) -> Result<Option<String>, Error> {
    Ok(answer.read()?)
}

pub(crate) fn tunnels(answer: &Json) -> Result<Vec<Tunnel>, Error> {
    Ok(answer.read::<Tunnels>()?.tunnels)
}

pub(crate) fn ports(answer: &Json) -> Result<Vec<PortFacts>, Error> {
    answer.read::<Vec<Json>>()?.iter().map(port).collect()
}

pub(crate) fn port(primitive: &Json) -> Result<PortFacts, Error> {
    PortFacts::of(&object::Port::read(primitive)?.0)
}

/// None: there is no such network.
pub(crate) fn network(answer: &Json) -> Result<Option<NetworkFacts>, Error> {
    let primitives = answer.read::<Vec<Json>>()?;
    primitives.first().map(|primitive| NetworkFacts::of(&object::Network::read(primitive)?.0)).transpose()
}

pub(crate) fn devices(answer: &Json) -> Result<Devices, Error> {
    Ok(answer.read()?)
}
