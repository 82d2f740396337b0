//! What is sent to a host, in the form that Neutron's operators read: `add_fdb_entries`, `remove_fdb_entries`,
//! `update_fdb_entries` (Neutron's `l2population_rpc`).
//!
//! Culvert's messages carry ports, Neutron's carry `[MAC, IP]` pairs and a flooding entry; so a [`View`] keeps what the
//! host has been told and says of each message what it changes, in Neutron's words. Pure: it only reads messages.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{Entry, FLOODING_IP, FLOODING_MAC, Mac, NetworkId, PortId, Segment, TunnelType};
use serde::{Serialize, Serializer};
use sync::messages::{NetworkInfo, ToAgent};

/// One notification. Serialises as Neutron's RPC has it: `{"method": …, "fdb_entries": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "method", content = "fdb_entries")]
pub enum Notification {
    #[serde(rename = "add_fdb_entries")]
    Add(BTreeMap<NetworkId, Fdb>),
    #[serde(rename = "remove_fdb_entries")]
    Remove(BTreeMap<NetworkId, Fdb>),
    #[serde(rename = "update_fdb_entries")]
    Update(Update),
}

/// Entries of one network, by tunnel endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fdb {
    pub segment_id: u32,
    pub network_type: TunnelType,
    pub ports: Ports,
}

/// A change of fixed IPs: the MAC stays, so only responder flows follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    pub chg_ip: BTreeMap<NetworkId, BTreeMap<IpAddr, ChangedIps>>,
}

/// As in Neutron, a side that is empty is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChangedIps {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Pair>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Pair>,
}

/// `[MAC, IP]`. The IP is `null` for a port without fixed IPs, for which Neutron has no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair(pub Mac, pub Option<IpAddr>);

impl Pair {
    /// "This host wants BUM traffic of the network."
    pub const FLOODING: Pair = Pair(FLOODING_MAC, Some(IpAddr::V4(FLOODING_IP)));
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0, self.1).serialize(serializer)
    }
}

/// What one host has been told, network by network.
#[derive(Debug, Default)]
pub struct View {
    segments: BTreeMap<NetworkId, Segment>,
    entries: BTreeMap<NetworkId, Entries>,
    /// Snapshots of which the end has not come yet.
    partial: BTreeMap<NetworkId, Entries>,
}

type Entries = BTreeMap<PortId, Entry>;
type Ports = BTreeMap<IpAddr, Vec<Pair>>;

impl View {
    /// Takes a network as already told to the host, so that what follows is shown as the change that it is.
    pub fn seed(&mut self, info: &NetworkInfo, entries: impl IntoIterator<Item = Entry>) {
        self.segments.insert(info.network, info.segment);
        self.entries.insert(info.network, by_port(entries));
    }

    /// What this message tells the host. Messages that are not about entries say nothing here.
    pub fn on_message(&mut self, message: &ToAgent) -> Vec<Notification> {
        match message {
            ToAgent::Orders(orders) => {
                self.segments.extend(orders.networks.iter().map(|info| (info.network, info.segment)));
                Vec::new()
            }
            ToAgent::Snapshot(part) => {
                let partial = self.partial.entry(part.network).or_default();
                if part.first {
                    partial.clear();
                }
                // The network may change while its parts are on their way: a later part corrects an earlier one.
                partial.extend(by_port(part.entries.iter().cloned()));
                partial.retain(|port, _| !part.removes.contains(port));
                Vec::new()
            }
            ToAgent::Complete(complete) => self.complete(complete.network),
            ToAgent::Delta(delta) => {
                let all_before = self.entries.remove(&delta.network).unwrap_or_default();
                let touched = delta.removes.iter().chain(delta.upserts.iter().map(|entry| &entry.port));
                let before = touched.filter_map(|port| Some((*port, all_before.get(port)?.clone()))).collect();
                let after = by_port(delta.upserts.iter().cloned());
                let change = Changed { all_before: &all_before, before: &before, after: &after };
                let said = self.say(delta.network, &change);
                let mut entries = all_before;
                entries.retain(|port, _| !before.contains_key(port));
                entries.extend(after);
                self.entries.insert(delta.network, entries);
                said
            }
            ToAgent::Dropped(network) => {
                // The host gives the network up by itself: nothing that Neutron would send.
                self.entries.remove(network);
                self.partial.remove(network);
                self.segments.remove(network);
                Vec::new()
            }
            ToAgent::Welcome(_) | ToAgent::HostComplete(_) | ToAgent::Endpoints(_) | ToAgent::Question(_) => Vec::new(),
        }
    }

