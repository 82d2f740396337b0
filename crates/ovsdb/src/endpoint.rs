use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// Where an `ovsdb-server` listens, in the syntax of ovsdb(7) "Active": `unix:FILE` or `tcp:HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Unix(PathBuf),
    /// Host and port, as the resolver takes them.
    Tcp(String),
}

/// The registered port of OVSDB (RFC 7047 section 7).
const PORT: u16 = 6640;

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Endpoint::Unix(path.into())),
            Some(("tcp", host)) if !host.is_empty() => Ok(Endpoint::Tcp(with_port(host))),
            _ => Err(Error::Endpoint(text.to_owned())),
        }
    }
}

/// Adds the registered port if there is none; an IPv6 address stands in brackets, so its colons name no port.
fn with_port(host: &str) -> String {
    let after_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    if after_address.contains(':') { host.to_owned() } else { format!("{host}:{PORT}") }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
            Endpoint::Tcp(host) => write!(f, "tcp:{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_of_ovsdb_7() {
        for (text, read) in [
            ("unix:/run/db.sock", "unix:/run/db.sock"),
            ("tcp:127.0.0.1:6641", "tcp:127.0.0.1:6641"),
            ("tcp:127.0.0.1", "tcp:127.0.0.1:6640"),
            ("tcp:[::1]", "tcp:[::1]:6640"),
            ("tcp:[::1]:99", "tcp:[::1]:99"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), read);
        }
        for bad in ["", "unix:", "tcp:", "ssl:127.0.0.1:6640", "/run/db.sock"] {
            assert!(matches!(bad.parse::<Endpoint>(), Err(Error::Endpoint(text)) if text == bad));
        }
    }
}
