use std::process::ExitCode;

use crate::open_files;
use crate::settings::{Component, Kind, Layers, Opt};
use crate::signals;

/// Run the server: REST API, database, and the stream to every agent
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  culvert server --check-config
  culvert server --database /tmp/culvert.db --run-dir /tmp/culvert")]
pub(crate) struct Args {
    #[command(flatten)]
    layers: Layers<Server>,
}

impl Args {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let (settings, logging) = self.layers.load()?;
        settings.check()?;
        if self.layers.check_only {
            println!("the settings are right");
            return Ok(ExitCode::SUCCESS);
        }
        logging.start()?;
        open_files::raise();
        server::run(settings, signals::shutdown()?).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The server's settings, as `culvert server` takes them.
#[derive(Debug)]
pub(crate) struct Server;

impl Component for Server {
    type Settings = server::Settings;
    const NAME: &'static str = "server";
    #[rustfmt::skip]
    const OPTIONS: &'static [Opt] = &[
        Opt { name: "api-listen", kind: Kind::Text, value: "ADDRESS:PORT", help: "Where the REST API listens" },
        Opt { name: "api-connections", kind: Kind::Number, value: "COUNT", help:
            "Connections to the REST API at a time; more wait until one ends" },
        Opt { name: "api-timeout-ms", kind: Kind::Number, value: "MILLISECONDS", help:
            "How long a client may take for a request's head, for its body, and to take some more of its answer" },
        Opt { name: "agents-listen", kind: Kind::Text, value: "ADDRESS:PORT", help: "Where agents connect" },
        Opt { name: "insecure-listen", kind: Kind::Switch, value: "BOOL", help:
            "Listen beyond loopback though nothing authenticates the peers: only on a network that you trust" },
        Opt { name: "database", kind: Kind::Text, value: "PATH", help: "The SQLite file; made if it is missing" },
        Opt { name: "adopt-agents", kind: Kind::Switch, value: "BOOL", help:
            "Let in agents that hold another database's networks though this one does not know their hosts: to begin anew" },
        Opt { name: "run-dir", kind: Kind::Text, value: "DIRECTORY", help: "Where the admin socket server.sock lies" },
        Opt { name: "gre-keys", kind: Kind::Text, value: "FIRST-LAST", help:
            "Tunnel keys for GRE networks that ask for none" },
        Opt { name: "vxlan-keys", kind: Kind::Text, value: "FIRST-LAST", help:
            "Tunnel keys (VNIs) for VXLAN networks that ask for none" },
        Opt { name: "default-tunnel-type", kind: Kind::Text, value: "gre|vxlan", help:
            "The type of networks that ask for none" },
        Opt { name: "underlay-mtu", kind: Kind::Number, value: "BYTES", help:
            "MTU of the underlay; networks get this less the overhead of their tunnel type" },
        Opt { name: "dns-domain", kind: Kind::Text, value: "DOMAIN", help:
            "What the DNS names of ports lie in, as the API shows them" },
        Opt { name: "quota-network", kind: Kind::Number, value: "COUNT", help:
            "Networks that a project may have that has no quota of its own; -1: any number" },
        Opt { name: "quota-subnet", kind: Kind::Number, value: "COUNT", help: "The same for subnets" },
        Opt { name: "quota-port", kind: Kind::Number, value: "COUNT", help: "The same for ports" },
        Opt { name: "quota-security-group", kind: Kind::Number, value: "COUNT", help:
            "The same for security groups" },
        Opt { name: "quota-security-group-rule", kind: Kind::Number, value: "COUNT", help:
            "The same for rules of security groups" },
        Opt { name: "active-waits-for-propagation", kind: Kind::Switch, value: "BOOL", help:
            "Whether a port becomes ACTIVE only when every interested host knows of it" },
        Opt { name: "propagation-bound-ms", kind: Kind::Number, value: "MILLISECONDS", help:
            "How long ACTIVE waits for slow hosts at most" },
        Opt { name: "alive-bound-ms", kind: Kind::Number, value: "MILLISECONDS", help:
            "How long a host whose stream is gone still counts as alive" },
        Opt { name: "tombstones", kind: Kind::Number, value: "COUNT", help:
            "Removed entries remembered for each network, so that an agent that returns gets only what changed" },
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_an_option() {
        crate::settings::options_match_fields::<Server>(&server::Settings::default());
    }
}
