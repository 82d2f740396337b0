use std::fmt;

use percent_encoding::percent_decode_str;

use crate::Error;

/// A broker, and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub virtual_host: String,
}

/// AMQP's.
const PORT: u16 = 5672;

impl Broker {
    /// Reads `transport_url` as in `rabbit://user:password@host1:5672,user:password@host2:5672/virtual-host`
    /// (`oslo_messaging.TransportURL`). Each host has a name of its own; one without has none.
    pub fn parse_url(url: &str) -> Result<Vec<Broker>, Error> {
        // What is wrong with it is said without the password that is in it.
        let wrong = |what| Error::TransportUrl(what);
        let rest = url.strip_prefix("rabbit://").ok_or_else(|| wrong("it does not begin with rabbit://"))?;
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(decoded) => Ok(decoded.into_owned()),
            Err(_) => Err(wrong("a part of it is not UTF-8")),
        };
        let virtual_host = if path.is_empty() { "/".to_owned() } else { decode(path)? };
        let broker = |text: &str| {
            let (who, host) = text.rsplit_once('@').unwrap_or(("", text));
            let (user, password) = who.split_once(':').unwrap_or((who, ""));
            // An IPv6 address is in brackets.
            let (host, port) = match host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
                Some((host, port)) => (host, port.parse().map_err(|_| wrong("a port is not a number up to 65535"))?),
                None => (host, PORT),
            };
            if host.is_empty() {
                return Err(wrong("a host is missing"));
            }
            Ok(Broker {
                host: host.to_owned(),
                port,
                user: decode(user)?,
                password: decode(password)?,
                virtual_host: virtual_host.clone(),
            })
        };
        hosts.split(',').map(broker).collect()
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Without the password.
impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{self}/{}", self.user, self.virtual_host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_several_brokers() {
        let brokers = Broker::parse_url("rabbit://neutron:p%40ss@10.0.0.11:5673,neutron:other@[2001:db8::1]/").unwrap();
        assert_eq!(format!("{brokers:?}"), "[neutron@10.0.0.11:5673//, neutron@[2001:db8::1]:5672//]");
        assert_eq!(brokers[0].password, "p@ss");
        assert_eq!(Broker::parse_url("rabbit://h/cloud%2Fone?ssl=0").unwrap()[0].virtual_host, "cloud/one");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for wrong in ["amqp://u:secret@h", "rabbit://u:secret@", "rabbit://u:secret@h:x/", "rabbit://u:secret@h,/"] {
            let error = Broker::parse_url(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
