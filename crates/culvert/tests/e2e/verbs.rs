//! The verbs of `culvert lab`, as a person types them.

use std::path::Path;
use std::process::{Command, Output};

use lab::LabName;

use crate::support::{BASE, lab_name};

#[test]
fn a_person_plays_with_a_lab() {
    let lab = Typed(lab_name("verbs"));
    assert!(lab.ok("up").contains("host network: Open vSwitch is up, endpoint 10.0.1.21"));
    assert!(lab.fails("up").contains("exists already"));
    assert!(lab.ok("list").lines().any(|line| line == lab.0.to_string()));

    lab.ok("ping compute1 compute2 --count 1");
    lab.ok("ping network server --count 1");
    assert_eq!(lab.ok("exec compute1 -- ovs-vsctl list-br"), "br-ul\n");
    assert_eq!(lab.run("exec server -- sh -c exit\\ 7").status.code(), Some(7));
    assert!(lab.fails("exec compute3 -- true").contains("it has server, switch, compute1, compute2, network"));

    let plug =
        "plug vm1 --host compute1 --id 7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b --mac fa:16:3e:b3:e7:7a --ip 81.1.180.8/24";
    lab.ok(plug);
    assert!(lab.fails(plug).contains("already"));
    let show = "exec compute1 -- ovs-vsctl get Port tap7b0c7d5a-2a tag -- get Interface tap7b0c7d5a-2a external_ids";
    let shown = lab.ok(show);
    assert!(
        shown.starts_with("4095\n") && shown.contains("iface-id=\"7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b\""),
        "{shown}"
    );
    assert!(shown.contains("attached-mac=\"fa:16:3e:b3:e7:7a\"") && shown.contains("iface-status=active"), "{shown}");
    assert!(lab.ok("exec vm1 -- ip address show eth0").contains("inet 81.1.180.8/24"));
    let status = lab.ok("status");
    assert!(status.contains("ovs-vswitchd") && status.contains("tap7b0c7d5a-2a"), "{status}");

    // A replug is the same port again.
    lab.ok("unplug vm1");
    lab.fails(show);
    lab.ok(plug);

    lab.ok("down");
    assert!(lab.fails("status").contains("there is no lab"));
}

/// A lab made by typing; gone when this goes out of scope.
struct Typed(LabName);

impl Typed {
    /// What the verb printed, on both outputs; it must succeed.
    fn ok(&self, verb: &str) -> String {
        let output = self.run(verb);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{verb}: {text}");
        text
    }

    /// What the verb printed as its error; it must fail.
    fn fails(&self, verb: &str) -> String {
        let output = self.run(verb);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_ne!(output.status.code(), Some(0), "{verb}: {text}");
        text
    }

    /// Runs a line; `\ ` stands for a space inside a word.
    fn run(&self, verb: &str) -> Output {
        let verb = verb.replace("\\ ", "\u{a0}");
        let words = verb.split(' ').map(|word| word.replace('\u{a0}', " "));
        let mut command = Command::new(env!("CARGO_BIN_EXE_culvert"));
        command.args(["lab", "--state-dir", BASE, "--name", &self.0.to_string()]).args(words);
        command.env_remove("RUST_LOG").output().unwrap()
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        let _ = lab::down(Path::new(BASE), &self.0);
    }
}
