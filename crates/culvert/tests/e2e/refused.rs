//! Behaviour 13: what cannot be right is refused at the start, with the reason.

use std::process::Command;

use lab::{ControlSpec, Process};

use crate::overlay::{Overlay, agents, until};
use crate::support::TestLab;
use std::time::Duration;

/// The responder needs to know where ports are, which is what population tells: one without the other is refused before
/// anything is touched, by `--check-config` and by the agent itself. The control: with both off the same agent runs.
#[tokio::test]
async fn arp_responder_without_l2_population_is_refused_at_start() {
    let overlay = Overlay::without_agents(TestLab::of_two("rarp").await).await;
    let host = overlay.at("compute1");
    let before = host.vsctl(["show"]).await.unwrap();
    for more in [&["--l2-population=false"][..], &["--l2-population=false", "--arp-responder", "--check-config"]] {
        let ended = host.start_control_agent(&agents(more)).unwrap();
        let reason = end_of(&ended).await;
        assert!(reason.contains("arp_responder needs l2_population"), "{reason}");
    }
    assert_eq!(host.vsctl(["show"]).await.unwrap(), before, "nothing was touched");

    host.start_control_agent(&agents(&["--l2-population=false", "--arp-responder=false"])).unwrap();
    until("compute1 is registered", async || overlay.rest.list("agent", "").await.unwrap().len() == 1).await;
}

/// compute2 claims compute1's tunnel endpoint: the server refuses it, and both it and the agent say why, naming the host
/// that has it. compute1 and its ports do not notice. With an address of its own compute2 is admitted.
#[tokio::test]
async fn a_tunnel_endpoint_in_use_is_refused_at_start() {
    let overlay = Overlay::without_agents(TestLab::of_two("rip").await).await;
    let (one, two) = (overlay.at("compute1"), overlay.at("compute2"));
    one.start_control_agent(&ControlSpec::default()).unwrap();
    until("compute1 is registered", async || overlay.rest.list("agent", "").await.unwrap().len() == 1).await;

    let claims = two.start_control_agent(&agents(&["--local-ip=10.0.1.31"])).unwrap();
    let reason = "host compute2 claims the tunnel endpoint 10.0.1.31, which host compute1 has";
    until("the agent says why", async || claims.log().contains(reason)).await;
    let server = overlay.server().process("server").unwrap().unwrap();
    assert!(server.log().contains(reason), "the server says so too");
    let known = overlay.rest.list("agent", "").await.unwrap();
    assert_eq!(known.iter().map(|agent| &agent["host"]).collect::<Vec<_>>(), ["compute1"]);
    assert_eq!(known[0]["alive"], true);
    let report = overlay.report().await;
    assert_eq!((&report["hosts"][0]["name"], &report["hosts"][0]["connected"]), (&"compute1".into(), &true.into()));

    // With an address of its own.
    if claims.is_alive() {
        claims.stop().await.unwrap();
    }
    two.start_control_agent(&ControlSpec::default()).unwrap();
    overlay.until_in_step().await;
}

/// `--check-config` refuses what the start would, with the same words, and starts nothing. The control: right settings.
#[test]
fn check_config_refuses_what_the_start_refuses() {
    let culvert = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_culvert")).args(args).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let server = ["server", "--database=/dev/null/none"];
    let agent = ["agent", "--local-ip=10.0.1.31"];
    let same_port = ["--api-listen=127.0.0.1:9700", "--agents-listen=127.0.0.1:9700"];
    for (daemon, wrong, reason) in [
        (&server[..], &["--log=a=b=c"][..], "is not a filter for the log"),
        (&server, &same_port, "REST and agents need a port each"),
        (&server, &["--api-listen=0.0.0.0:9696"], "is not a loopback address"),
        (&agent, &["--log=a=b=c"], "is not a filter for the log"),
        (&agent, &["--static-file=/none/static.toml"], "/none/static.toml"),
    ] {
        let args = [daemon, wrong].concat();
        let (started, checked) = (culvert(&args), culvert(&[&args[..], &["--check-config"]].concat()));
        assert_eq!(started, checked, "{args:?}");
        assert!(!checked.0 && checked.2.contains(reason), "{checked:?}");
    }
    for right in [server, agent] {
        let right = culvert(&[&right[..], &["--check-config", "--log=info,server=debug"]].concat());
        assert_eq!(right, (true, "the settings are right\n".to_owned(), String::new()));
    }
}

/// What a process said that ended with an error by itself.
async fn end_of(process: &Process) -> String {
    assert!(process.ended_within(Duration::from_secs(20)).await, "it runs");
    let log = process.log();
    assert!(log.lines().any(|line| line.starts_with("error: ")), "{log}");
    log
}
