use std::fmt;
use std::str::FromStr;

use model::TunnelKey;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Tunnel keys from which the server chooses, both ends included. Written `1001-2000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyRange {
    pub first: TunnelKey,
    pub last: TunnelKey,
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for KeyRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = |end: &str| end.trim().parse::<TunnelKey>().ok();
        let ends = text.split_once('-').and_then(|(first, last)| Some((parse(first)?, parse(last)?)));
        match ends {
            Some((first, last)) if 1 <= first && first <= last => Ok(KeyRange { first, last }),
            _ => Err(Error::KeyRangeText(text.to_owned())),
        }
    }
}

impl TryFrom<String> for KeyRange {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<KeyRange> for String {
    fn from(range: KeyRange) -> String {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        let range: KeyRange = "1001-2000".parse().unwrap();
        assert_eq!((range, range.to_string().as_str()), (KeyRange { first: 1001, last: 2000 }, "1001-2000"));
        for bad in ["", "7", "0-5", "9-8", "1-4294967296", "a-b"] {
            assert!(bad.parse::<KeyRange>().is_err(), "{bad}");
        }
    }
}
