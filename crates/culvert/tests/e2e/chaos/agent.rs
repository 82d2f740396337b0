//! "Agent killed (`kill -9`), upgraded: no packet lost at 1 ms probes; on return no flow-mod unless something changed."

use std::path::Path;

use model::TunnelType;
use serde_json::Value;
use tokio::process::Command;

use super::rig::Rig;
use crate::observer::Observed;
use crate::overlay::until;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_or_upgraded_loses_nothing_and_writes_nothing() {
    let rig = Rig::up("c_agent", TunnelType::Vxlan).await;
    rig.during("nothing", async |probes| rig.pass(probes, 1000).await).await.is_untouched();

    let killed = rig.during("agent killed", async |probes| {
        for host in &rig.hosts {
            host.kill_agent().await;
        }
        rig.pass(probes, 500).await;
        rig.hosts.iter().for_each(Observed::start_agent);
        rig.settle().await;
        rig.pass(probes, 500).await;
    });
    killed.await.is_untouched();

    // The next version: this one's binary, with another number in it.
    let directory = tempfile::tempdir().unwrap();
    let next = directory.path().join("culvert");
    renumber(Path::new(env!("CARGO_BIN_EXE_culvert")), &next).await;
    let upgraded = rig.during("agent upgraded", async |probes| {
        for host in &rig.hosts {
            host.stop_agent().await;
            host.start_agent_from(&next);
            rig.pass(probes, 200).await;
        }
        until("all agents are of the next version", async || {
            let report = rig.report().await;
            let is_next = |host: &Value| host["software"] == format!("culvert {NEXT}");
            report["hosts"].as_array().unwrap().iter().all(is_next)
        })
        .await;
        rig.settle().await;
        rig.pass(probes, 500).await;
    });
    upgraded.await.is_untouched();
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// As long as this version's number.
const NEXT: &str = "9.9.9";

async fn renumber(binary: &Path, copy: &Path) {
    let now = env!("CARGO_PKG_VERSION");
    assert_eq!(now.len(), NEXT.len(), "a number of another length would move what follows it");
    std::fs::copy(binary, copy).unwrap();
    let script = format!("s/culvert {}/culvert {NEXT}/g", now.replace('.', "\\."));
    let sed = Command::new("sed").env("LC_ALL", "C").args(["-i", &script]).arg(copy).status().await.unwrap();
    assert!(sed.success());
}
