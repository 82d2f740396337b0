//! Open vSwitch's database is deleted: what is the agent's comes back by itself, what is others' is named.

use std::process::Command;

use serde_json::json;

use crate::inspect::{LEARNED, rows};
use crate::observer::Pair;
use crate::overlay::{Overlay, Port, until, until_equal};

/// Once while the agent runs, then while it does not: what was there it has from its disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_deleted_is_made_again_and_ports_come_back_when_they_are_plugged() {
    let Pair { overlay, agents, one, two, .. } = Pair::up("lostdb").await;
    let (agent, host) = (&agents[0], overlay.at("compute1"));
    let flows = async || {
        // How many: their VLAN is another one then, for the one that was freed is the last to be used again.
        rows(&host, "br-tun", &[]).await.iter().filter(|row| !row.contains(LEARNED)).count()
    };
    let before = flows().await;
    assert_eq!(agent.status()["missing"], json!([]));

    for (times, runs) in [(1, true), (2, false)] {
        if !runs {
            agent.stop_agent().await;
        }
        host.lose_database().await.unwrap();
        if !runs {
            agent.start_agent();
        }
        agent.until_compared().await;
        until_equal("the port is missing", async || Some((agent.status()["missing"].clone(), json!([one.id])))).await;
        overlay.until_in_step().await;
        until("status names it", async || lost(&overlay, &one).await).await;
        let why = waited(&overlay, &one);
        assert!(why.contains("plugged on compute1") && why.contains(LOST), "{why}");
        assert!(rows(&host, "br-int", &[]).await.len() > 2 && rows(&host, "br-tun", &[]).await.len() > 64);
        overlay.until_status(&one, "DOWN").await;
        let log = agent.agent().log();
        let said = log.lines().filter(|line| line.contains("lost its database")).collect::<Vec<_>>();
        assert!(said.len() == times && said.iter().all(|line| line.contains(&one.id)), "{said:?}\n{log}");

        overlay.unplug(&one.vm).await.unwrap();
        overlay.plug_port(&one).await;
        overlay.until_status(&one, "ACTIVE").await;
        until_equal("all flows are back", async || Some((flows().await, before))).await;
        assert!(overlay.ping(&one, &two, 2).await.0 && overlay.ping(&two, &one, 2).await.0);
        assert_eq!(agent.status()["missing"], json!([]));
        assert!(!lost(&overlay, &one).await);
    }

    // The control: a port that is unplugged is not missing.
    overlay.unplug(&one.vm).await.unwrap();
    overlay.until_status(&one, "DOWN").await;
    assert_eq!(agent.status()["missing"], json!([]));
    assert!(!lost(&overlay, &one).await);
    let why = waited(&overlay, &one);
    assert!(why.contains("plugged on compute1") && !why.contains(LOST), "{why}");
    overlay.check_control().unwrap();
}

const LOST: &str = "went with the database of Open vSwitch";

/// Whether `culvert status` says so of the port.
async fn lost(overlay: &Overlay, port: &Port) -> bool {
    let problems = overlay.report_of(port).await["problems"].clone();
    problems.as_array().unwrap().iter().any(|problem| problem["reason"].as_str().unwrap().contains(LOST))
}

/// What `culvert wait` says of a port that is confirmed nowhere.
fn waited(overlay: &Overlay, port: &Port) -> String {
    let socket = overlay.admin_socket();
    let mut wait = Command::new(env!("CARGO_BIN_EXE_culvert"));
    let waited = wait.args(["wait", "--timeout=0", "--port", &port.id, "--socket"]).arg(socket).output().unwrap();
    assert!(!waited.status.success());
    String::from_utf8(waited.stderr).unwrap()
}
