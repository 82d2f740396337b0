//! `culvert lab down` removes all, whatever was done to the lab before.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::{Daemon, LabName};

use crate::support::{BASE, TestLab, eventually, lab_name};

#[tokio::test]
async fn down_cleans_up_after_kill_9() {
    let lab = TestLab::of_two("kill9").await;
    lab.plug_vm(1, "compute1", "81.1.180.8/24", 1450).await;
    lab.vm("vm1").unwrap().spawn("sleeper", "sleep", ["3600"]).unwrap();
    lab.host("compute1").unwrap().kill(Daemon::Vswitchd).await.unwrap();
    lab.host("compute2").unwrap().kill(Daemon::OvsdbServer).await.unwrap();
    down_leaves_nothing(lab.name());
}

/// The process that makes the lab is killed at ever later moments; the last is when it has made all.
#[test]
fn down_cleans_up_a_half_made_lab() {
    let name = lab_name("half");
    let state = state(&name);
    let moments: [(&str, &dyn Fn() -> bool); 4] = [
        ("a namespace", &|| !namespaces(&name).is_empty()),
        ("an ovsdb-server", &|| state.join("processes/compute1.ovsdb-server.json").exists()),
        ("an ovs-vswitchd", &|| state.join("processes/network.ovs-vswitchd.json").exists()),
        ("a bridge", &|| state.join("hosts/compute2/br-ul.mgmt").exists()),
    ];
    for (moment, reached) in moments {
        let mut up = culvert(&name, "up").spawn().unwrap();
        eventually(moment, reached);
        up.kill().unwrap();
        up.wait().unwrap();
        down_leaves_nothing(&name);
    }
}

#[tokio::test]
async fn down_goes_by_namespaces_alone() {
    let lab = TestLab::of_two("nostate").await;
    fs::remove_dir_all(state(lab.name())).unwrap();
    down_leaves_nothing(lab.name());
}

#[tokio::test]
async fn down_goes_by_the_state_directory_alone() {
    let lab = TestLab::of_two("nonames").await;
    for namespace in namespaces(lab.name()) {
        let deleted = Command::new("ip").args(["netns", "delete", &namespace]).status().unwrap();
        assert!(deleted.success());
    }
    down_leaves_nothing(lab.name());
}

#[test]
fn down_says_nothing_against_a_lab_that_is_not_there() {
    let name = lab_name("none");
    assert!(run(culvert(&name, "down")).status.success());
    let status = run(culvert(&name, "status"));
    assert_eq!(status.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&status.stderr).starts_with(&format!("error: there is no lab {name}")));
}

/// What bears a lab's name, seen without the lab's own code.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traces {
    namespaces: Vec<String>,
    processes: Vec<String>,
    state: bool,
}

/// `inodes`: the lab's namespaces, which may have processes in them when their names are gone.
fn traces(lab: &LabName, inodes: &[u64]) -> Traces {
    // OVS bears the state directory in its command line, so it is found whatever became of its namespace.
    let of_state = state(lab).display().to_string();
    let trace = |pid: String| {
        pid.parse::<u32>().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let inside = fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|meta| inodes.contains(&meta.ino()));
        (inside || command.contains(&of_state)).then(|| format!("{pid} {command}"))
    };
    let processes = names("/proc").into_iter().filter_map(trace).collect();
    Traces { namespaces: namespaces(lab), processes, state: state(lab).exists() }
}

fn namespaces(lab: &LabName) -> Vec<String> {
    let mut namespaces = names("/run/netns");
    namespaces.retain(|name| name.starts_with(&format!("cv-{lab}-")));
    namespaces
}

fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn state(lab: &LabName) -> PathBuf {
    Path::new(BASE).join(lab.to_string())
}

/// There is something of the lab, and after `culvert lab down`, which is all that `make demo-down` does, nothing.
pub(crate) fn down_leaves_nothing(lab: &LabName) {
    // Held open: the number of a namespace that is gone is at once given to the next, which may be another test's.
    let held: Vec<File> =
        namespaces(lab).iter().filter_map(|name| File::open(format!("/run/netns/{name}")).ok()).collect();
    let inodes: Vec<u64> = held.iter().map(|file| file.metadata().unwrap().ino()).collect();
    assert_ne!(traces(lab, &inodes), Traces::default(), "there is something to remove");
    let down = run(culvert(lab, "down"));
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(traces(lab, &inodes), Traces::default());
    assert!(run(culvert(lab, "down")).status.success(), "once more does no harm");
}

fn culvert(lab: &LabName, verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_culvert"));
    command.args(["lab", verb, "--name", &lab.to_string(), "--state-dir", BASE]);
    command
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}
