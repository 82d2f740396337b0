use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// Of an RPC interface or a versioned object, as in `1.4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    /// What is meant where a message says none (`oslo_messaging.Target`).
    pub const DEFAULT: Version = Version::new(1, 0);

    pub const fn new(major: u32, minor: u32) -> Self {
        Version { major, minor }
    }

    /// An interface of this version answers what asks for `wanted`: the same major version, and no later minor one.
    pub fn serves(self, wanted: Version) -> bool {
        self.major == wanted.major && self.minor >= wanted.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let parts = text.split_once('.').and_then(|(major, minor)| Some((digits(major)?, digits(minor)?)));
        parts.map(|(major, minor)| Version { major, minor }).ok_or_else(|| Error::Version(text.to_owned()))
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn an_interface_serves_its_own_and_earlier_minor_versions() {
        let (it, version) = (Version::new(1, 4), Version::new);
        assert!([version(1, 0), version(1, 4)].iter().all(|wanted| it.serves(*wanted)));
        assert!(![version(1, 5), version(2, 0), version(0, 9)].iter().any(|wanted| it.serves(*wanted)));
    }

    #[test]
    fn it_is_two_numbers() {
        assert_eq!("1.10".parse::<Version>().unwrap(), Version::new(1, 10));
        for wrong in ["", "1", "1.", ".1", "1.2.3", "1.+2", "-1.2", "1.x", "4294967296.0"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
    }
}
