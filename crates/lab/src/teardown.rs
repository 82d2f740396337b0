use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::MARK;
use crate::process::{Identity, Process};
use crate::state::StateDir;
use crate::{Error, LabName, Signal};

/// How long the kernel may take to take all down.
const DEADLINE: Duration = Duration::from_secs(30);

/// Removes all that bears the lab's name: processes, namespaces, state. No error if there is nothing.
///
/// Any one of the state directory, the namespaces and the mark in the processes' environment is enough to go by, so this
/// works after `kill -9` at any moment, on a half-made lab, and after somebody has removed one or the other by hand. It
/// blocks, so that a `Drop` can call it.
pub fn down(base: &Path, lab: &LabName) -> Result<(), Error> {
    let state = StateDir::new(base, lab);
    let deadline = Instant::now() + DEADLINE;
    loop {
        let namespaces = namespaces_of(lab);
        let mut processes = recorded(&state);
        processes.extend(running(|pid| is_marked(pid, lab)));
        processes.extend(in_namespaces(&namespaces));
        kill(&processes);
        for namespace in &namespaces {
            delete(namespace);
        }
        state.remove()?;
        // Until a look finds nothing: what was killed may have been about to make one more.
        let left =
            namespaces.into_iter().chain(processes.iter().map(|process| format!("process {}", process.pid))).next();
        match left {
            None => return Ok(()),
            Some(left) if Instant::now() > deadline => return Err(Error::Left { lab: lab.clone(), left }),
            Some(_) => {}
        }
    }
}

/// The labs that there are, whole or in part, by their namespaces and state directories.
pub fn list(base: &Path) -> Vec<LabName> {
    let mut labs: BTreeSet<LabName> = namespaces().iter().filter_map(|name| LabName::of_namespace(name)).collect();
    labs.extend(names_in(base).iter().filter_map(|name| name.parse().ok()));
    labs.into_iter().collect()
}

/// The namespaces that bear the lab's name.
pub(crate) fn namespaces_of(lab: &LabName) -> Vec<String> {
    namespaces().into_iter().filter(|name| LabName::of_namespace(name).as_ref() == Some(lab)).collect()
}

/// Removes one namespace with all that runs in it.
pub(crate) fn remove_namespace(namespace: &str) {
    kill(&in_namespaces(&[namespace.to_owned()]));
    delete(namespace);
}

/// Where iproute2 keeps named namespaces, one mount point each (ip-netns(8)).
pub(crate) const NAMESPACES: &str = "/run/netns";

fn namespaces() -> Vec<String> {
    names_in(Path::new(NAMESPACES))
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What the state directory says was started and still runs. An unreadable record is no reason not to remove the rest.
fn recorded(state: &StateDir) -> Vec<Identity> {
    let processes = Process::all(state).unwrap_or_default();
    processes.iter().map(Process::identity).filter(|identity| identity.is_alive()).collect()
}

/// Whether the lab started the process, or one that started it.
fn is_marked(pid: i32, lab: &LabName) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mark = format!("{MARK}={lab}");
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

/// All processes that are in one of the namespaces, whoever started them.
fn in_namespaces(namespaces: &[String]) -> Vec<Identity> {
    // Held open while we look: the number of a namespace that ceases to be is the next one's at once.
    let held: Vec<File> =
        namespaces.iter().filter_map(|name| File::open(Path::new(NAMESPACES).join(name)).ok()).collect();
    let number = |meta: Metadata| (meta.dev(), meta.ino());
    let wanted: BTreeSet<_> = held.iter().filter_map(|file| file.metadata().ok()).map(number).collect();
    running(|pid| fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|meta| wanted.contains(&number(meta))))
}

/// The processes of this machine that are so; but never the one that asks.
fn running(is_so: impl Fn(i32) -> bool) -> Vec<Identity> {
    let pids = names_in(Path::new("/proc")).into_iter().filter_map(|name| name.parse::<i32>().ok());
    let others = pids.filter(|pid| u32::try_from(*pid) != Ok(std::process::id()));
    // The identity is taken first: if it is so after that, it is so of this process and no later one of the same id.
    others.filter_map(Identity::of).filter(|identity| is_so(identity.pid)).collect()
}

fn kill(processes: &[Identity]) {
    for process in processes {
        process.signal(Signal::KILL);
    }
    for process in processes {
        process.wait(Duration::from_secs(10));
    }
}

/// Errors are not looked at: what counts is whether the namespace is there afterwards.
fn delete(namespace: &str) {
    let quiet = Command::new("ip").args(["netns", "delete", namespace]).stderr(Stdio::null()).status();
    if !quiet.is_ok_and(|status| status.success()) {
        // What is left of `ip netns add` that was killed between making the file and mounting the namespace on it.
        let _ = fs::remove_file(Path::new(NAMESPACES).join(namespace));
    }
}
