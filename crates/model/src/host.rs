use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, TunnelType};

/// A host's name, as `binding:host_id` gives it; compared letter by letter. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(Arc<str>);

impl HostName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for HostName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fits = (1..=255).contains(&text.len());
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if fits && clean { Ok(HostName(text.into())) } else { Err(Error::HostName(text.to_owned())) }
    }
}

impl TryFrom<String> for HostName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(host: HostName) -> String {
        host.0.as_ref().to_owned()
    }
}

/// What the directory must know of a host: where its tunnels end and which types it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub name: HostName,
    /// The tunnel endpoint (VTEP): an underlay address that no other host has.
    pub endpoint: IpAddr,
    pub tunnel_types: Vec<TunnelType>,
}
