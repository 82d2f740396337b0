use std::fs;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::topology::quiet_up;
use crate::{Error, Host, Process, Signal};

/// The two processes of an Open vSwitch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    OvsdbServer,
    Vswitchd,
}

impl Daemon {
    /// The program's name, which is also its process's name on the host.
    pub fn as_str(self) -> &'static str {
        match self {
            Daemon::OvsdbServer => "ovsdb-server",
            Daemon::Vswitchd => "ovs-vswitchd",
        }
    }
}

/// The priority that `ovs-ctl`, and so every distribution's service, gives both daemons of an Open vSwitch, and our own
/// service gives the agent, as arguments of `nice`.
pub(crate) const AS_OVS: [&str; 2] = ["-n", "-10"];

/// How long a daemon may take until it is ready; it takes well under a second on a quiet machine.
const READY: Duration = Duration::from_secs(30);

/// What saves the flows of bridges as a script that puts them back; from the same package as the daemons.
const OVS_SAVE: &str = "/usr/share/openvswitch/scripts/ovs-save";

/// Where Debian and most others put the schema.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

impl Host {
    /// The first start: the database with the underlay bridge in it, then the same as any later start.
    pub(crate) async fn start_ovs(&self) -> Result<(), Error> {
        self.start(Daemon::OvsdbServer).await?;
        self.configure().await?;
        self.start(Daemon::Vswitchd).await
    }

    /// Starts a daemon and waits until it is ready: the database answers; the underlay bridge is there and has the endpoint.
    pub async fn start(&self, daemon: Daemon) -> Result<(), Error> {
        match daemon {
            Daemon::OvsdbServer => self.start_ovsdb_server().await,
            Daemon::Vswitchd => self.start_vswitchd().await,
        }
    }

    /// Asks a daemon to end (SIGTERM) and waits for that.
    pub async fn stop(&self, daemon: Daemon) -> Result<(), Error> {
        self.end(daemon, Signal::TERM).await
    }

    /// Kills a daemon (SIGKILL) and waits until it is gone.
    pub async fn kill(&self, daemon: Daemon) -> Result<(), Error> {
        self.end(daemon, Signal::KILL).await
    }

    /// [`Host::stop`], then [`Host::start`].
    pub async fn restart(&self, daemon: Daemon) -> Result<(), Error> {
        self.stop(daemon).await?;
        self.start(daemon).await
    }

    /// Both daemons end and start again as `ovs-ctl restart` has it, which is how packages upgrade Open vSwitch: all flows are
    /// saved before, and until they are put back `ovs-vswitchd` forwards nothing (`flow-restore-wait` in
    /// ovs-vswitchd.conf.db(5)).
    pub async fn restart_with_flows(&self) -> Result<(), Error> {
        let bridges = self.vsctl(["list-br"]).await?;
        let put_back = self.exec(OVS_SAVE, ["save-flows"].into_iter().chain(bridges.split_whitespace())).await?;
        self.restart(Daemon::OvsdbServer).await?;
        self.exit_vswitchd().await?;
        let wait = "other_config:flow-restore-wait=true";
        self.vsctl(["--no-wait", "set", "Open_vSwitch", ".", wait]).await?;
        self.start(Daemon::Vswitchd).await?;
        self.exec("sh", ["-e", "-c", &put_back]).await?;
        let done = ["remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait=true"];
        self.vsctl(done).await.map(drop)
    }

    /// Asks `ovs-vswitchd` to end as `ovs-ctl stop` does first, and waits for that.
    pub async fn exit_vswitchd(&self) -> Result<(), Error> {
        self.appctl(["exit"]).await?;
        self.stop(Daemon::Vswitchd).await
    }

    /// Both daemons die, the database is deleted, and a new one is made as at the host's first start.
    pub async fn lose_database(&self) -> Result<(), Error> {
        self.kill(Daemon::Vswitchd).await?;
        self.kill(Daemon::OvsdbServer).await?;
        let database = self.rundir.join("conf.db");
        fs::remove_file(&database).map_err(Error::io("remove the database", &database))?;
        self.start_ovsdb_server().await?;
        self.configure().await?;
        self.start_vswitchd().await
    }

    async fn end(&self, daemon: Daemon, signal: Signal) -> Result<(), Error> {
        match self.process(daemon.as_str())? {
            Some(process) => process.end(signal).await,
            None => Ok(()),
        }
    }

    async fn start_ovsdb_server(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.rundir).map_err(Error::io("make the directory", &self.rundir))?;
        let database = self.rundir.join("conf.db");
        if !database.exists() {
            let database = database.as_os_str();
            self.exec("ovsdb-tool", ["create".as_ref(), database, SCHEMA.as_ref()]).await?;
        }
        let socket = self.ovsdb_socket();
        let remote = format!("--remote=punix:{}", socket.display());
        let process = self.spawn_daemon(Daemon::OvsdbServer, &[&database.display().to_string(), &remote])?;
        process.until("answered on its socket", READY, || UnixStream::connect(&socket).is_ok()).await
    }

    /// Writes the underlay bridge into the database, for the `ovs-vswitchd` that is yet to start.
    async fn configure(&self) -> Result<(), Error> {
        let ids = [
            format!("external_ids:hostname={}", self.name()),
            format!("external_ids:system-id={}", self.namespace()),
            format!("external_ids:rundir={}", self.rundir.display()),
        ];
        let mac = format!("other_config:hwaddr=\"{}\"", self.spec.endpoint_mac());
        let mut args = vec!["--no-wait", "set", "Open_vSwitch", "."];
        args.extend(ids.iter().map(String::as_str));
        args.extend(["--", "add-br", "br-ul", "--", "add-port", "br-ul", "ul"]);
        args.extend(["--", "set", "Bridge", "br-ul", "datapath_type=netdev", &mac]);
        self.vsctl(args).await.map(drop)
    }

    async fn start_vswitchd(&self) -> Result<(), Error> {
        let database = format!("unix:{}", self.ovsdb_socket().display());
        let process = self.spawn_daemon(Daemon::Vswitchd, &[&database])?;
        // Neither the bridge's device nor its socket's file says so: both outlive an ovs-vswitchd that was killed.
        let socket = self.rundir.join("br-ul.mgmt");
        process.until("made br-ul", READY, || UnixStream::connect(&socket).is_ok()).await?;

        // The address is on a device that is ovs-vswitchd's: on a real host the network scripts set it.
        let mut lines = vec![format!("address replace {}/24 dev br-ul", self.endpoint())];
        lines.extend(quiet_up("br-ul"));
        self.ip(&lines).await?;

        // The userspace datapath drops the frame that makes it ask for a peer's MAC. So it is told beforehand, or the first
        // frame to each peer would be lost for a reason that has nothing to do with what the lab is there to show.
        for peer in &self.peers {
            let (endpoint, mac) = (peer.endpoint.to_string(), peer.endpoint_mac().to_string());
            self.appctl(["tnl/neigh/set", "br-ul", &endpoint, &mac]).await?;
        }
        tracing::debug!("{}: OVS is ready", self.name());
        Ok(())
    }

    /// Where the priority is not permitted `nice` says so in the log and goes on.
    fn spawn_daemon(&self, daemon: Daemon, args: &[&str]) -> Result<Process, Error> {
        let command = [daemon.as_str(), "--pidfile", "--no-chdir"];
        self.spawn(daemon.as_str(), "nice", AS_OVS.iter().chain(&command).chain(args))
    }
}
