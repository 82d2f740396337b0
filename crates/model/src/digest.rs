use std::net::IpAddr;
use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

use crate::Entry;

/// A sum over a set of entries, equal on both sides when the sets are (up to chance of 2⁻⁶⁴).
///
/// The order of adding does not matter and what was added can be taken away again, so each side keeps it up to date in
/// constant time, and the sum of all entries but one host's is a subtraction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub u64);

impl Digest {
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut sum = Digest::default();
        for entry in entries {
            sum += entry;
        }
        sum
    }
}

impl AddAssign<&Entry> for Digest {
    fn add_assign(&mut self, entry: &Entry) {
        self.0 = self.0.wrapping_add(hash(entry));
    }
}

impl SubAssign<&Entry> for Digest {
    fn sub_assign(&mut self, entry: &Entry) {
        self.0 = self.0.wrapping_sub(hash(entry));
    }
}

impl AddAssign for Digest {
    fn add_assign(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl SubAssign for Digest {
    fn sub_assign(&mut self, other: Digest) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

/// FNV-1a over the entry's fields, then the finaliser of SplitMix64, because sums of plain FNV values collide easily.
/// Part of the agent–server protocol: to change it is to change the protocol's version.
fn hash(entry: &Entry) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    let address = |feed: &mut dyn FnMut(&[u8]), ip: &IpAddr| match ip {
        IpAddr::V4(v4) => {
            feed(&[4]);
            feed(&v4.octets());
        }
        IpAddr::V6(v6) => {
            feed(&[6]);
            feed(&v6.octets());
        }
    };
    feed(entry.port.as_bytes());
    feed(&entry.mac.0);
    address(&mut feed, &entry.endpoint);
    for ip in &entry.ips {
        address(&mut feed, ip);
    }
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Mac, PortId};

    fn entry(n: u8) -> Entry {
        Entry {
            port: PortId(Uuid::from_bytes([n; 16])),
            mac: Mac([2, 0, 0, 0, 0, n]),
            ips: vec![IpAddr::from([10, 0, 0, n])],
            endpoint: IpAddr::from([10, 0, 1, n]),
        }
    }

    #[test]
    fn order_does_not_matter_and_what_was_added_can_be_taken_away() {
        let (a, b) = (entry(1), entry(2));
        let mut sum = Digest::of([&a, &b]);
        assert_eq!(sum, Digest::of([&b, &a]));
        sum -= &b;
        assert_eq!(sum, Digest::of([&a]));
    }

    #[test]
    fn every_field_counts() {
        let base = entry(1);
        let mut others = [base.clone(), base.clone(), base.clone(), base.clone()];
        others[0].mac = Mac([2, 0, 0, 0, 0, 9]);
        others[1].ips.push(IpAddr::from([10, 0, 0, 9]));
        others[2].endpoint = IpAddr::from([10, 0, 1, 9]);
        others[3].port = entry(9).port;
        for other in &others {
            assert_ne!(Digest::of([other]), Digest::of([&base]));
        }
    }
}
