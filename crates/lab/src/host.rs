use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::control::without_settings;
use crate::ovs::AS_OVS;
use crate::state::StateDir;
use crate::{Capture, Error, HostSpec, Node, Process, Spec, command};

/// A host of a lab: a namespace with an OVS of its own. All that a [`Node`] can, a host can.
#[derive(Debug, Clone)]
pub struct Host {
    node: Node,
    pub(crate) spec: HostSpec,
    /// The other hosts of the lab.
    pub(crate) peers: Vec<HostSpec>,
    pub(crate) rundir: PathBuf,
    culvert: PathBuf,
}

impl Deref for Host {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Host {
    pub(crate) fn new(lab: &Spec, host: &HostSpec, state: &StateDir) -> Self {
        let rundir = state.host(host.name.as_str());
        let node = Node::new(&lab.name, host.name.as_str(), state)
            .with_environment(vec![("OVS_RUNDIR", rundir.display().to_string())]);
        let peers = lab.hosts.iter().filter(|other| other.name != host.name).cloned().collect();
        Host { node, spec: host.clone(), peers, rundir, culvert: lab.culvert.clone() }
    }

    /// The same host, whose agent is another binary.
    #[must_use]
    pub fn with_culvert(self, binary: &Path) -> Host {
        Host { culvert: binary.to_owned(), ..self }
    }

    /// The tunnel endpoint's address.
    pub fn endpoint(&self) -> Ipv4Addr {
        self.spec.endpoint
    }

    pub fn management(&self) -> Ipv4Addr {
        self.spec.management
    }

    /// The OVS run directory: `db.sock`, `<bridge>.mgmt` and the like.
    pub fn rundir(&self) -> &Path {
        &self.rundir
    }

    /// The socket of the host's `ovsdb-server`.
    pub fn ovsdb_socket(&self) -> PathBuf {
        self.rundir.join("db.sock")
    }

    /// Runs `ovs-vsctl`, which waits until `ovs-vswitchd` has done what it says.
    pub async fn vsctl<I, S>(&self, args: I) -> Result<String, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        command::run(self.with_args("ovs-vsctl", ["--timeout=30"], args), None).await
    }

    /// Runs `ovs-appctl` against `ovs-vswitchd`.
    pub async fn appctl<I, S>(&self, args: I) -> Result<String, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        command::run(self.with_args("ovs-appctl", ["--timeout=30"], args), None).await
    }

    /// Runs `ovs-ofctl`, OpenFlow 1.4, with port names for numbers both ways.
    pub async fn ofctl<I, S>(&self, args: I) -> Result<String, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        command::run(self.with_args("ovs-ofctl", OFCTL, args), None).await
    }

    /// Adds flows, one a line, as a whole or not at all.
    pub async fn add_flows(&self, bridge: &str, flows: &str) -> Result<(), Error> {
        let args = ["--bundle", "add-flows", bridge, "-"];
        command::run(self.with_args("ovs-ofctl", OFCTL, args), Some(flows)).await.map(drop)
    }

    /// Deletes the flows that match: `table=20,dl_vlan=1`; all of the bridge for the empty match.
    pub async fn del_flows(&self, bridge: &str, matching: &str) -> Result<(), Error> {
        self.ofctl(["del-flows", bridge, matching]).await.map(drop)
    }

    /// The bridge's flows, one per item, without counters, in no particular order.
    pub async fn dump_flows(&self, bridge: &str) -> Result<Vec<String>, Error> {
        let text = self.ofctl(["--no-stats", "dump-flows", bridge]).await?;
        Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
    }

    /// Captures what passes this host's link to the underlay, in both directions.
    pub async fn capture_underlay(&self, filter: &str) -> Result<Capture, Error> {
        self.capture("ul", filter).await
    }

    /// Starts `culvert agent` here with these arguments, as the process `agent`.
    pub fn start_agent<I, S>(&self, args: I) -> Result<Process, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.command("nice", AS_OVS);
        command.arg(&self.culvert).arg("agent").args(args);
        self.spawn_command("agent", without_settings(command))
    }

    fn with_args<I, S>(
        &self,
        program: impl AsRef<OsStr>,
        first: impl IntoIterator<Item = &'static str>,
        args: I,
    ) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.command(program, first);
        command.args(args);
        command
    }
}

const OFCTL: [&str; 4] = ["-O", "OpenFlow14", "--names", "--timeout=30"];
