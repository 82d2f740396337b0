//! From the moment a restarted `ovs-vswitchd` forwards at all until all flows are back, beside what it needs itself for these
//! flows.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use lab::Daemon;

use crate::plugged::plug;
use crate::replay::{beside_replays, replay};
use crate::report::Report;
use crate::samples::Samples;
use crate::site::{DEADLINE, Site, start_agent, until_flows};
use crate::snapshot::record;
use crate::stand_in::StandIn;
use crate::world::{LOCAL_PORT, World};

const WORLD: World = World { ports: 10_000, peers: 50 };
const MOST_TO_REPLAY: f64 = 1.2;

pub(crate) async fn measure(site: &Site, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let lab = site.lab(1).await?;
    let host = lab.host("compute1")?;
    let recorded = record(site, &host, WORLD).await?;
    let mut server = StandIn::start(&host, WORLD).await?;
    let agent = start_agent(&host, &server, &[])?;
    until_flows(&host, "br-tun", |count| count > 5).await?;
    plug(&host, "tap0", "internal", LOCAL_PORT)?;
    server.confirmed().await?;
    let all = 2 * u64::from(WORLD.ports);
    let measured = beside_replays(&recorded, async || {
        let (mut outages, mut replays) = (Samples::default(), Samples::default());
        for _ in 0..runs {
            host.kill(Daemon::Vswitchd).await?;
            let forwards = tokio::task::spawn_blocking({
                let socket = host.rundir().join("br-tun.mgmt");
                move || until_answers(&socket)
            });
            host.start(Daemon::Vswitchd).await?;
            let forwards = forwards.await??;
            until_flows(&host, "br-tun", |count| count >= all).await?;
            outages.add(forwards.elapsed());
            replays.add(replay(&host, &recorded).await?);
        }
        Ok((outages, replays))
    })
    .await?;
    agent.stop().await?;
    let what =
        format!("ovs-vswitchd restarted, {} remote ports: br-tun there → all flows back, {runs} runs", WORLD.ports);
    report.add(measured.figure(&what, &recorded, MOST_TO_REPLAY, None));
    Ok(())
}

/// When the bridge took its first connection: from then on flows can be set. The socket that a killed one left takes none.
fn until_answers(socket: &Path) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + DEADLINE;
    while UnixStream::connect(socket).is_err() {
        if Instant::now() > deadline {
            bail!("br-tun has not come back within {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(Instant::now())
}
