use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The tag of an interface that must hear and say nothing; `br-int` drops it before anything else.
pub const DEAD_VLAN: u16 = 4095;

/// The host-local VLAN tag of a network on `br-int` and `br-tun`: 1 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct LocalVlan(u16);

impl LocalVlan {
    pub const MIN: LocalVlan = LocalVlan(1);
    pub const MAX: LocalVlan = LocalVlan(4094);

    pub fn new(tag: u16) -> Result<Self, Error> {
        match tag {
            1..=4094 => Ok(LocalVlan(tag)),
            _ => Err(Error::LocalVlan(tag.into())),
        }
    }

    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for LocalVlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for LocalVlan {
    type Error = Error;

    fn try_from(tag: u16) -> Result<Self, Error> {
        LocalVlan::new(tag)
    }
}

impl From<LocalVlan> for u16 {
    fn from(vlan: LocalVlan) -> u16 {
        vlan.0
    }
}
