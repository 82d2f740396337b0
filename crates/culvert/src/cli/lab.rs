//! `culvert lab`: hosts on this machine to try things on.

mod probe;
mod run;
mod show;

use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use lab::{ControlSpec, DEFAULT_BASE, Lab, LabName, SERVER_ADDRESS, Spec, VmSpec};

use crate::signals::Stop;

/// Hosts on this machine to try things on: network namespaces, each with an Open vSwitch of its own (needs root).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A first look:
  culvert lab run                             networks, ports and VMs, and a story that shows what they do

By hand:
  culvert lab up                              three hosts: compute1, compute2, network
  culvert lab ping compute1 compute2          over the underlay
  culvert lab exec compute1 -- ovs-vsctl show
  culvert lab down")]
pub(crate) struct Args {
    /// Which lab; labs of different names run side by side (1 to 20 of a-z, 0-9 and _)
    #[arg(long, global = true, default_value = "demo", value_name = "LAB")]
    name: LabName,

    /// The directory that holds a state directory per lab
    #[arg(long, global = true, default_value = DEFAULT_BASE, env = "CULVERT_LAB_DIR", value_name = "DIR")]
    state_dir: PathBuf,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a lab and show on it what Culvert does: two networks, six VMs, who reaches whom and why
    #[command(after_help = "\
Examples:
  culvert lab run             stays up until Ctrl-C, to try things on
  culvert lab run --once      takes all down; exit status 0 if all was as it should be")]
    Run(run::Run),

    /// Make a lab: hosts, links between them, and an Open vSwitch on each
    #[command(after_help = "\
Examples:
  culvert lab up --name mine
  culvert lab up --control    with `culvert server`, and a `culvert agent` on each host")]
    Up {
        /// Start `culvert server` and a `culvert agent` on each host, too
        #[arg(long)]
        control: bool,
    },

    /// Remove a lab with all that runs in it, whatever state it is in
    #[command(after_help = "Example:\n  culvert lab down --name mine")]
    Down,

    /// Show the nodes, VMs and processes of a lab
    #[command(after_help = "Example:\n  culvert lab status --name mine")]
    Status,

    /// List the labs on this machine
    #[command(after_help = "Example:\n  culvert lab list")]
    List,

    /// Run a command on a host, a VM, `server` or `switch`; ends with its exit status
    #[command(after_help = "\
Examples:
  culvert lab exec compute1 -- ovs-vsctl show
  culvert lab exec compute1 -- ovs-ofctl -O OpenFlow14 dump-flows br-tun
  culvert lab exec vm1 -- bash")]
    Exec {
        /// A host, a VM, `server` or `switch`
        node: String,
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },

    /// Make a VM (a namespace with a link) and plug it into a host's br-int, as Nova and libvirt do
    #[command(after_help = "\
Example:
  culvert lab plug vm1 --host compute1 --id 7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b \\
      --mac fa:16:3e:b3:e7:7a --ip 81.1.180.8/24

The interface gets tag 4095, so it is in no network until its port is wired.")]
    Plug(Plug),

    /// Take a VM off its host and remove it
    #[command(after_help = "Example:\n  culvert lab unplug vm1")]
    Unplug {
        /// The VM's name, as `lab status` lists it
        vm: String,
    },

    /// Ping from one node to another, or to an address
    #[command(after_help = "Examples:\n  culvert lab ping vm1 vm2\n  culvert lab ping vm1 81.1.180.1 --count 10")]
    Ping {
        /// The host or VM that asks
        from: String,
        /// The host or VM that is asked, or an IP address
        to: String,
        /// How many echo requests
        #[arg(long, short, default_value_t = 3)]
        count: u32,
    },

    /// Probe between VMs and hosts at a fixed pace; what is lost, late, doubled, reordered, and the longest gap, by pair
    #[command(after_help = "\
Examples:
  culvert lab probe                    between all VMs, while you break something elsewhere
  culvert lab probe vm1 vm2 --seconds 60 -o json
  culvert lab probe compute1 network   over the underlay

Packets that the prober could not send in time are counted as unsent, not as lost. Exit status 1 if any was lost.")]
    Probe(probe::Probe),
}

