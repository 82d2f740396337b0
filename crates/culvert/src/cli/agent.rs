use std::process::ExitCode;

use crate::settings::{Component, Kind, Layers, Opt};
use crate::signals;

/// Run the agent: wire this host's ports, and program its Open vSwitch
///
/// It needs root (or the right to use Open vSwitch's sockets). When it ends, flows and ports stay as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  culvert agent --server 10.0.0.11:9690 --insecure-server --local-ip 10.0.1.31
  culvert agent --local-ip 10.0.1.31 --static-file /etc/culvert/static.toml
  culvert agent --control neutron --transport-url rabbit://neutron:SECRET@10.0.0.11:5672/ --local-ip 10.0.1.31
  culvert agent --local-ip 10.0.1.31 --check-config")]
pub(crate) struct Args {
    #[command(flatten)]
    layers: Layers<Agent>,
}

impl Args {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let (settings, logging) = self.layers.load()?;
        let config = settings.parse(agent::own_name().as_deref())?;
        config.check()?;
        if self.layers.check_only {
            println!("the settings are right");
            return Ok(ExitCode::SUCCESS);
        }
        logging.start()?;
        agent::run(config, signals::shutdown()?).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The agent's settings, as `culvert agent` takes them.
#[derive(Debug)]
pub(crate) struct Agent;

impl Component for Agent {
    type Settings = agent::Settings;
    const NAME: &'static str = "agent";
    #[rustfmt::skip]
    const OPTIONS: &'static [Opt] = &[
        Opt { name: "control", kind: Kind::Text, value: "culvert|neutron", help:
            "Who says what to wire: culvert server, or a stock neutron-server over RabbitMQ (see transport-url)" },
        Opt { name: "server", kind: Kind::Text, value: "HOST:PORT", help: "Where the server takes agents" },
        Opt { name: "insecure-server", kind: Kind::Switch, value: "BOOL", help:
            "Speak plain text to a server beyond this host: only over a network that you trust" },
        Opt { name: "local-ip", kind: Kind::Text, value: "ADDRESS", help:
            "This host's tunnel endpoint: an address of the underlay; must be set" },
        Opt { name: "host", kind: Kind::Text, value: "NAME", help:
            "The name under which ports are bound to this host [default: the host's own name]" },
        Opt { name: "tunnel-types", kind: Kind::List, value: "TYPE,...", help: "Tunnel types to serve: gre, vxlan" },
        Opt { name: "l2-population", kind: Kind::Switch, value: "BOOL", help:
            "Know every port of a network and tunnel only where one is; off: a full mesh of tunnels, and learning" },
        Opt { name: "arp-responder", kind: Kind::Switch, value: "BOOL", help:
            "Answer ARP requests for known addresses on this host; needs l2-population" },
        Opt { name: "integration-bridge", kind: Kind::Text, value: "NAME", help: "The bridge that VMs are plugged into" },
        Opt { name: "tunnel-bridge", kind: Kind::Text, value: "NAME", help: "The bridge that tunnels end on" },
        Opt { name: "datapath-type", kind: Kind::Text, value: "system|netdev", help:
            "Who forwards: the kernel (system) or Open vSwitch itself (netdev) [default: as the bridges have it, system if there are none]" },
        Opt { name: "ovsdb", kind: Kind::Text, value: "PATH", help: "The socket of ovsdb-server" },
        Opt { name: "ovs-rundir", kind: Kind::Text, value: "DIRECTORY", help:
            "Where Open vSwitch keeps the sockets of its bridges" },
        Opt { name: "local-vlans", kind: Kind::Text, value: "FIRST-LAST", help:
            "Local VLANs for networks: one each, so this is how many networks the host can have" },
        Opt { name: "flood-limit", kind: Kind::Number, value: "OUTPUTS", help:
            "The longest flood list that the datapath serves in full (Open vSwitch 3.1 in userspace: 780)" },
        Opt { name: "review-interval-ms", kind: Kind::Number, value: "MILLISECONDS", help:
            "How often all flows are compared with what should be, though Open vSwitch has told of no change" },
        Opt { name: "run-dir", kind: Kind::Text, value: "DIRECTORY", help: "Where the admin socket agent.sock lies" },
        Opt { name: "state-dir", kind: Kind::Text, value: "DIRECTORY", help:
            "Where agent.checkpoint lies: what the agent knows, for the next time it starts" },
        Opt { name: "static-file", kind: Kind::Text, value: "PATH", help:
            "Networks, ports and entries from this TOML or JSON file in place of a server; read again at SIGHUP [default: none]" },
        Opt { name: "transport-url", kind: Kind::Text, value: "URL", help:
            "Under control=neutron: the cloud's RabbitMQ as in neutron.conf, rabbit://USER:PASSWORD@HOST:PORT/VHOST with a comma between hosts; better in the file, where no list of processes shows it [default: none]" },
        Opt { name: "amqp-durable-queues", kind: Kind::Switch, value: "BOOL", help:
            "Under control=neutron: as in [oslo_messaging_rabbit] of all processes of the cloud" },
        Opt { name: "rabbit-quorum-queue", kind: Kind::Switch, value: "BOOL", help:
            "Under control=neutron: as in [oslo_messaging_rabbit] of all processes of the cloud" },
        Opt { name: "rabbit-transient-quorum-queue", kind: Kind::Switch, value: "BOOL", help:
            "Under control=neutron: as in [oslo_messaging_rabbit] of all processes of the cloud" },
        Opt { name: "report-interval-ms", kind: Kind::Number, value: "MILLISECONDS", help:
            "Under control=neutron: how often neutron-server is told that this agent is alive; well below its agent_down_time" },
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_an_option() {
        let settings = agent::Settings {
            local_ip: Some([10, 0, 1, 31].into()),
            host: "compute1".parse().ok(),
            static_file: Some("static.toml".into()),
            datapath_type: Some(agent::DatapathType::System),
            transport_url: Some("rabbit://localhost/".to_owned()),
            ..agent::Settings::default()
        };
        crate::settings::options_match_fields::<Agent>(&settings);
    }
}
