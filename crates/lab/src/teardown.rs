use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{Identity, Process};
use crate::state::StateDir;
use crate::{Error, LabName, Signal};

/// How long the kernel may take to take all down.
const DEADLINE: Duration = Duration::from_secs(30);

/// Removes all that bears the lab's name: processes, namespaces, state. No error if there is nothing.
///
/// Either of the state directory and the namespaces is enough to go by, so this works after `kill -9` at any moment, on a
/// half-made lab, and after somebody has removed the one or the other by hand. It blocks, so that a `Drop` can call it.
pub fn down(base: &Path, lab: &LabName) -> Result<(), Error> {
    let state = StateDir::new(base, lab);
    let deadline = Instant::now() + DEADLINE;
    loop {
        let namespaces = namespaces_of(lab);
        let processes: Vec<_> = recorded(&state).into_iter().chain(processes_in(&namespaces)).collect();
        kill(&processes);
        for namespace in &namespaces {
            delete(namespace);
        }
        state.remove()?;
        // Looked at again, as a process that was about to start another when it was killed may have left one more.
        let left = namespaces_of(lab).into_iter().next();
        let left = left.or_else(|| processes.iter().find(|p| p.is_alive()).map(|p| format!("process {}", p.pid)));
        match left {
            None => return Ok(()),
            Some(left) if Instant::now() > deadline => return Err(Error::Left { lab: lab.clone(), left }),
            Some(_) => thread::sleep(Duration::from_millis(20)),
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
    kill(&processes_in(&[namespace.to_owned()]));
    delete(namespace);
}

/// Where iproute2 keeps named namespaces, one mount point each (ip-netns(8)).
const NAMESPACES: &str = "/run/netns";

fn namespaces() -> Vec<String> {
    names_in(Path::new(NAMESPACES))
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What the state directory says was started: finds processes whose namespace has lost its name. An unreadable record is no
/// reason not to remove the rest.
fn recorded(state: &StateDir) -> Vec<Identity> {
    Process::all(state).unwrap_or_default().iter().map(Process::identity).collect()
}

/// All processes that are in one of the namespaces, whoever started them; but never the one that asks.
fn processes_in(namespaces: &[String]) -> Vec<Identity> {
    let inode = |path: String| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let wanted: BTreeSet<_> = namespaces.iter().filter_map(|name| inode(format!("{NAMESPACES}/{name}"))).collect();
    let pids = names_in(Path::new("/proc")).into_iter().filter_map(|name| name.parse::<i32>().ok());
    let in_namespace = |pid: &i32| inode(format!("/proc/{pid}/ns/net")).is_some_and(|inode| wanted.contains(&inode));
    // The identity is taken first: if the process is in the namespace after that, it is this one.
    let identities = pids.filter_map(Identity::of).filter(|identity| in_namespace(&identity.pid));
    identities.filter(|identity| u32::try_from(identity.pid) != Ok(std::process::id())).collect()
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