    /// A snapshot is shown whole, as Neutron sends it to a host that gets its first port of a network; what it no longer
    /// lists is shown as removed.
    fn complete(&mut self, network: NetworkId) -> Vec<Notification> {
        let nothing = Entries::new();
        let after = self.partial.remove(&network).unwrap_or_default();
        let before = self.entries.remove(&network).unwrap_or_default();
        let mut said = self.say(network, &Changed { all_before: &nothing, before: &nothing, after: &after });
        let difference = self.say(network, &Changed { all_before: &before, before: &before, after: &after });
        said.extend(difference.into_iter().filter(|notification| matches!(notification, Notification::Remove(_))));
        self.entries.insert(network, after);
        said
    }

    fn say(&self, network: NetworkId, change: &Changed<'_>) -> Vec<Notification> {
        let fdb = |ports: Ports| {
            // A segment comes with the orders, before any entry; without one there is nothing true to show.
            let segment = self.segments.get(&network).filter(|_| !ports.is_empty())?;
            let fdb = Fdb { segment_id: segment.key, network_type: segment.tunnel_type, ports };
            Some(BTreeMap::from([(network, fdb)]))
        };
        let updates = change.updates();
        let update = (!updates.is_empty()).then(|| Update { chg_ip: BTreeMap::from([(network, updates)]) });
        let said = [
            fdb(change.adds()).map(Notification::Add),
            update.map(Notification::Update),
            fdb(change.removes()).map(Notification::Remove),
        ];
        said.into_iter().flatten().collect()
    }
}

/// A change of a network's entries: those that it touches as they were and as they are, and all as they were.
struct Changed<'a> {
    all_before: &'a Entries,
    before: &'a Entries,
    after: &'a Entries,
}

impl Changed<'_> {
    /// Entries that are new, or new behind this endpoint or with this MAC.
    fn adds(&self) -> Ports {
        let new = self.after.values().filter(|entry| !holds(self.before, entry));
        let flooding = |endpoint| !self.all_before.values().any(|entry| entry.endpoint == endpoint);
        by_endpoint(new, flooding)
    }

    /// Entries that are gone, or gone from this endpoint or with this MAC.
    fn removes(&self) -> Ports {
        let gone = self.before.values().filter(|entry| !holds(self.after, entry));
        let stays = |endpoint: IpAddr| {
            let untouched = self.all_before.iter().filter(|(port, _)| !self.before.contains_key(port));
            untouched.map(|(_, entry)| entry).chain(self.after.values()).any(|entry| entry.endpoint == endpoint)
        };
        by_endpoint(gone, |endpoint| !stays(endpoint))
    }

    /// Entries of which only the fixed IPs differ.
    fn updates(&self) -> BTreeMap<IpAddr, ChangedIps> {
        let mut changes: BTreeMap<IpAddr, ChangedIps> = BTreeMap::new();
        for new in self.after.values() {
            let Some(old) = self.before.get(&new.port).filter(|_| holds(self.before, new)) else { continue };
            let pairs = |of: &Entry, but: &Entry| -> Vec<Pair> {
                of.ips.iter().filter(|ip| !but.ips.contains(ip)).map(|ip| Pair(of.mac, Some(*ip))).collect()
            };
            let (before, after) = (pairs(old, new), pairs(new, old));
            if !before.is_empty() || !after.is_empty() {
                let change = changes.entry(new.endpoint).or_default();
                change.before.extend(before);
                change.after.extend(after);
            }
        }
        changes
    }
}

/// Whether the port is among these with the same MAC behind the same endpoint.
fn holds(entries: &Entries, entry: &Entry) -> bool {
    entries.get(&entry.port).is_some_and(|held| held.mac == entry.mac && held.endpoint == entry.endpoint)
}

