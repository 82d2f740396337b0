use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest wait for anything; reaching it is a failure, never a pass.
const DEADLINE: Duration = Duration::from_secs(30);

/// Open vSwitch with the userspace datapath. Its network namespace has no name and goes with the process.
pub(crate) struct Ovs {
    dir: TempDir,
    database: Child,
    vswitchd: Option<Child>,
}

impl Ovs {
    pub(crate) fn start() -> Self {
        let root = run(Command::new("id").arg("-u")).trim() == "0";
        assert!(root, "these tests need root: Open vSwitch makes devices and a network namespace");
        let dir = tempfile::Builder::new().prefix("culvert-agent-").tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        run(Command::new("ovsdb-tool")
            .arg("create")
            .arg(path("conf.db"))
            .arg("/usr/share/openvswitch/vswitch.ovsschema"));
        let database = Command::new("ovsdb-server")
            .arg(path("conf.db"))
            .arg(format!("--remote=punix:{}", path("db.sock").display()))
            .arg(format!("--unixctl={}", path("ovsdb.ctl").display()))
            .env("OVS_RUNDIR", dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ovs = Ovs { dir, database, vswitchd: None };
        wait("the database", || ovs.path("db.sock").exists());
        ovs.vsctl("--no-wait init");
        ovs.start_vswitchd();
        ovs
    }

    pub(crate) fn start_vswitchd(&mut self) {
        let child = Command::new("unshare")
            .args(["--net", "ovs-vswitchd"])
            .arg(format!("unix:{}", self.path("db.sock").display()))
            .arg(format!("--unixctl={}", self.path("vswitchd.ctl").display()))
            .env("OVS_RUNDIR", self.dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.vswitchd = Some(child);
    }

    pub(crate) fn kill_vswitchd(&mut self) {
        if let Some(mut child) = self.vswitchd.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `ovs-vsctl` with these words.
    pub(crate) fn vsctl(&self, words: &str) -> String {
        let database = format!("--db=unix:{}", self.path("db.sock").display());
        run(Command::new("ovs-vsctl").arg(database).args(words.split_whitespace()))
    }

    /// `ovs-ofctl VERB` on a bridge.
    pub(crate) fn ofctl(&self, verb: &[&str], bridge: &str, rest: &[&str]) -> String {
        let socket = format!("unix:{}", self.path(&format!("{bridge}.mgmt")).display());
        run(Command::new("ovs-ofctl").args(["-O", "OpenFlow14"]).args(verb).arg(socket).args(rest))
    }

    /// The flows of a bridge, one a line, sorted; without counters, and with ports by name.
    pub(crate) fn flows(&self, bridge: &str) -> Vec<String> {
        let dump = self.ofctl(&["--no-stats", "--names", "dump-flows"], bridge, &[]);
        let mut flows: Vec<_> =
            dump.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        flows.sort_by_key(|line| (table_of(line), line.clone()));
        flows
    }

    /// The bridge takes OpenFlow connections.
    pub(crate) fn is_up(&self, bridge: &str) -> bool {
        std::os::unix::net::UnixStream::connect(self.path(&format!("{bridge}.mgmt"))).is_ok()
    }

    pub(crate) fn has_bridge(&self, name: &str) -> bool {
        self.vsctl("list-br").lines().any(|line| line == name)
    }

    pub(crate) fn has_port(&self, bridge: &str, name: &str) -> bool {
        self.has_bridge(bridge) && self.vsctl(&format!("list-ports {bridge}")).lines().any(|line| line == name)
    }

    /// As Nova plugs, in one transaction.
    pub(crate) fn plug(&self, name: &str, id: &str) {
        self.vsctl(&format!(
            "--no-wait add-port br-int {name} tag=4095 -- set Interface {name} type=internal external_ids:iface-id={id}"
        ));
    }

    pub(crate) fn tag(&self, port: &str) -> String {
        self.vsctl(&format!("get Port {port} tag")).trim().to_owned()
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        self.kill_vswitchd();
        let _ = self.database.kill();
        let _ = self.database.wait();
    }
}

fn table_of(flow: &str) -> u32 {
    let number = flow.split("table=").nth(1).and_then(|rest| rest.split(',').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Looks until it is so.
pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
