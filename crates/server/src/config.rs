//! The server's settings. Where they come from (file, environment, flags) is the binary's matter.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use model::TunnelType;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::key_range::KeyRange;

/// All options, each with its default; an unknown one is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the REST API listens.
    pub api_listen: SocketAddr,
    /// Connections to the REST API at a time; more wait until one ends.
    pub api_connections: usize,
    /// Milliseconds for a request's head, again for its body, and for a client to take some more of its answer.
    pub api_timeout_ms: u64,
    /// Where agents connect.
    pub agents_listen: SocketAddr,
    /// Permits both to listen beyond loopback though nothing authenticates the peers: the operator says by it that the
    /// network is trusted.
    pub insecure_listen: bool,
    /// The SQLite file; made if it is missing (see `adopt_agents`).
    pub database: PathBuf,
    /// Lets in agents that hold what another database has told them, though this one does not know their hosts: they are
    /// refused otherwise, because to a database that is missing (not mounted, deleted) all their ports are unknown.
    pub adopt_agents: bool,
    /// Where the admin socket `server.sock` lies.
    pub run_dir: PathBuf,
    /// Tunnel keys for GRE networks that ask for none.
    pub gre_keys: KeyRange,
    /// The same for VXLAN.
    pub vxlan_keys: KeyRange,
    /// The type of networks that ask for none.
    pub default_tunnel_type: TunnelType,
    /// Bytes; networks get this less the overhead of their tunnel type.
    pub underlay_mtu: u32,
    /// The domain that ports' DNS names lie in, as the API shows them.
    pub dns_domain: String,
    /// How many networks a project may have that has no quota of its own; -1: any number.
    pub quota_network: i64,
    /// The same for subnets.
    pub quota_subnet: i64,
    /// The same for ports.
    pub quota_port: i64,
    /// The same for security groups.
    pub quota_security_group: i64,
    /// The same for security group rules.
    pub quota_security_group_rule: i64,
    /// Whether a port's ACTIVE waits until every interested host knows of it.
    pub active_waits_for_propagation: bool,
    /// Milliseconds after which ACTIVE waits no longer.
    pub propagation_bound_ms: u64,
    /// Milliseconds for which a host whose stream is gone still counts as alive.
    pub alive_bound_ms: u64,
    /// Removed entries that are remembered for each network, so that an agent that returns gets a delta.
    pub tombstones: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            api_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9696)),
            api_connections: 8192,
            api_timeout_ms: 30_000,
            agents_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9690)),
            insecure_listen: false,
            database: PathBuf::from("/var/lib/culvert/culvert.db"),
            adopt_agents: false,
            run_dir: PathBuf::from("/run/culvert"),
            gre_keys: KeyRange { first: 1, last: 1000 },
            vxlan_keys: KeyRange { first: 1001, last: 2000 },
            default_tunnel_type: TunnelType::Vxlan,
            underlay_mtu: 1500,
            dns_domain: "openstacklocal".to_owned(),
            // without authentication, everybody is one project
            quota_network: -1,
            quota_subnet: -1,
            quota_port: -1,
            quota_security_group: -1,
            quota_security_group_rule: -1,
            active_waits_for_propagation: true,
            propagation_bound_ms: 5000,
            alive_bound_ms: 10_000,
            tombstones: 4096,
        }
    }
}

impl Settings {
    /// What single values cannot show: listening beyond loopback without saying so, keys that their type cannot hold.
    pub fn check(&self) -> Result<(), Error> {
        for (setting, address) in [("api_listen", self.api_listen), ("agents_listen", self.agents_listen)] {
            if !self.insecure_listen && !address.ip().is_loopback() {
                return Err(Error::ListenBeyondLoopback { setting, address });
            }
        }
        // Port 0 is any that is free.
        if self.api_listen == self.agents_listen && self.api_listen.port() != 0 {
            return Err(Error::ListenTwice(self.api_listen));
        }
        for (setting, range, tunnel_type) in
            [("gre_keys", self.gre_keys, TunnelType::Gre), ("vxlan_keys", self.vxlan_keys, TunnelType::Vxlan)]
        {
            if range.last > tunnel_type.max_key() {
                return Err(Error::KeyRange { setting, range, max: tunnel_type.max_key() });
            }
        }
        // IPv4 asks every link to carry 576 bytes (RFC 791); beyond 65,535 no packet exists.
        if !(576..=65_535).contains(&self.underlay_mtu) {
            return Err(Error::UnderlayMtu(self.underlay_mtu));
        }
        Ok(())
    }

    /// The operator's verbs ask the server through this socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.run_dir.join("server.sock")
    }

    pub fn api_timeout(&self) -> Duration {
        Duration::from_millis(self.api_timeout_ms)
    }

    pub fn alive_bound(&self) -> Duration {
        Duration::from_millis(self.alive_bound_ms)
    }

    /// How long ACTIVE waits for other hosts.
    pub fn propagation_bound(&self) -> Duration {
        let waits = if self.active_waits_for_propagation { self.propagation_bound_ms } else { 0 };
        Duration::from_millis(waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_only_if_told_so_explicitly() {
        let mut settings = Settings::default();
        settings.check().unwrap();
        settings.agents_listen = "10.0.0.11:9690".parse().unwrap();
        let refused = settings.check().unwrap_err().to_string();
        assert!(refused.contains("agents_listen") && refused.contains("insecure_listen"), "{refused}");
        settings.insecure_listen = true;
        settings.check().unwrap();
    }

    #[test]
    fn keys_must_fit_their_type() {
        let vxlan_keys = KeyRange { first: 1, last: 1 << 24 };
        let refused = Settings { vxlan_keys, ..Settings::default() }.check().unwrap_err().to_string();
        assert!(refused.contains("vxlan_keys") && refused.contains("16777215"), "{refused}");
        Settings { gre_keys: vxlan_keys, ..Settings::default() }.check().unwrap();
    }
}
