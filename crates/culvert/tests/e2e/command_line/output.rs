use std::process::Stdio;

use super::typed::{Typed, names, texts};
use crate::overlay::Overlay;
use crate::support::TestLab;

/// Tables fit a terminal and are whole elsewhere; colours are for terminals that want them; JSON and YAML say the same.
#[tokio::test]
async fn output_suits_who_reads_it() {
    let overlay = Overlay::without_agents(TestLab::of_two("output").await).await;
    let culvert = Typed::at(&overlay);
    culvert.ok("network create n1 --description=no").await;
    culvert.ok("subnet create s1 --network n1 --cidr 198.51.100.0/24").await;
    culvert.ok("port create p1 --network n1 --host compute9").await;
    let id = culvert.ids("port list").await.remove(0);

    let piped = culvert.ok("port list").await;
    assert!(piped.contains(&id) && !piped.contains(['\u{1b}', '…']), "{piped:?}");
    let narrow = on_terminal(&culvert, "stty rows 24 cols 60; culvert port list", &[]).await;
    let visible = narrow.replace("\u{1b}[1m", "").replace("\u{1b}[33m", "").replace("\u{1b}[0m", "");
    assert!(visible.lines().count() >= 2 && visible.lines().all(|line| line.chars().count() <= 60), "{visible:?}");
    assert!(visible.contains('…') && narrow.contains("\u{1b}[33mDOWN\u{1b}[0m"), "{narrow:?}");
    fits_terminals(&culvert, &["network list", "subnet list", "port list", "port show p1", "status"]).await;
    let wide = on_terminal(&culvert, "stty rows 24 cols 200; culvert port list", &[("NO_COLOR", "1")]).await;
    assert!(wide.contains(&id) && !wide.contains(['\u{1b}', '…']), "{wide:?}");
    let named = culvert.ok("port list -c name -c status").await;
    assert_eq!(named, "name  status\np1    DOWN\n");

    for line in ["network list", "port show p1", "status", "subnet list -c name -c cidr"] {
        culvert.yaml_and_json(line).await;
    }
    // Who has seen enough closes the pipe; that is no failure.
    let mut listing = culvert.command("port list").stdout(Stdio::piped()).spawn().unwrap();
    drop(listing.stdout.take());
    assert!(listing.wait().await.unwrap().success());
}

/// On narrow terminals, too, no line is longer than the terminal is wide, and what there is is named.
pub(super) async fn fits_terminals(culvert: &Typed, lines: &[&str]) {
    for (line, columns) in lines.iter().flat_map(|line| [30, 40, 50].map(|columns| (line, columns))) {
        let script = format!("stty rows 24 cols {columns}; culvert {line}");
        let text = on_terminal(culvert, &script, &[("NO_COLOR", "1")]).await;
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!((10..=columns).contains(&longest), "{line} at {columns}:\n{text}");
        let name = if line.starts_with("host") { "compute1" } else { "1" };
        assert!(text.contains(name), "{line} at {columns}:\n{text}");
    }
}

/// What a script shows on a terminal.
async fn on_terminal(culvert: &Typed, script: &str, environment: &[(&str, &str)]) -> String {
    let script = script.replace("culvert", env!("CARGO_BIN_EXE_culvert"));
    let mut command = culvert.program("script", &["-qec", &script, "/dev/null"]);
    command.env("TERM", "xterm").envs(environment.iter().copied());
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

/// JSON keeps the names that it has, YAML says the same, and what people are shown is in both.
pub(super) async fn says_the_same(culvert: &Typed, line: &str, named: &str, shown: &[&str]) {
    let json = culvert.yaml_and_json(line).await;
    assert_eq!(names(&json), named.split_whitespace().map(ToOwned::to_owned).collect(), "{line}");
    let table = culvert.ok(line).await;
    let said = texts(&json, shown);
    assert!(said.len() >= shown.len() && said.iter().all(|text| table.contains(text)), "{line}:\n{table}\n{said:?}");
}
