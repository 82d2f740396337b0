use std::fmt;

use model::{Generation, HostName, Port, PortId};

/// What a host must do with an interface that carries an interface id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order<'a> {
    /// Wire it, as this port under this binding generation.
    Wire(&'a Port, Generation),
    /// The port may move here, or has just left: the same, but it is reached where it is, and nothing is reported.
    Prepare(&'a Port),
    /// Keep it apart from every network.
    Isolate(Isolated),
}

/// Why an interface must not be wired. Displays as a phrase for people ("bound to compute2").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolated {
    /// No port has this id, or not yet.
    Unknown,
    BoundTo(HostName),
    /// Not bound anywhere: no host was asked for, or binding failed.
    Unbound,
    AdminDown,
    /// The port is there, its network is not (or not yet).
    NoNetwork,
}

impl fmt::Display for Isolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Isolated::Unknown => f.write_str("no port has this id"),
            Isolated::BoundTo(host) => write!(f, "bound to {host}"),
            Isolated::Unbound => f.write_str("not bound to a host, or its binding failed"),
            Isolated::AdminDown => f.write_str("administratively down"),
            Isolated::NoNetwork => f.write_str("its network is not known"),
        }
    }
}

/// The port that an interface id names, if it is one: a UUID in the form that Nova, libvirt and Neutron write (lower
/// case, hyphens). Other spellings are other ids, so that no two ids of one host can name the same port.
pub fn port_of(id: &str) -> Option<PortId> {
    let port: PortId = id.parse().ok()?;
    (port.to_string() == id).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_an_interface_is_isolated_is_a_phrase() {
        let reasons = [Isolated::Unknown, Isolated::Unbound, Isolated::AdminDown, Isolated::NoNetwork];
        let said: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        let phrases = [
            "no port has this id",
            "not bound to a host, or its binding failed",
            "administratively down",
            "its network is not known",
        ];
        assert_eq!(said, phrases);
        assert_eq!(Isolated::BoundTo("compute2".parse().unwrap()).to_string(), "bound to compute2");
    }

    #[test]
    fn only_the_usual_spelling_of_a_uuid_names_a_port() {
        let id = "0f9e2c1a-5b1d-4c3e-9a77-0123456789ab";
        assert_eq!(port_of(id).map(|port| port.to_string()).as_deref(), Some(id));
        let others = [id.to_uppercase(), format!("{{{id}}}"), id.replace('-', ""), "tap0".to_owned(), String::new()];
        for other in others {
            assert_eq!(port_of(&other), None, "{other}");
        }
    }
}