#[derive(Debug, clap::Args)]
struct Plug {
    /// The VM's name (1 to 12 of a-z, 0-9, - and _)
    vm: lab::NodeName,
    /// The host to plug it into
    #[arg(long)]
    host: String,
    /// The id of the port
    #[arg(long, value_name = "UUID")]
    id: model::PortId,
    /// The port's MAC address
    #[arg(long)]
    mac: model::Mac,
    /// An address with the length of its subnet's prefix; may be given more than once [default: none]
    #[arg(long, value_name = "IP/LEN")]
    ip: Vec<ipnet::IpNet>,
    /// The network's MTU in bytes: GRE carries 1458 over the lab's underlay, VXLAN 1450
    #[arg(long, default_value_t = 1450, value_name = "BYTES")]
    mtu: u32,
}

impl Args {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        if let Verb::Run(ref run) = self.verb {
            // Tells its progress itself.
            run.run(&self.spec()?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        show::log_progress();
        match self.verb {
            Verb::Run(_) => {}
            Verb::Up { control } => self.up(control).await?,
            Verb::Down => {
                lab::down(&self.state_dir, &self.name)?;
                eprintln!("lab {}: nothing of it is left", self.name);
            }
            Verb::Status => println!("{}", show::status(&self.open()?)?),
            Verb::List => lab::list(&self.state_dir).iter().for_each(|name| println!("{name}")),
            Verb::Exec { ref node, ref command } => return run_in(&self.open()?, node, command).await,
            Verb::Plug(ref plug) => self.plug(plug).await?,
            Verb::Unplug { ref vm } => {
                self.open()?.unplug(vm).await?;
                eprintln!("VM {vm}: unplugged and gone");
            }
            Verb::Ping { ref from, ref to, count } => {
                let lab = self.open()?;
                let to = address_of(&lab, to)?;
                let command = ["ping", "-n", "-i", "0.2", "-W", "1", "-c", &count.to_string(), &to.to_string()];
                return run_in(&lab, from, &command.map(str::to_owned)).await;
            }
            Verb::Probe(ref probe) => return probe.run(&self.open()?).await,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self) -> Result<Lab, lab::Error> {
        Lab::open(&self.state_dir, &self.name)
    }

    fn spec(&self) -> Result<Spec, lab::Error> {
        let mut spec = Spec::new(self.name.clone())?;
        spec.base.clone_from(&self.state_dir);
        Ok(spec)
    }

    async fn up(&self, control: bool) -> anyhow::Result<()> {
        let spec = self.spec()?;
        let mut stop = Stop::listen()?;
        let up = async {
            let lab = Lab::up(&spec).await?;
            if control && let Err(error) = lab.start_control(&ControlSpec::default()).await {
                lab.down()?;
                return Err(error);
            }
            Ok(())
        };
        tokio::select! {
            made = up => made?,
            signal = stop.next() => {
                stop.exit_at_next();
                lab::down(&self.state_dir, &self.name)?;
                anyhow::bail!("ended by {signal}: what was made of lab {} is removed", self.name);
            }
        };
        let name = &self.name;
        eprintln!(
            "lab {name} is up: `culvert lab status --name {name}` shows it, `culvert lab down --name {name}` removes it"
        );
        Ok(())
    }

    async fn plug(&self, plug: &Plug) -> anyhow::Result<()> {
        let (name, port, mac) = (plug.vm.clone(), plug.id, plug.mac);
        let spec = VmSpec { name, port, mac, addresses: plug.ip.clone(), mtu: plug.mtu };
        let vm = self.open()?.plug(&plug.host, spec).await?;
        eprintln!("VM {}: plugged into {} as {}", plug.vm, plug.host, vm.tap());
        Ok(())
    }
}

/// Runs a command with this terminal as its own; its exit status, or as a shell tells a signal.
async fn run_in(lab: &Lab, node: &str, command: &[String]) -> anyhow::Result<ExitCode> {
    let (program, args) = command.split_first().context("there is no command to run")?;
    let mut child = lab.node(node)?.command(program, args);
    // Ctrl-C is the command's to handle; it must not leave it behind.
    let interrupts = tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    let status = child.status().await.with_context(|| format!("cannot run {program} on {node}"))?;
    interrupts.abort();
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn address_of(lab: &Lab, name: &str) -> anyhow::Result<IpAddr> {
    if let Ok(address) = name.parse() {
        return Ok(address);
    }
    if name == lab.server().name() {
        return Ok(SERVER_ADDRESS.into());
    }
    if let Ok(host) = lab.host(name) {
        return Ok(host.endpoint().into());
    }
    lab.node(name)?;
    lab.vm(name)?.address().with_context(|| format!("{name} has no address"))
}
