use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A lab's name. It has no dash, so that `cv-<lab>-<node>` reads back in one way only: lab `a` does not own what is lab `a-b`'s.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabName(String);

impl LabName {
    /// The namespace of a node (a host, `server` or `switch`) of this lab.
    pub(crate) fn namespace(&self, node: &str) -> String {
        format!("{PREFIX}{}-{node}", self.0)
    }

    /// The lab that a namespace belongs to, if it is one of a lab's.
    pub(crate) fn of_namespace(namespace: &str) -> Option<LabName> {
        namespace.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok()
    }
}

/// What every namespace of every lab begins with.
const PREFIX: &str = "cv-";

/// The name of a host or a VM. Its length is bounded by interface names (`ul-<host>` in 15 bytes, as Linux allows).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

impl NodeName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fits = (1..=20).contains(&text.len());
        let clean = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if fits && clean { Ok(LabName(text.to_owned())) } else { Err(Error::LabName(text.to_owned())) }
    }
}

impl FromStr for NodeName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=12).contains(&text.len()) && text.bytes().next().is_some_and(alnum);
        let clean = text.bytes().all(|b| alnum(b) || b"_-".contains(&b));
        let taken = text == "server" || text == "switch" || text.starts_with("vm-");
        if fits && clean && !taken { Ok(NodeName(text.to_owned())) } else { Err(Error::NodeName(text.to_owned())) }
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}
as_text!(LabName);
as_text!(NodeName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_belongs_to_one_lab() {
        let lab: LabName = "a".parse().unwrap();
        assert_eq!(lab.namespace("compute-1"), "cv-a-compute-1");
        assert_eq!(LabName::of_namespace("cv-a-compute-1"), Some(lab));
        assert_eq!(LabName::of_namespace("cv-a"), None);
        assert_eq!(LabName::of_namespace("qdhcp-a-b"), None);
        assert!("a-b".parse::<LabName>().is_err());
    }

    #[test]
    fn names_that_would_clash_are_refused() {
        for bad in ["", "server", "switch", "vm-1", "-a", "thirteen-long", "Upper", "a/b", "a.b"] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
        for good in ["compute1", "a-b_c", "twelve-longs"] {
            assert_eq!(good.parse::<NodeName>().unwrap().as_str(), good);
        }
    }
}
