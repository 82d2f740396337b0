mod endpoints;

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};

use hashbrown::HashTable;
use model::{Entry, Mac, PortId};
use slab::Slab;

use endpoints::{EndpointId, Endpoints};

/// The FDB entries of one network, found by port, by MAC and by IPv4 address.
///
/// A host may hold a hundred thousand: the indices hold slot numbers only, and the usual port (one IPv4 address) takes
/// no memory of its own. All of it is in a few large pieces: what comes and goes beside them leaves no holes behind.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    slots: Slab<Slot>,
    by_port: HashTable<u32>,
    by_mac: HashTable<u32>,
    by_ip: HashTable<(Ipv4Addr, u32)>,
    /// As long as an entry names one, it wants BUM traffic of the network.
    endpoints: Endpoints,
}

#[derive(Debug)]
struct Slot {
    port: PortId,
    mac: Mac,
    endpoint: EndpointId,
    ips: Ips,
}

#[derive(Debug)]
enum Ips {
    One(Ipv4Addr),
    Other(Box<[IpAddr]>),
}

impl Ips {
    fn new(ips: &[IpAddr]) -> Self {
        match ips {
            [IpAddr::V4(ip)] => Ips::One(*ip),
            ips => Ips::Other(ips.into()),
        }
    }

    fn all(&self) -> Vec<IpAddr> {
        match self {
            Ips::One(ip) => vec![IpAddr::V4(*ip)],
            Ips::Other(ips) => ips.to_vec(),
        }
    }

    fn v4(&self) -> impl Iterator<Item = Ipv4Addr> {
        let (one, others): (_, &[IpAddr]) = match self {
            Ips::One(ip) => (Some(*ip), &[]),
            Ips::Other(ips) => (None, ips),
        };
        one.into_iter().filter(|ip| is_answerable(*ip)).chain(v4(others))
    }
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, port: PortId) -> Option<Entry> {
        self.slot_of(port).and_then(|number| self.entry(self.slots.get(number as usize)?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.slots.iter().filter_map(|(_, slot)| self.entry(slot))
    }

    /// The MACs, each with its IPv4 addresses, of the entries behind such endpoints, in no particular order.
    pub(crate) fn behind(
        &self,
        endpoints: impl Fn(IpAddr) -> bool,
    ) -> impl Iterator<Item = (Mac, impl Iterator<Item = Ipv4Addr>)> {
        let slots =
            self.slots.iter().filter(move |(_, slot)| self.endpoints.get(slot.endpoint).is_some_and(&endpoints));
        slots.map(|(_, slot)| (slot.mac, slot.ips.v4()))
    }

    /// Adds the entry in the place of the port's last one, which is returned.
    pub(crate) fn insert(&mut self, entry: &Entry) -> Option<Entry> {
        let before = self.remove(entry.port);
        let endpoint = self.endpoints.name(entry.endpoint);
        let slot = Slot { port: entry.port, mac: entry.mac, endpoint, ips: Ips::new(&entry.ips) };
        // More than 2³² entries of a network do not fit any host's memory.
        #[allow(clippy::cast_possible_truncation)]
        let number = self.slots.insert(slot) as u32;
        let slots = &self.slots;
        let port_of = |number: &u32| slots.get(*number as usize).map_or(0, |slot| hash(slot.port));
        let mac_of = |number: &u32| slots.get(*number as usize).map_or(0, |slot| hash(slot.mac));
        self.by_port.insert_unique(hash(entry.port), number, port_of);
        self.by_mac.insert_unique(hash(entry.mac), number, mac_of);
        for ip in v4(&entry.ips) {
            self.by_ip.insert_unique(hash(ip), (ip, number), |(ip, _)| hash(ip));
        }
        before
    }

    pub(crate) fn remove(&mut self, port: PortId) -> Option<Entry> {
        let slots = &self.slots;
        let is_port = |number: &u32| slots.get(*number as usize).is_some_and(|slot| slot.port == port);
        let (number, _) = self.by_port.find_entry(hash(port), is_port).ok()?.remove();
        let slot = self.slots.try_remove(number as usize)?;
        let entry = self.entry(&slot)?;
        if let Ok(named) = self.by_mac.find_entry(hash(slot.mac), |other| *other == number) {
            named.remove();
        }
        for ip in v4(&entry.ips) {
            if let Ok(named) = self.by_ip.find_entry(hash(ip), |other| *other == (ip, number)) {
                named.remove();
            }
        }
        self.endpoints.unname(slot.endpoint);
        Some(entry)
    }

    /// The endpoint behind which a MAC is. A set has no order: of several ports with this MAC the one with the highest
    /// id counts, on every host and after every restart the same.
    pub(crate) fn endpoint_of(&self, mac: Mac) -> Option<IpAddr> {
        let slots = self.by_mac.iter_hash(hash(mac)).filter_map(|number| self.slots.get(*number as usize));
        self.endpoints.get(chosen(slots.filter(|slot| slot.mac == mac))?.endpoint)
    }

    /// The MAC that answers for an IP, and the endpoint that frames for it go to; of several ports with this IP the one
    /// with the highest id counts.
    pub(crate) fn answer_for(&self, ip: Ipv4Addr) -> Option<(Mac, IpAddr)> {
        let named = self.by_ip.iter_hash(hash(ip)).filter(|(other, _)| *other == ip);
        let slot = chosen(named.filter_map(|(_, number)| self.slots.get(*number as usize)))?;
        Some((slot.mac, self.endpoints.get(slot.endpoint)?))
    }

    /// In no particular order.
    pub(crate) fn macs(&self) -> impl Iterator<Item = Mac> {
        self.slots.iter().map(|(_, slot)| slot.mac)
    }

    pub(crate) fn ips(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.by_ip.iter().map(|(ip, _)| *ip)
    }

    /// Every endpoint that an entry names, lowest address first.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = IpAddr> {
        self.endpoints.all()
    }

    pub(crate) fn has_endpoint(&self, endpoint: IpAddr) -> bool {
        self.endpoints.contains(endpoint)
    }

    fn slot_of(&self, port: PortId) -> Option<u32> {
        let is_port = |number: &u32| self.slots.get(*number as usize).is_some_and(|slot| slot.port == port);
        self.by_port.find(hash(port), is_port).copied()
    }

    fn entry(&self, slot: &Slot) -> Option<Entry> {
        let endpoint = self.endpoints.get(slot.endpoint)?;
        Some(Entry { port: slot.port, mac: slot.mac, ips: slot.ips.all(), endpoint })
    }
}

