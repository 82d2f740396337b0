use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent::DatapathType;
use agent::survey::{Flows, Intent, Survey, Verdict};
use anyhow::Context as _;
use openflow::FlowFilter;
use openflow::connection::{Connection, Target};
use ovsdb::{Client, Endpoint, Event, Replica};
use pipeline::Bridge;

use super::exit::Failure;
use super::output::Output;
use super::table::Table;
use crate::terminal::Screen;

/// Look at what a host has before its agent takes it over
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Example:
  culvert import ovs")]
pub(crate) enum Verb {
    /// Say what the agent would adopt of this host's Open vSwitch, and what it would leave alone; changes nothing
    #[command(after_help = "\
Examples:
  culvert import ovs
  culvert import ovs -o json | jq '.ports[] | select(.verdict == \"change\")'
  culvert import ovs --datapath-type netdev
  culvert import ovs --ovsdb tcp:192.0.2.11:6640

Verdicts: adopt, taken over as it is; change, taken over and altered at once; remove, removed, and the
reason says when; leave, not touched.")]
    Ovs(Ovs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ovs {
    /// Where ovsdb-server listens: unix:PATH, tcp:HOST:PORT or a path
    #[arg(long, value_name = "ENDPOINT", default_value = "/var/run/openvswitch/db.sock", value_parser = endpoint)]
    ovsdb: Endpoint,
    /// Where Open vSwitch keeps the sockets of its bridges
    #[arg(long = "ovs-rundir", value_name = "DIRECTORY", default_value = "/var/run/openvswitch")]
    rundir: PathBuf,
    /// The bridge that VMs are plugged into
    #[arg(long, value_name = "NAME", default_value = "br-int")]
    integration_bridge: String,
    /// The bridge that tunnels end on
    #[arg(long, value_name = "NAME", default_value = "br-tun")]
    tunnel_bridge: String,
    /// What the agent will be told of who forwards: the kernel (system) or Open vSwitch itself (netdev) [default: nothing]
    #[arg(long, value_name = "system|netdev", value_parser = datapath_type)]
    datapath_type: Option<DatapathType>,
    #[command(flatten)]
    output: Output,
}

/// Until the database has been read.
const PATIENCE: Duration = Duration::from_secs(10);

fn endpoint(text: &str) -> Result<Endpoint, ovsdb::Error> {
    if text.starts_with('/') { Ok(Endpoint::Unix(text.into())) } else { text.parse() }
}

fn datapath_type(text: &str) -> Result<DatapathType, &'static str> {
    let types = [DatapathType::System, DatapathType::Netdev];
    types.into_iter().find(|known| known.as_str() == text).ok_or("neither system nor netdev")
}

impl Verb {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let Verb::Ovs(args) = self;
        let replica = args.database().await?;
        let intent = Intent {
            integration_bridge: args.integration_bridge.clone(),
            tunnel_bridge: args.tunnel_bridge.clone(),
            datapath_type: args.datapath_type,
        };
        let mut flows = Flows::default();
        for (bridge, name) in
            [(Bridge::Integration, &intent.integration_bridge), (Bridge::Tunnel, &intent.tunnel_bridge)]
        {
            if replica.bridge_by_name(name).is_some() {
                args.flows(bridge, name, &mut flows).await?;
            }
        }
        let survey = Survey::of(&replica, &intent, &flows);
        args.output.print(&serde_json::to_value(&survey)?, |screen| tables(&survey, screen))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Ovs {
    /// A copy of the database as it is now.
    async fn database(&self) -> anyhow::Result<Replica> {
        let (_client, mut events) = Client::connect(self.ovsdb.clone(), ovsdb::Options::default());
        let read = async {
            while let Some(event) = events.recv().await {
                match event {
                    Event::Connected { .. } => {}
                    Event::Update(update) => {
                        let mut replica = Replica::new();
                        replica.apply(&update)?;
                        return Ok(replica);
                    }
                    Event::Disconnected(error) => {
                        let hint =
                            "name its socket with --ovsdb; it takes root or the group of Open vSwitch".to_owned();
                        let what = format!("no Open vSwitch database answers at {}", self.ovsdb);
                        return Err(anyhow::Error::new(error).context(Failure::Unavailable { what, hint: Some(hint) }));
                    }
                }
            }
            anyhow::bail!("the connection to {} ended", self.ovsdb)
        };
        let late = Failure::TimedOut { what: format!("{} has not answered in time", self.ovsdb), hint: None };
        tokio::time::timeout(PATIENCE, read).await.map_err(|_| late)?
    }

    async fn flows(&self, bridge: Bridge, name: &str, flows: &mut Flows) -> anyhow::Result<()> {
        let socket = self.rundir.join(format!("{name}.mgmt"));
        let failed = || format!("cannot read the flows of {name} at {}", socket.display());
        let (connection, _events) =
            Connection::open(&Target::Unix(socket.clone()), openflow::connection::Options::default())
                .await
                .with_context(failed)?;
        let dump = connection.dump_flows(FlowFilter::all(), |found| flows.add(bridge, &found.flow));
        dump.await.with_context(failed)
    }
}

fn tables(survey: &Survey, screen: &Screen) -> String {
    let or_dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    let bridges = survey.bridges.iter().map(|bridge| {
        let fail_mode = or_dash(bridge.fail_mode.as_deref());
        let controllers = or_dash(Some(&bridge.controllers.join(", ")));
        let (verdict, reason) = (word(bridge.verdict), or_dash(Some(&bridge.reason)));
        [bridge.name.clone(), verdict, bridge.datapath_type.clone(), fail_mode, controllers, reason]
    });
    let networks = survey.networks.iter().map(|found| {
        let key = or_dash(found.segmentation_id.as_deref());
        let (vlan, ports) = (found.local_vlan.to_string(), found.ports.to_string());
        let physical = or_dash(found.physical_network.as_deref());
        [
            found.network.clone(),
            word(found.verdict),
            found.network_type.clone(),
            key,
            physical,
            vlan,
            ports,
            found.reason.clone(),
        ]
    });
    let ports = survey.ports.iter().map(|port| {
        let tag = port.tag.map_or_else(|| "-".to_owned(), |tag| tag.to_string());
        let id = or_dash(port.iface_id.as_deref());
        [port.bridge.clone(), port.name.clone(), word(port.verdict), tag, id, port.reason.clone()]
    });
    let tunnels = survey.tunnels.iter().map(|tunnel| {
        let (kind, from) = (tunnel.tunnel_type.to_string(), or_dash(tunnel.local_ip.as_deref()));
        [tunnel.name.clone(), word(tunnel.verdict), kind, from, tunnel.remote_ip.clone(), tunnel.reason.clone()]
    });
    let flows = survey.flows.iter().map(|flows| {
        [flows.bridge.clone(), word(flows.verdict), flows.count.to_string(), flows.cookie.clone(), flows.reason.clone()]
    });
    let tables = [
        Table::new(["BRIDGE", "VERDICT", "DATAPATH", "FAIL MODE", "CONTROLLERS", "REASON"], bridges),
        Table::new(["NETWORK", "VERDICT", "TYPE", "KEY", "PHYSICAL", "LOCAL VLAN", "PORTS", "REASON"], networks),
        Table::new(["BRIDGE", "PORT", "VERDICT", "TAG", "INTERFACE ID", "REASON"], ports),
        Table::new(["TUNNEL", "VERDICT", "TYPE", "FROM", "TO", "REASON"], tunnels),
        Table::new(["BRIDGE", "VERDICT", "FLOWS", "COOKIE", "REASON"], flows),
    ];
    let version = survey.ovs_version.as_deref().unwrap_or("of unknown version");
    let title = format!("Open vSwitch {version}: nothing was changed");
    let shown = tables.iter().filter(|table| !table.is_empty()).map(|table| table.render(screen));
    std::iter::once(title).chain(shown).collect::<Vec<_>>().join("\n\n")
}

fn word(verdict: Verdict) -> String {
    let word = match verdict {
        Verdict::Adopt => "adopt",
        Verdict::Change => "change",
        Verdict::Remove => "remove",
        Verdict::Leave => "leave",
    };
    word.to_owned()
}
