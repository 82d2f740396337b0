//! `make install` puts everything where a machine looks for it.

use std::path::Path;
use std::process::{Command, Output};

const PREFIX: &str = "/opt/culvert";

#[test]
fn what_is_installed_runs_completes_and_has_manual_pages() {
    let directory = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let made = Command::new("make")
        .args(["--silent", "--directory"])
        .arg(project)
        .args(["install", &format!("PREFIX={PREFIX}"), &format!("CULVERT={}", env!("CARGO_BIN_EXE_culvert"))])
        .arg(format!("DESTDIR={}", directory.path().display()))
        .output();
    succeeds(&made.unwrap());
    let prefix = directory.path().join(&PREFIX[1..]);
    let read = |path: &str| std::fs::read_to_string(prefix.join(path)).unwrap();

    let culvert = prefix.join("bin/culvert");
    let version = succeeds(&Command::new(&culvert).arg("--version").output().unwrap());
    assert!(version.starts_with("culvert "), "{version}");

    // a page for each verb, as each --help has it
    for page in ["culvert", "culvert-port-create", "culvert-import-ovs", "culvert-server"] {
        let text = read(&format!("share/man/man1/{page}.1"));
        assert!(text.contains(&format!(".TH {page} 1")), "{page}: {}", &text[..200]);
    }
    assert!(read("share/man/man1/culvert-port-create.1").contains("\\-\\-fixed\\-ip"));

    // what the shells make of them, the shells say (completion.rs)
    assert!(read("share/bash-completion/completions/culvert").contains("complete -F _culvert"));
    assert!(read("share/zsh/site-functions/_culvert").starts_with("#compdef culvert"));
    assert!(read("share/fish/vendor_completions.d/culvert.fish").contains("complete -c culvert"));

    for (unit, verb) in [("culvert-server", "server"), ("culvert-agent", "agent")] {
        let text = read(&format!("lib/systemd/system/{unit}.service"));
        assert!(text.contains(&format!("\nExecStart={PREFIX}/bin/culvert {verb}\n")), "{text}");
    }
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}
