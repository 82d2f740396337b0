//! Arithmetic on the addresses of a subnet. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// First and last address, both included.
pub type Range = (IpAddr, IpAddr);

/// The addresses of a subnet that a port may have: for IPv4 not its network and broadcast addresses, unless it has no
/// others (RFC 3021); for IPv6 not the first, the subnet-router anycast address (RFC 4291 section 2.6.1).
pub fn usable(cidr: &IpNet) -> Range {
    let (first, last) = (number(cidr.network()), number(cidr.broadcast()));
    let (skip_first, skip_last) = match cidr {
        IpNet::V4(_) if last - first > 1 => (1, 1),
        IpNet::V6(_) if last > first => (1, 0),
        _ => (0, 0),
    };
    (like(cidr, first + skip_first), like(cidr, last - skip_last))
}

/// The gateway of a subnet that names none: the first usable address (as Neutron).
pub fn default_gateway(cidr: &IpNet) -> IpAddr {
    usable(cidr).0
}

/// The pools of a subnet that names none: all usable addresses but the gateway (as Neutron).
pub fn default_pools(cidr: &IpNet, gateway: Option<IpAddr>) -> Vec<Range> {
    let taken = gateway.into_iter().collect::<Vec<_>>();
    without(&[usable(cidr)], &taken)
}

/// The parts of the ranges that hold none of these addresses. Ranges are sorted and disjoint; so is what comes out.
pub(crate) fn without(ranges: &[Range], taken: &[IpAddr]) -> Vec<Range> {
    let mut taken = taken.to_vec();
    taken.sort_unstable();
    let mut free = Vec::new();
    for &(first, last) in ranges {
        let mut start = Some(first);
        for &ip in taken.iter().filter(|ip| first <= **ip && **ip <= last) {
            // nothing lies between two neighbours that are both taken
            free.extend(start.zip(before(ip)).filter(|(from, to)| from <= to));
            start = after(ip);
        }
        free.extend(start.filter(|from| *from <= last).map(|from| (from, last)));
    }
    free
}

/// What is left of a range when a part of it is taken.
pub(crate) fn cut((first, last): Range, (from, to): Range) -> Vec<Range> {
    let below = before(from).filter(|_| first < from).map(|end| (first, end));
    let above = after(to).filter(|_| to < last).map(|start| (start, last));
    below.into_iter().chain(above).collect()
}

/// The next higher address; `None` after the last of its version.
pub(crate) fn after(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).checked_add(1).map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(ip) => u128::from(ip).checked_add(1).map(|next| Ipv6Addr::from(next).into()),
    }
}

/// The next lower address; `None` before the first of its version.
pub(crate) fn before(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).checked_sub(1).map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(ip) => u128::from(ip).checked_sub(1).map(|next| Ipv6Addr::from(next).into()),
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

fn like(cidr: &IpNet, number: u128) -> IpAddr {
    match cidr {
        IpNet::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpNet::V6(_) => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(cidr: &str, gateway: Option<&str>) -> Vec<(String, String)> {
        let gateway = gateway.map(|ip| ip.parse().unwrap());
        let pools = default_pools(&cidr.parse().unwrap(), gateway);
        pools.into_iter().map(|(first, last)| (first.to_string(), last.to_string())).collect()
    }

    fn pair(first: &str, last: &str) -> (String, String) {
        (first.to_owned(), last.to_owned())
    }

    #[test]
    fn a_range_is_cut_at_its_ends_and_in_the_midst() {
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let range = |(first, last): (u8, u8)| (ip(first), ip(last));
        for (taken, left) in
            [((1, 1), vec![(2, 9)]), ((9, 9), vec![(1, 8)]), ((1, 9), vec![]), ((3, 5), vec![(1, 2), (6, 9)])]
        {
            assert_eq!(cut(range((1, 9)), range(taken)), left.into_iter().map(range).collect::<Vec<_>>(), "{taken:?}");
        }
    }

    #[test]
    fn default_pools_are_those_of_neutron() {
        assert_eq!(pools("81.1.180.0/24", Some("81.1.180.1")), [pair("81.1.180.2", "81.1.180.254")]);
        assert_eq!(
            pools("81.1.180.0/24", Some("81.1.180.9")),
            [pair("81.1.180.1", "81.1.180.8"), pair("81.1.180.10", "81.1.180.254")]
        );
        assert_eq!(pools("81.1.180.0/24", Some("10.0.0.1")), [pair("81.1.180.1", "81.1.180.254")]);
        assert_eq!(pools("2001:db8::/64", None), [pair("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")]);
        assert_eq!(pools("10.0.0.0/31", None), [pair("10.0.0.0", "10.0.0.1")]);
        assert_eq!(pools("10.0.0.7/32", Some("10.0.0.7")), []);
        assert_eq!(pools("255.255.255.254/31", Some("255.255.255.255")), [pair("255.255.255.254", "255.255.255.254")]);
        assert_eq!(pools("0.0.0.0/31", Some("0.0.0.0")), [pair("0.0.0.1", "0.0.0.1")]);
    }
}
