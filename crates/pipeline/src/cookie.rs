use std::fmt;

/// The high 16 bits of every cookie of ours.
const TAG: u64 = 0xc01f;
const TAG_SHIFT: u32 = 48;
const KIND_SHIFT: u32 = 40;
const HASH_MASK: u64 = (1 << KIND_SHIFT) - 1;

/// A flow's cookie: our tag (16 bits), the kind of flow (8), and a stable hash of its object (40).
///
/// It holds no revision and no name, so that it stays the same as long as the flow means the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie {
    pub kind: Kind,
    /// 40 bits.
    pub object: u64,
}

/// What a flow is for. The numbers are part of what is installed on hosts: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The same on every host in the same mode.
    Base = 1,
    Patch = 2,
    /// Object: port id.
    Port = 3,
    /// An interface that is not ours. Object: its OpenFlow port.
    Foreign = 4,
    /// Object: tunnel type and remote endpoint.
    Tunnel = 5,
    /// Object: network id.
    Segment = 6,
    /// Object: network id and MAC.
    Unicast = 7,
    /// Object: network id and IP.
    Responder = 8,
    /// Object: network id and IP.
    LocalIp = 9,
    /// Object: network id.
    Flood = 10,
    /// Made by the switch itself.
    Learned = 11,
}

const KINDS: [Kind; 11] = [
    Kind::Base,
    Kind::Patch,
    Kind::Port,
    Kind::Foreign,
    Kind::Tunnel,
    Kind::Segment,
    Kind::Unicast,
    Kind::Responder,
    Kind::LocalIp,
    Kind::Flood,
    Kind::Learned,
];

impl Cookie {
    /// The mask under which all cookies of one kind are equal.
    pub const KIND_MASK: u64 = !HASH_MASK;
    /// The mask under which all our cookies are equal.
    pub const TAG_MASK: u64 = 0xffff << TAG_SHIFT;

    /// The cookie of an object that these byte strings make up, in this order.
    pub(crate) fn of(kind: Kind, object: &[&[u8]]) -> Self {
        Cookie { kind, object: hash40(object) }
    }

    /// The cookie of a kind that has but one object.
    pub(crate) fn plain(kind: Kind) -> Self {
        Cookie { kind, object: 0 }
    }

    pub fn to_u64(self) -> u64 {
        TAG << TAG_SHIFT | (self.kind as u64) << KIND_SHIFT | self.object & HASH_MASK
    }

    /// `None`: not a cookie of ours.
    pub fn parse(cookie: u64) -> Option<Self> {
        if cookie >> TAG_SHIFT != TAG {
            return None;
        }
        let kind = KINDS.into_iter().find(|kind| *kind as u64 == cookie >> KIND_SHIFT & 0xff)?;
        Some(Cookie { kind, object: cookie & HASH_MASK })
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.to_u64())
    }
}

/// FNV-1a, its 64 bits folded to 40. Lengths are hashed too, so that two strings do not run into each other.
fn hash40(parts: &[&[u8]]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.len().to_le_bytes().iter().take(1).chain(part.iter()) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    (state >> KIND_SHIFT ^ state) & HASH_MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_makes_and_nothing_else() {
        for kind in KINDS {
            let cookie = Cookie::of(kind, &[b"object"]);
            assert_eq!(Cookie::parse(cookie.to_u64()), Some(cookie));
            assert_eq!(cookie.to_u64() & Cookie::TAG_MASK, TAG << TAG_SHIFT);
            assert_eq!(cookie.to_u64() & Cookie::KIND_MASK, Cookie::plain(kind).to_u64());
        }
        assert_eq!(Cookie::parse(0), None);
        assert_eq!(Cookie::parse(0x6659_23fd_0df8_6039), None, "a cookie of Neutron's");
        assert_eq!(Cookie::parse(TAG << TAG_SHIFT | 0xff << KIND_SHIFT), None, "a kind that is none");
    }

    #[test]
    fn is_the_same_on_every_host_and_in_every_release() {
        assert_eq!(
            Cookie::of(Kind::Unicast, &[&[0; 16], &[0xfa, 0x16, 0x3e, 0, 0, 1]]).to_string(),
            "0xc01f072b769515fe"
        );
        assert_ne!(hash40(&[b"ab", b"c"]), hash40(&[b"a", b"bc"]));
    }
}