fn by_port(entries: impl IntoIterator<Item = Entry>) -> Entries {
    entries.into_iter().map(|entry| (entry.port, entry)).collect()
}

/// Groups pairs by endpoint; the flooding entry comes first where the endpoint gains or loses it.
fn by_endpoint<'a>(entries: impl Iterator<Item = &'a Entry>, flooding: impl Fn(IpAddr) -> bool) -> Ports {
    let mut ports: Ports = BTreeMap::new();
    for entry in entries {
        let pairs = ports.entry(entry.endpoint).or_default();
        if entry.ips.is_empty() {
            pairs.push(Pair(entry.mac, None));
        }
        pairs.extend(entry.ips.iter().map(|ip| Pair(entry.mac, Some(*ip))));
    }
    for (endpoint, pairs) in &mut ports {
        pairs.sort_unstable();
        if flooding(*endpoint) {
            pairs.insert(0, Pair::FLOODING);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use model::Revision;
    use serde_json::{Value, json};
    use sync::messages::{Complete, Delta, Orders, Snapshot, Sum};
    use uuid::Uuid;

    use super::*;

    const NETWORK: NetworkId = NetworkId(Uuid::from_u128(0xa));
    const COMPUTE1: &str = "10.0.1.31";
    const GATEWAY: &str = "10.0.1.21";

    fn entry(port: u128, endpoint: &str, ips: &[&str]) -> Entry {
        Entry {
            port: PortId(Uuid::from_u128(port)),
            mac: Mac([0xfa, 0x16, 0x3e, 0, 0, u8::try_from(port).unwrap()]),
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            endpoint: endpoint.parse().unwrap(),
        }
    }

    fn view() -> View {
        let mut view = View::default();
        let info =
            NetworkInfo { network: NETWORK, segment: Segment { tunnel_type: TunnelType::Gre, key: 6 }, mtu: 1458 };
        view.on_message(&ToAgent::Orders(Orders { networks: vec![info], ports: Vec::new() }));
        view
    }

    fn snapshot(view: &mut View, entries: Vec<Entry>) -> Vec<Value> {
        let part = ToAgent::Snapshot(Snapshot { network: NETWORK, first: true, entries, removes: Vec::new() });
        assert_eq!(view.on_message(&part), [], "nothing is said before the snapshot's end");
        told(view, &ToAgent::Complete(Complete { network: NETWORK, revision: Revision(1), sum: Sum::default() }))
    }

    fn delta(view: &mut View, upserts: Vec<Entry>, removes: &[u128]) -> Vec<Value> {
        let removes = removes.iter().map(|port| PortId(Uuid::from_u128(*port))).collect();
        let (previous, revision, sum) = (Revision(1), Revision(2), Sum::default());
        let delta = Delta { network: NETWORK, previous, revision, upserts, removes, sum, more: false };
        told(view, &ToAgent::Delta(delta))
    }

    fn told(view: &mut View, message: &ToAgent) -> Vec<Value> {
        view.on_message(message).iter().map(|said| serde_json::to_value(said).unwrap()).collect()
    }

    /// A notification of the network's entries behind one endpoint.
    fn said(method: &str, endpoint: &str, pairs: &Value) -> Value {
        let fdb = json!({"segment_id": 6, "network_type": "gre", "ports": {endpoint: pairs}});
        json!({"method": method, "fdb_entries": {NETWORK.to_string(): fdb}})
    }

    fn flooding() -> Value {
        json!(["00:00:00:00:00:00", "0.0.0.0"])
    }

    #[test]
    fn a_snapshot_is_a_full_add_with_the_flooding_entry() {
        let told = snapshot(&mut view(), vec![entry(1, GATEWAY, &["81.1.180.1"])]);
        let pairs = json!([flooding(), ["fa:16:3e:00:00:01", "81.1.180.1"]]);
        assert_eq!(told, [said("add_fdb_entries", GATEWAY, &pairs)]);
    }

    #[test]
    fn a_second_port_behind_an_endpoint_comes_and_goes_without_the_flooding_entry() {
        let mut view = view();
        snapshot(&mut view, vec![entry(1, COMPUTE1, &["81.1.180.8"])]);
        let pair = json!([["fa:16:3e:00:00:02", "81.1.180.9"]]);
        let told = delta(&mut view, vec![entry(2, COMPUTE1, &["81.1.180.9"])], &[]);
        assert_eq!(told, [said("add_fdb_entries", COMPUTE1, &pair)]);
        assert_eq!(delta(&mut view, vec![], &[2]), [said("remove_fdb_entries", COMPUTE1, &pair)]);
        let last = json!([flooding(), ["fa:16:3e:00:00:01", "81.1.180.8"]]);
        assert_eq!(delta(&mut view, vec![], &[1]), [said("remove_fdb_entries", COMPUTE1, &last)]);
    }

    #[test]
    fn changed_fixed_ips_are_an_update_and_an_empty_side_is_left_out() {
        let mut view = view();
        snapshot(&mut view, vec![entry(1, COMPUTE1, &["81.1.180.8"])]);
        let update = |sides: Value| {
            json!({"method": "update_fdb_entries", "fdb_entries":
            {"chg_ip": {NETWORK.to_string(): {COMPUTE1: sides}}}})
        };
        let pair = |ip: &str| json!([["fa:16:3e:00:00:01", ip]]);
        let told = delta(&mut view, vec![entry(1, COMPUTE1, &["81.1.180.20"])], &[]);
        assert_eq!(told, [update(json!({"before": pair("81.1.180.8"), "after": pair("81.1.180.20")}))]);
        let told = delta(&mut view, vec![entry(1, COMPUTE1, &["81.1.180.20", "81.1.180.21"])], &[]);
        assert_eq!(told, [update(json!({"after": pair("81.1.180.21")}))]);
        let told = delta(&mut view, vec![entry(1, COMPUTE1, &["81.1.180.21"])], &[]);
        assert_eq!(told, [update(json!({"before": pair("81.1.180.20")}))]);
    }

    #[test]
    fn a_port_that_moves_host_is_added_there_and_removed_here() {
        let mut view = view();
        snapshot(&mut view, vec![entry(1, COMPUTE1, &["81.1.180.8"])]);
        let pairs = json!([flooding(), ["fa:16:3e:00:00:01", "81.1.180.8"]]);
        let told = delta(&mut view, vec![entry(1, "10.0.1.39", &["81.1.180.8"])], &[]);
        let expected = [said("add_fdb_entries", "10.0.1.39", &pairs), said("remove_fdb_entries", COMPUTE1, &pairs)];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_repeated_snapshot_shows_what_it_no_longer_lists_as_removed() {
        let mut view = view();
        snapshot(&mut view, vec![entry(1, COMPUTE1, &["81.1.180.8"]), entry(2, GATEWAY, &["81.1.180.1"])]);
        let told = snapshot(&mut view, vec![entry(2, GATEWAY, &["81.1.180.1"])]);
        let stays = json!([flooding(), ["fa:16:3e:00:00:02", "81.1.180.1"]]);
        let gone = json!([flooding(), ["fa:16:3e:00:00:01", "81.1.180.8"]]);
        let expected = [said("add_fdb_entries", GATEWAY, &stays), said("remove_fdb_entries", COMPUTE1, &gone)];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_the_host_already_knows_says_nothing() {
        let mut view = view();
        let known = entry(1, COMPUTE1, &["81.1.180.8"]);
        let segment = Segment { tunnel_type: TunnelType::Gre, key: 6 };
        view.seed(&NetworkInfo { network: NETWORK, segment, mtu: 1458 }, [known.clone()]);
        assert_eq!(delta(&mut view, vec![known], &[]), [] as [Value; 0]);
        assert_eq!(delta(&mut view, vec![], &[7]), [] as [Value; 0], "of a port that it never had");
    }

    #[test]
    fn a_port_without_fixed_ips_still_asks_for_bum_traffic() {
        let told = snapshot(&mut view(), vec![entry(1, COMPUTE1, &[])]);
        let pairs = json!([flooding(), ["fa:16:3e:00:00:01", null]]);
        assert_eq!(told, [said("add_fdb_entries", COMPUTE1, &pairs)]);
    }
}
