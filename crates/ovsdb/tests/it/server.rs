use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ovsdb::Endpoint;
use tempfile::TempDir;

pub(crate) const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// An `ovsdb-server` with an `Open_vSwitch` database; killed when dropped.
pub(crate) struct Server {
    dir: TempDir,
    child: Option<Child>,
    vswitchd: Option<Child>,
}

impl Server {
    /// The usual form of database, which keeps no transaction ids.
    pub(crate) fn standalone() -> Self {
        Self::create(&["create", "conf.db", SCHEMA])
    }

    /// A cluster of one, whose log has an id for each transaction.
    pub(crate) fn clustered() -> Self {
        Self::create(&["create-cluster", "conf.db", SCHEMA, "unix:raft.sock"])
    }

    fn create(tool: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("ovsdb-it-").tempdir().unwrap();
        run("ovsdb-tool", tool, dir.path());
        let mut server = Server { dir, child: None, vswitchd: None };
        server.start();
        server.vsctl(&["init"]);
        server
    }

    pub(crate) fn start(&mut self) {
        // Open vSwitch's programs take relative socket names to be in OVS_RUNDIR.
        let child = Command::new("ovsdb-server")
            .args(["conf.db", "--remote=punix:db.sock", "--unixctl=ctl.sock", "-vconsole:off"])
            .env("OVS_RUNDIR", self.dir.path())
            .current_dir(self.dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let begun = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            assert!(begun.elapsed() < DEADLINE, "ovsdb-server does not listen");
            sleep(Duration::from_millis(5));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// `kill -STOP`, `kill -CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        run("kill", &[signal, &pid], self.dir.path());
    }

    /// An `ovs-vswitchd` on this database whose datapath and devices are dummies: it touches nothing of the machine's.
    pub(crate) fn start_vswitchd(&mut self) {
        let child = Command::new("ovs-vswitchd")
            .args(["unix:db.sock", "--enable-dummy=override", "--disable-system", "--unixctl=vswitchd.ctl"])
            .arg("-vconsole:off")
            .env("OVS_RUNDIR", self.dir.path())
            .current_dir(self.dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.vswitchd = Some(child);
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("db.sock")
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.socket())
    }

    /// `ovs-vsctl --no-wait`, its output without the last newline.
    pub(crate) fn vsctl(&self, args: &[&str]) -> String {
        let all = [&["--db=unix:db.sock", "--no-wait"], args].concat();
        run("ovs-vsctl", &all, self.dir.path())
    }

    pub(crate) fn client(&self, args: &[&str]) -> String {
        run("ovsdb-client", args, self.dir.path())
    }

    /// The schema of this Open vSwitch without some columns, as a file.
    pub(crate) fn reduced_schema(&self, without: &[(&str, &str)]) -> PathBuf {
        let mut schema: serde_json::Value = serde_json::from_slice(&fs::read(SCHEMA).unwrap()).unwrap();
        for (table, column) in without {
            let columns = schema["tables"][table]["columns"].as_object_mut().unwrap();
            columns.remove(*column).unwrap();
        }
        let path = self.dir.path().join("reduced.ovsschema");
        fs::write(&path, schema.to_string()).unwrap();
        path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for mut child in self.vswitchd.take().into_iter().chain(self.child.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run(program: &str, args: &[&str], dir: &Path) -> String {
    let output = Command::new(program).args(args).env("OVS_RUNDIR", dir).current_dir(dir).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
