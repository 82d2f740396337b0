use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    pub const BROADCAST: Mac = Mac([0xff; 6]);
    pub const ZERO: Mac = Mac([0; 6]);

    /// Broadcast or multicast: the low bit of the first octet is set (IEEE 802.3 section 3.2.3).
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The address as the low 48 bits of a number, as OpenFlow fields hold it.
    pub fn to_u64(self) -> u64 {
        self.0.iter().fold(0, |acc, octet| acc << 8 | u64::from(*octet))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, octet) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ":" };
            write!(f, "{separator}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = Error;

    /// Reads six octets of one or two hexadecimal digits, separated by colons or dashes.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|part| matches!(part.len(), 1 | 2));
            let digits = part.filter(|part| part.bytes().all(|b| b.is_ascii_hexdigit()));
            *octet = digits
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or_else(|| Error::Mac(text.to_owned()))?;
        }
        if parts.next().is_some() {
            return Err(Error::Mac(text.to_owned()));
        }
        Ok(Mac(octets))
    }
}

impl TryFrom<String> for Mac {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mac = Mac([0xfa, 0x16, 0x3e, 0, 0x0a, 0xff]);
        assert_eq!(mac.to_string(), "fa:16:3e:00:0a:ff");
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!("FA-16-3E-0-A-FF".parse(), Ok(mac));
        assert_eq!(mac.to_u64(), 0xfa16_3e00_0aff);
    }

    #[test]
    fn refuses_what_is_not_six_octets() {
        for bad in [
            "",
            "fa:16:3e:00:00",
            "fa:16:3e:00:00:01:02",
            "fa:16:3e:00:00:1g",
            "fa:16:3e:00:00:+1",
            "fa:16:3e:00:00:001",
        ] {
            assert_eq!(bad.parse::<Mac>(), Err(Error::Mac(bad.to_owned())));
        }
    }
}