fn chosen<'s>(slots: impl Iterator<Item = &'s Slot>) -> Option<&'s Slot> {
    slots.max_by_key(|slot| slot.port)
}

/// The IPv4 addresses that the responder can answer for.
pub(crate) fn v4(ips: &[IpAddr]) -> impl Iterator<Item = Ipv4Addr> {
    ips.iter().filter_map(|ip| match ip {
        IpAddr::V4(ip) if is_answerable(*ip) => Some(*ip),
        _ => None,
    })
}

/// Nobody is at "no address", at a group's or at everybody's.
fn is_answerable(ip: Ipv4Addr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast()
}

/// Ids and MACs are random or chosen by the server; a good mixer is all that is wanted.
fn hash(key: impl Hash) -> u64 {
    use std::hash::BuildHasher;
    rustc_hash::FxBuildHasher.hash_one(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(port: u128, mac: u8, ips: &[[u8; 4]], host: u8) -> Entry {
        Entry {
            port: PortId::from_slice(&port.to_be_bytes()).unwrap(),
            mac: Mac([0xfa, 0x16, 0x3e, 0, 0, mac]),
            ips: ips.iter().map(|ip| IpAddr::from(*ip)).collect(),
            endpoint: IpAddr::from([10, 0, 1, host]),
        }
    }

    #[test]
    fn one_of_two_with_the_same_addresses_may_go() {
        let mut entries = Entries::default();
        let (older, newer) = (entry(1, 7, &[[1, 1, 1, 1]], 21), entry(2, 7, &[[1, 1, 1, 1]], 39));
        for order in [[&older, &newer], [&newer, &older]] {
            for entry in order {
                entries.insert(entry);
            }
            assert_eq!(entries.endpoint_of(older.mac), Some(newer.endpoint));
            assert_eq!(entries.remove(older.port), Some(older.clone()));
            assert_eq!(entries.endpoint_of(newer.mac), Some(newer.endpoint));
            assert_eq!(entries.answer_for([1, 1, 1, 1].into()), Some((newer.mac, newer.endpoint)));
            entries.remove(newer.port);
            assert_eq!((entries.len(), entries.endpoint_of(newer.mac)), (0, None));
        }
    }

    #[test]
    fn nobody_answers_for_an_address_that_is_no_ones() {
        let nobody = [[0, 0, 0, 0], [224, 0, 0, 1], [239, 1, 1, 1], [255, 255, 255, 255]];
        let alone = nobody.into_iter().map(|ip| vec![ip]);
        for ips in alone.chain([[nobody[0], nobody[1], [1, 1, 1, 1], nobody[2], nobody[3]].to_vec()]) {
            let mut entries = Entries::default();
            let entry = entry(1, 7, &ips, 21);
            entries.insert(&entry);
            let real: Vec<Ipv4Addr> = ips.iter().filter(|ip| ip[0] == 1).map(|ip| (*ip).into()).collect();
            assert_eq!(entries.ips().collect::<Vec<_>>(), real);
            let behind = entries.behind(|_| true).flat_map(|(_, ips)| ips);
            assert_eq!(behind.collect::<Vec<_>>(), real);
            assert!(nobody.iter().all(|ip| entries.answer_for((*ip).into()).is_none()));
            assert_eq!((entries.remove(entry.port), entries.ips().next()), (Some(entry), None));
        }
    }

    #[test]
    fn gives_back_what_was_put_in() {
        let mut entries = Entries::default();
        let mut first = entry(1, 7, &[[1, 1, 1, 1], [1, 1, 1, 2]], 21);
        first.ips.push("fd00::1".parse().unwrap());
        assert_eq!(entries.insert(&first), None);
        assert_eq!(entries.get(first.port), Some(first.clone()));
        assert_eq!(entries.get(entry(2, 7, &[], 21).port), None);
        let second = entry(1, 7, &[[1, 1, 1, 2]], 39);
        assert_eq!(entries.insert(&second), Some(first.clone()));
        assert_eq!(entries.answer_for([1, 1, 1, 1].into()), None);
        assert!(!entries.has_endpoint(first.endpoint) && entries.has_endpoint(second.endpoint));
        assert_eq!(entries.iter().collect::<Vec<_>>(), [second]);
        assert_eq!((size_of::<Slot>(), size_of::<Option<Slot>>()), (48, 48));
    }
}
