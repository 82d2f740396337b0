//! `culvert lab run`, the demo: it tells its whole story, says why when it cannot, and leaves nothing behind.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use lab::{Identity, Lab, LabName, Signal};
use tempfile::TempDir;

use crate::support::{BASE, eventually, lab_name};
use crate::teardown::down_leaves_nothing;

/// From nothing to networks in which all pings pass, and back to nothing.
#[test]
fn lab_run_once_tells_the_whole_story() {
    let mut run = Run::start("story", &["--once"]);
    let (status, story, error) = run.end();
    assert!(status.success(), "{story}\n{error}");
    for part in [
        "[12/12] br-tun of compute1",
        "$ openstack network create --provider-network-type gre net-gre",
        "net-gre: gre-gw 81.1.180.1, gre-vm1 81.1.180.8, gre-vm2 81.1.180.9: all reach all",
        "net-vxlan: vxlan-gw 81.1.180.1, vxlan-vm1 81.1.180.18, vxlan-vm2 81.1.180.19: all reach all",
        "12 pings, each to an address that only the other network has: no answer",
        "$ openstack network agent list\n        HOST",
        "$ openstack port list --long\n        PORT",
        "table 22 (flood)",
        "ARP requests for 81.1.180.9 in VLAN",
        "All is as it should be",
        "nothing of it is left",
    ] {
        assert!(story.contains(part), "no \"{part}\" in:\n{story}");
    }
    // None with the responder, some without it, none with it again.
    let counts = story.lines().filter_map(|line| line.trim().strip_prefix("ARP requests among them: "));
    let counts: Vec<u32> = counts.map(|count| count.parse().unwrap()).collect();
    assert!(matches!(counts[..], [0, some, 0] if some > 0), "{counts:?}");
    assert_eq!(story.matches("ACTIVE").count(), 1 + 6, "the six ports of the table:\n{story}");
    assert!(!story.contains("no longer wanted") && !story.contains("left behind"), "{story}");
    assert_eq!(run.left(), Vec::<String>::new());
}

/// An agent that dies under it ends the story, with the reason, and takes all down.
#[test]
fn lab_run_says_what_went_wrong_and_leaves_nothing() {
    let mut run = Run::start("broken", &["--once"]);
    let agent = run.process("compute2.agent");
    assert!(agent.signal(Signal::KILL));
    let (status, story, error) = run.end();
    assert_eq!(status.code(), Some(1), "{story}\n{error}");
    assert!(error.starts_with("error: step ") && error.contains(" broke off ("), "{error}");
    assert!(error.contains("compute2 agent") && error.contains("ended"), "the reason: {error}");
    assert!(!story.contains("All is as it should be"), "{story}");
    assert_eq!(run.left(), Vec::<String>::new());
}

/// Killed while server, agents, VMs and captures run, it can clean up nothing; all that goes on without it is found.
#[test]
fn down_cleans_up_after_a_killed_lab_run() {
    let mut run = Run::start("killed", &[]);
    run.until("[ 7/12]");
    let lab = Lab::open(Path::new(BASE), &run.lab).unwrap();
    eventually("a capture runs", || {
        // Held while it is looked at: else the capture may be over by then.
        run.signal(Signal::STOP);
        let processes = lab.processes().unwrap();
        let captures = processes.iter().any(|process| process.name().starts_with("capture-") && process.is_alive());
        run.signal(if captures { Signal::KILL } else { Signal::CONT });
        captures
    });
    assert_eq!(run.end().0.signal(), Some(9));
    let control = lab.control_processes().unwrap();
    assert_eq!(control.iter().filter(|process| process.is_alive()).count(), 1 + 3, "{control:?}");
    assert_eq!(run.left().iter().filter(|left| left.contains("-vm-")).count(), 6, "{:?}", run.left());
    down_leaves_nothing(&run.lab);
}

/// Whoever stops the story in the middle finds nothing left of it.
#[test]
fn either_signal_ends_lab_run_in_mid_story() {
    for (signal, name) in [(Signal::INT, "Ctrl-C"), (Signal::TERM, "SIGTERM")] {
        let mut run = Run::start("midway", &["--once"]);
        run.until("[ 3/12]");
        run.signal(signal);
        let (status, story, error) = run.end();
        assert_eq!((status.code(), error), (Some(1), format!("error: ended by {name}\n")), "{story}");
        assert!(story.contains("nothing of it is left"), "{story}");
        assert_eq!(run.left(), Vec::<String>::new());
    }
}

/// Cleaning up, from the lab's making or from the story, is held up; the second signal does not wait for it.
#[test]
fn the_second_signal_ends_lab_run_at_once() {
    for step in ["[ 1/12]", "[ 3/12]"] {
        let tools = TempDir::new().unwrap();
        let (ip, held) = (tools.path().join("ip"), tools.path().join("held"));
        let script = format!(
            "#!/bin/sh\nPATH=${{PATH#*:}}\n[ \"$1 $2\" = 'netns delete' ] || exec ip \"$@\"\n\
             exec > {0}\nwhile [ -e {0} ]; do sleep 0.1; done\n",
            held.display()
        );
        fs::write(&ip, script).unwrap();
        fs::set_permissions(&ip, Permissions::from_mode(0o755)).unwrap();
        let mut run = Run::start_with("second", &["--once"], Some(&tools));
        run.until(step);
        let started = run.state().join("processes/compute1.ovsdb-server.json");
        eventually("an ovsdb-server", || started.exists());
        run.signal(Signal::TERM);
        eventually("a namespace is to be deleted", || held.exists());
        run.signal(Signal::TERM);
        let (status, story, error) = run.end();
        assert_eq!(status.code(), Some(128 + 15), "{step}: {story}\n{error}");
        assert!(error.contains("ended by SIGTERM while cleaning up: `culvert lab down`"), "{step}: {error}");
        assert!(held.exists(), "nobody has deleted the namespace");
        down_leaves_nothing(&run.lab);
    }
}

