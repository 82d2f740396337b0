//! A real Open vSwitch of a test's own: its files in a temporary directory, its devices in a network namespace that
//! goes when the process does.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openflow::connection::Target;
use tempfile::TempDir;

#[derive(Debug)]
pub(crate) struct Ovs {
    dir: TempDir,
    database: Child,
    switch: Option<Child>,
}

impl Ovs {
    /// Starts both daemons and makes the bridge `br0`, with the userspace datapath and no flow.
    pub(crate) fn start() -> Ovs {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        run(Command::new("ovsdb-tool").args(["create", &file("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema"]));
        let database = Command::new("ovsdb-server")
            .args([&file("conf.db"), &format!("--remote=punix:{}", file("db.sock"))])
            .args(["--no-chdir", &format!("--unixctl={}", file("ovsdb.ctl"))])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ovs = Ovs { dir, database, switch: None };
        wait_for("the database's socket", || ovs.path("db.sock").exists());
        ovs.vsctl(&["--no-wait", "init"]);
        ovs.start_switch();
        ovs.vsctl(&["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure"]);
        wait_for("the bridge's socket", || ovs.path("br0.mgmt").exists());
        ovs
    }

    pub(crate) fn start_switch(&mut self) {
        let log = std::fs::File::create(self.path("vswitchd.log")).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--net", "ovs-vswitchd", &format!("unix:{}", self.path("db.sock").display()), "--disable-system"])
            .args(["--no-chdir", &format!("--unixctl={}", self.path("vswitchd.ctl").display())])
            .envs(["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"].map(|name| (name, self.dir.path())))
            .stderr(log);
        self.switch = Some(command.spawn().unwrap());
    }

    pub(crate) fn kill_switch(&mut self) {
        end(self.switch.as_mut());
        // A killed daemon leaves its sockets; the next one takes their places.
        let _ = std::fs::remove_file(self.path("br0.mgmt"));
    }

    pub(crate) fn target(&self) -> Target {
        Target::Unix(self.path("br0.mgmt"))
    }

    pub(crate) fn vsctl(&self, args: &[&str]) {
        let db = format!("--db=unix:{}", self.path("db.sock").display());
        run(Command::new("ovs-vsctl").args([db.as_str(), "--timeout=20"]).args(args));
    }

    /// What the real `ovs-ofctl` says about the bridge.
    pub(crate) fn ofctl(&self, command: &str, args: &[&str]) -> String {
        let bridge = format!("unix:{}", self.path("br0.mgmt").display());
        run(Command::new("ovs-ofctl")
            .args(["-OOpenFlow13,OpenFlow14", "--no-names", "--no-stats", command, &bridge])
            .args(args))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        end(self.switch.as_mut());
        end(Some(&mut self.database));
    }
}

fn end(child: Option<&mut Child>) {
    if let Some(child) = child {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let failure = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {failure}");
    String::from_utf8(output.stdout).unwrap()
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_there() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}
