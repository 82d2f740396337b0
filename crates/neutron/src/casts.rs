//! What neutron-server says without being asked.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{Mac, NetworkId, PortId, TunnelType};
use oslo::Json;
use oslo::address::{Addressing, Name, Subscription};
use oslo::codec::Request;
use oslo::object::{self, Object};
use serde::Deserialize;
use uuid::Uuid;

use crate::facts::{self, NetworkFacts, PortFacts};
use crate::identity::{NETWORK_VERSION, PORT_VERSION};
use crate::{Error, ask};

/// `[MAC, IP]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "(String, String)")]
pub(crate) struct Pair(pub(crate) Mac, pub(crate) IpAddr);

impl TryFrom<(String, String)> for Pair {
    type Error = Error;

    fn try_from((mac, ip): (String, String)) -> Result<Self, Error> {
        let parsed = mac.parse().ok().zip(ip.parse().ok());
        parsed.map(|(mac, ip)| Pair(mac, ip)).ok_or_else(|| Error::Pair(format!("[{mac}, {ip}]")))
    }
}

/// Entries by the endpoint behind which they are.
pub(crate) type Pairs = BTreeMap<IpAddr, Vec<Pair>>;

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Changed {
    pub(crate) before: Vec<Pair>,
    pub(crate) after: Vec<Pair>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Cast {
    Add(BTreeMap<NetworkId, Pairs>),
    Remove(BTreeMap<NetworkId, Pairs>),
    Change(BTreeMap<NetworkId, BTreeMap<IpAddr, Changed>>),
    Port(PortFacts),
    PortGone(PortId),
    Network(NetworkFacts),
    Tunnel {
        tunnel_type: TunnelType,
        address: IpAddr,
        gone: bool,
    },
    /// Nothing that concerns this agent.
    Other,
}

#[derive(Deserialize)]
struct Fdb<T> {
    fdb_entries: T,
}

#[derive(Deserialize)]
struct Ports {
    ports: Pairs,
}

#[derive(Deserialize)]
struct Changes {
    #[serde(default)]
    chg_ip: BTreeMap<NetworkId, BTreeMap<IpAddr, Changed>>,
}

#[derive(Deserialize)]
struct Push {
    resource_list: Vec<Json>,
    event_type: String,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "versioned_object.name")]
    name: String,
}

#[derive(Deserialize)]
struct TunnelArgs {
    tunnel_ip: IpAddr,
    tunnel_type: String,
}

impl Cast {
    pub(crate) fn parse(request: &Request) -> Result<Vec<Cast>, Error> {
        let ports = |request: &Request| -> Result<BTreeMap<NetworkId, Pairs>, Error> {
            let fdb: Fdb<BTreeMap<NetworkId, Ports>> = request.args()?;
            Ok(fdb.fdb_entries.into_iter().map(|(network, ports)| (network, ports.ports)).collect())
        };
        Ok(vec![match request.method.as_str() {
            "add_fdb_entries" => Cast::Add(ports(request)?),
            "remove_fdb_entries" => Cast::Remove(ports(request)?),
            "update_fdb_entries" => Cast::Change(request.args::<Fdb<Changes>>()?.fdb_entries.chg_ip),
            "tunnel_update" | "tunnel_delete" => {
                let TunnelArgs { tunnel_ip, tunnel_type } = request.args()?;
                let gone = request.method == "tunnel_delete";
                let tunnel = |tunnel_type| Cast::Tunnel { tunnel_type, address: tunnel_ip, gone };
                tunnel_type.parse().map_or(Cast::Other, tunnel)
            }
            "push" => {
                let Push { resource_list, event_type } = request.args()?;
                return resource_list.iter().map(|primitive| pushed(primitive, event_type == "deleted")).collect();
            }
            _ => Cast::Other,
        }])
    }
}

fn pushed(primitive: &Json, deleted: bool) -> Result<Cast, Error> {
    Ok(match (primitive.read::<Named>()?.name.as_str(), deleted) {
        ("Port", false) => Cast::Port(ask::port(primitive)?),
        ("Port", true) => Cast::PortGone(PortId(facts::id(&object::Port::read(primitive)?.0.id)?)),
        ("Network", false) => Cast::Network(NetworkFacts::of(&object::Network::read(primitive)?.0)?),
        _ => Cast::Other,
    })
}

const L2_POPULATION: &str = "q-agent-notifier-l2population-update";
const TUNNEL_UPDATE: &str = "q-agent-notifier-tunnel-update";
const TUNNEL_DELETE: &str = "q-agent-notifier-tunnel-delete";

/// The queues that a stock agent consumes from for all this: for each topic the one that it shares with all agents, its own, and
/// one for fanouts, whose name comes from `id`.
pub fn subscriptions(
    addressing: &Addressing,
    host: &str,
    mut id: impl FnMut() -> Uuid,
) -> Result<Vec<Subscription>, Error> {
    let host = Name::new(host)?;
    let notifiers = [L2_POPULATION, TUNNEL_UPDATE, TUNNEL_DELETE].into_iter().map(Name::new);
    let pushes = [object::Port::topic(PORT_VERSION), object::Network::topic(NETWORK_VERSION)];
    let mut subscriptions = Vec::new();
    for topic in notifiers.chain(pushes) {
        let topic = topic?;
        subscriptions.extend([
            addressing.topic(&topic),
            addressing.server(&topic, &host),
            addressing.fanout(&topic, id()),
        ]);
    }
    Ok(subscriptions)
}