/// As Ctrl-C, which is below.
#[test]
fn lab_run_stays_up_until_sigterm() {
    let mut run = Run::start("term", &[]);
    run.until("Up until Ctrl-C");
    run.signal(Signal::TERM);
    let (status, story, error) = run.end();
    assert!(status.success(), "{story}\n{error}");
    assert_eq!(run.left(), Vec::<String>::new());
}

/// Without `--once` the lab is there to play with until Ctrl-C.
#[test]
fn lab_run_stays_up_until_ctrl_c() {
    let mut run = Run::start("stays", &[]);
    run.until("Up until Ctrl-C");
    assert_ne!(run.left(), Vec::<String>::new());
    let lab = Lab::open(Path::new(BASE), &run.lab).unwrap();
    lab.check_control().unwrap();
    let answer = Command::new(env!("CARGO_BIN_EXE_culvert"))
        .args(["status", "--output=json"])
        .env("CULVERT_SOCKET", lab.admin_socket())
        .output()
        .unwrap();
    let status: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(status["ports"].as_array().unwrap().len(), 6);
    try_next(&run.heard);

    run.signal(Signal::INT);
    let (status, story, error) = run.end();
    assert!(status.success(), "{story}\n{error}");
    assert_eq!(run.left(), Vec::<String>::new());
}

/// Types what the story says to try next. What watches does so until it is stopped.
fn try_next(story: &str) {
    let lines = story.lines().skip_while(|line| !line.starts_with("What to try next")).skip(1);
    let lines: Vec<_> = lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect();
    let (setup, verbs): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| ["alias ", "export "].iter().any(|word| line.starts_with(word)));
    assert!(verbs.len() > 4, "{story}");
    for verb in verbs {
        let watches = verb.starts_with("culvert watch");
        let typed = if watches { format!("{verb} & sleep 1; kill %1; wait %1; [ $? = 143 ]") } else { verb.to_owned() };
        let script = format!("shopt -s expand_aliases\n{}\n{typed}", setup.join("\n"));
        let output = Command::new("bash").arg("-mc").arg(script).output().unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A `culvert lab run`; its lab is gone when this goes out of scope.
struct Run {
    lab: LabName,
    child: Option<Child>,
    heard: String,
}

impl Run {
    fn start(name: &str, args: &[&str]) -> Run {
        Run::start_with(name, args, None)
    }

    /// `tools`: a directory of programs that it finds before all others.
    fn start_with(name: &str, args: &[&str], tools: Option<&TempDir>) -> Run {
        let lab = lab_name(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_culvert"));
        command.args(["lab", "--state-dir", BASE, "--name", &lab.to_string(), "run"]).args(args);
        if let Some(tools) = tools {
            command.env("PATH", format!("{}:{}", tools.path().display(), env::var("PATH").unwrap()));
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Run { lab, child: Some(child), heard: String::new() }
    }

    /// Reads on until a line has this in it.
    fn until(&mut self, part: &str) {
        let out = self.child.as_mut().and_then(|child| child.stdout.as_mut()).unwrap();
        let mut out = BufReader::with_capacity(1, out);
        while !self.heard.lines().last().is_some_and(|line| line.contains(part)) {
            assert_ne!(out.read_line(&mut self.heard).unwrap(), 0, "it ended before \"{part}\":\n{}", self.heard);
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().map(Child::id).unwrap();
        assert!(Identity::of(pid.try_into().unwrap()).unwrap().signal(signal));
    }

    /// A process that the run started, once it has.
    fn process(&mut self, title: &str) -> Identity {
        let record = self.state().join(format!("processes/{title}.json"));
        eventually(title, || record.exists());
        let (node, name) = title.split_once('.').unwrap();
        let lab = Lab::open(Path::new(BASE), &self.lab).unwrap();
        lab.host(node).unwrap().process(name).unwrap().unwrap().identity()
    }

    /// Waits for the end: status, what it told, what it said was wrong.
    fn end(&mut self) -> (ExitStatus, String, String) {
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        self.heard.push_str(&String::from_utf8_lossy(&output.stdout));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status, self.heard.clone(), error)
    }

    /// What there is of its lab.
    fn left(&self) -> Vec<String> {
        let namespaces = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let names = namespaces.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let state = self.state().exists().then(|| self.state().display().to_string());
        names.filter(|name| name.starts_with(&format!("cv-{}-", self.lab))).chain(state).collect()
    }

    fn state(&self) -> PathBuf {
        Path::new(BASE).join(self.lab.to_string())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = lab::down(Path::new(BASE), &self.lab);
    }
}
