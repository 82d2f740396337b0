//! Where the ports of a network are, as the last that was heard has it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{Entry, FLOODING_MAC, Mac, PortId};
use uuid::Builder;

use crate::casts::{Changed, Pair};

/// By MAC: what is removed at one endpoint leaves alone what has been added at another since, whatever the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<Mac, Row>,
    /// Endpoints that want BUM traffic, whether ports are known behind them or not.
    pub(crate) floods: BTreeSet<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) endpoint: IpAddr,
    pub(crate) ips: BTreeSet<IpAddr>,
}

impl Table {
    pub(crate) fn add(&mut self, endpoint: IpAddr, pairs: &[Pair]) {
        for (mac, ips) in by_mac(pairs) {
            if mac == FLOODING_MAC {
                self.floods.insert(endpoint);
            } else {
                self.rows.insert(mac, Row { endpoint, ips });
            }
        }
    }

    pub(crate) fn remove(&mut self, endpoint: IpAddr, pairs: &[Pair]) {
        for (mac, ips) in by_mac(pairs) {
            if mac == FLOODING_MAC {
                self.floods.remove(&endpoint);
            } else {
                self.take(endpoint, mac, &ips);
            }
        }
    }

    pub(crate) fn change(&mut self, endpoint: IpAddr, changed: &Changed) {
        let (before, after) = (by_mac(&changed.before), by_mac(&changed.after));
        for (mac, ips) in after {
            match self.rows.get_mut(&mac).filter(|row| row.endpoint == endpoint) {
                Some(row) => row.ips.extend(ips),
                None => drop(self.rows.insert(mac, Row { endpoint, ips })),
            }
        }
        for (mac, ips) in before {
            let after = by_mac(&changed.after).remove(&mac).unwrap_or_default();
            self.take(endpoint, mac, &ips.difference(&after).copied().collect());
        }
    }

    fn take(&mut self, endpoint: IpAddr, mac: Mac, ips: &BTreeSet<IpAddr>) {
        if let Some(row) = self.rows.get_mut(&mac).filter(|row| row.endpoint == endpoint) {
            row.ips.retain(|ip| !ips.contains(ip));
            if row.ips.is_empty() {
                self.rows.remove(&mac);
            }
        }
    }

    /// As our own server would say them: Neutron names no ports in its entries, so what has no name gets one.
    pub(crate) fn entries(&self, own: IpAddr, names: &BTreeMap<Mac, PortId>) -> BTreeMap<PortId, Entry> {
        let rows = self.rows.iter().filter(|(_, row)| row.endpoint != own).map(|(mac, row)| {
            let port = names.get(mac).copied().unwrap_or_else(|| of_mac(*mac));
            Entry { port, mac: *mac, ips: row.ips.iter().copied().collect(), endpoint: row.endpoint }
        });
        let mut entries: BTreeMap<_, _> = rows.map(|entry| (entry.port, entry)).collect();
        // An endpoint floods if an entry names it: one that has none needs an entry that does nothing else.
        let known: BTreeSet<_> = self.rows.values().map(|row| row.endpoint).collect();
        for endpoint in self.floods.iter().filter(|endpoint| **endpoint != own && !known.contains(*endpoint)) {
            let port = of_endpoint(*endpoint);
            entries.insert(port, Entry { port, mac: FLOODING_MAC, ips: Vec::new(), endpoint: *endpoint });
        }
        entries
    }
}

fn by_mac(pairs: &[Pair]) -> BTreeMap<Mac, BTreeSet<IpAddr>> {
    let mut macs: BTreeMap<Mac, BTreeSet<IpAddr>> = BTreeMap::new();
    for Pair(mac, ip) in pairs {
        macs.entry(*mac).or_default().insert(*ip);
    }
    macs
}

/// UUIDs of version 8 (RFC 9562): no port of Neutron's has such a one.
fn of_mac(mac: Mac) -> PortId {
    PortId(Builder::from_custom_bytes((1_u128 << 120 | u128::from(mac.to_u64())).to_be_bytes()).into_uuid())
}

fn of_endpoint(endpoint: IpAddr) -> PortId {
    let mut bytes = match endpoint {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    // Version and variant take bits from the middle: what they hide goes where addresses of one underlay are alike.
    let [first, .., _] = &mut bytes;
    *first = 2;
    PortId(Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 39));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 21));
    const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 31));

    fn pair(mac: u8, ip: u8) -> Pair {
        Pair(Mac([0xfa, 0x16, 0x3e, 0, 0, mac]), IpAddr::from([10, 0, 0, ip]))
    }

    fn flooding() -> Pair {
        Pair(FLOODING_MAC, model::FLOODING_IP.into())
    }

    fn entries(table: &Table) -> Vec<(Mac, Vec<IpAddr>, IpAddr)> {
        let entries = table.entries(OWN, &BTreeMap::new()).into_values();
        let mut entries: Vec<_> = entries.map(|entry| (entry.mac, entry.ips, entry.endpoint)).collect();
        entries.sort();
        entries
    }

    #[test]
    fn a_late_removal_at_the_old_host_leaves_the_new_one_alone() {
        let mut table = Table::default();
        table.add(A, &[flooding(), pair(1, 1)]);
        table.add(B, &[flooding(), pair(1, 1)]);
        table.remove(A, &[flooding(), pair(1, 1)]);
        assert_eq!(entries(&table), [(pair(1, 1).0, vec![pair(1, 1).1], B)]);
    }

    #[test]
    fn an_endpoint_floods_for_itself_until_that_is_taken_back() {
        let mut table = Table::default();
        table.add(A, &[flooding()]);
        assert_eq!(entries(&table), [(FLOODING_MAC, vec![], A)]);
        table.add(A, &[pair(1, 1)]);
        assert_eq!(entries(&table), [(pair(1, 1).0, vec![pair(1, 1).1], A)], "its port says so already");
        table.remove(A, &[pair(1, 1)]);
        assert_eq!(entries(&table), [(FLOODING_MAC, vec![], A)]);
        table.remove(A, &[flooding()]);
        assert!(entries(&table).is_empty());
    }

    #[test]
    fn a_change_of_addresses_concerns_one_port_at_one_endpoint() {
        let mut table = Table::default();
        table.add(A, &[pair(1, 1), pair(1, 2), pair(2, 3)]);
        table.change(A, &Changed { before: vec![pair(1, 1)], after: vec![pair(1, 4)] });
        assert_eq!(entries(&table)[0].1, [pair(1, 2).1, pair(1, 4).1]);
        assert_eq!(entries(&table)[1].1, [pair(2, 3).1]);
        table.change(B, &Changed { before: vec![pair(1, 2)], after: vec![] });
        assert_eq!(entries(&table)[0].1, [pair(1, 2).1, pair(1, 4).1], "another endpoint's");
        table.change(A, &Changed { before: vec![pair(1, 2), pair(1, 4)], after: vec![] });
        assert_eq!(entries(&table), [(pair(2, 3).0, vec![pair(2, 3).1], A)], "without addresses there is no entry");
    }

    #[test]
    fn the_own_endpoint_has_no_entries() {
        let mut table = Table::default();
        table.add(OWN, &[flooding(), pair(1, 1)]);
        assert!(entries(&table).is_empty());
    }

    #[test]
    fn names_are_told_apart() {
        let v6 = ["2001:db8::1", "2001:db8::2", "2001:db8::1:0:0:1"].map(|ip| of_endpoint(ip.parse().unwrap_or(A)));
        let names = [of_endpoint(A), of_endpoint(B), of_mac(pair(1, 1).0), of_mac(pair(2, 1).0), v6[0], v6[1], v6[2]];
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
