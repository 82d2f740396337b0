//! From the snapshot of a network to its flows in Open vSwitch, beside what Open vSwitch itself needs for these flows.

use std::time::{Duration, Instant};

use anyhow::bail;
use lab::Host;

use crate::plugged::plug;
use crate::recorder::{Recorded, Recorder};
use crate::replay::{beside_replays, replay};
use crate::report::{Figure, Report, Verdict};
use crate::samples::{Samples, ms};
use crate::site::{Site, start_agent, until_flows};
use crate::stand_in::StandIn;
use crate::world::{LOCAL_PORT, World};

const MOST_TO_REPLAY: f64 = 1.5;
const MOST_TO_START: Duration = Duration::from_secs(1);
/// The bridges' own flows, and what is a network's rather than a port's.
const BASE_FLOWS: u64 = 100;

pub(crate) async fn measure(site: &Site, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    for peers in [1, 50] {
        let world = World { ports: 5000, peers };
        let lab = site.lab(1).await?;
        let host = lab.host("compute1")?;
        let recorded = record(site, &host, world).await?;
        snapshots(&host, world, &recorded, runs, report).await?;
        if peers == 50 {
            starts(&host, world, runs, report).await?;
        }
    }
    Ok(())
}

/// What an agent sends for this world, from an agent that is not timed.
pub(crate) async fn record(site: &Site, host: &Host, world: World) -> anyhow::Result<Recorded> {
    let directory = tempfile::tempdir_in(&site.directory)?;
    let recorder = Recorder::between(host, directory.path())?;
    let mut server = StandIn::start(host, world).await?;
    let agent = start_agent(host, &server, &[format!("--ovs-rundir={}", directory.path().display())])?;
    until_flows(host, "br-tun", |count| count > 5).await?;
    plug(host, "tap0", "internal", LOCAL_PORT)?;
    server.confirmed().await?;
    agent.stop().await?;
    let recorded = recorder.recorded();
    if recorded.count < 2 * world.ports as usize {
        bail!("the agent sent {} flow-mods for {} ports", recorded.count, world.ports);
    }
    unplug(host).await?;
    clear(host).await?;
    Ok(recorded)
}

async fn snapshots(
    host: &Host,
    world: World,
    recorded: &Recorded,
    runs: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut server = StandIn::start(host, world).await?;
    let agent = start_agent(host, &server, &[])?;
    let measured = beside_replays(recorded, async || {
        let (mut snapshots, mut replays) = (Samples::default(), Samples::default());
        for _ in 0..runs {
            until_flows(host, "br-tun", |count| (5..BASE_FLOWS).contains(&count)).await?;
            server.forget();
            plug(host, "tap0", "internal", LOCAL_PORT)?;
            let (began, confirmed) = server.confirmed().await?;
            snapshots.add(confirmed - began);
            // The agent says that all is in; the switch must say so too.
            until_flows(host, "br-tun", |count| count >= 2 * u64::from(world.ports)).await?;
            unplug(host).await?;
            until_flows(host, "br-tun", |count| count < BASE_FLOWS).await?;
            replays.add(replay(host, recorded).await?);
        }
        Ok((snapshots, replays))
    })
    .await?;
    agent.stop().await?;
    unplug(host).await?;
    clear(host).await?;
    let what = format!("snapshot of {} ports on {} hosts → last barrier, {runs} runs", world.ports, world.peers);
    report.add(measured.figure(&what, recorded, MOST_TO_REPLAY, Some("Neutron 31–44 s, OVN 4.2 s for 10,000 ports")));
    Ok(())
}

async fn starts(host: &Host, world: World, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut server = StandIn::start(host, world).await?;
    plug(host, "tap0", "internal", LOCAL_PORT)?;
    let (mut cold, mut warm) = (Samples::default(), Samples::default());
    for _ in 0..runs {
        clear(host).await?;
        for samples in [&mut cold, &mut warm] {
            server.forget();
            let started = Instant::now();
            let agent = start_agent(host, &server, &[])?;
            let (_, confirmed) = server.confirmed().await?;
            samples.add(confirmed - started);
            until_flows(host, "br-tun", |count| count >= 2 * u64::from(world.ports)).await?;
            agent.stop().await?;
        }
    }
    unplug(host).await?;
    let figure = |what: &str, samples: &Samples| Figure {
        what: format!("agent's start → the same state, {what}, {runs} runs"),
        value: samples.spread(),
        reference: "–".to_owned(),
        ratio: None,
        target: format!("≤ {}", ms(MOST_TO_START)),
        verdict: Verdict::of(samples.percentile(100) <= MOST_TO_START),
    };
    report.add(figure("nothing there but the port", &cold));
    report.add(figure("all there already", &warm));
    Ok(())
}

async fn unplug(host: &Host) -> anyhow::Result<()> {
    host.vsctl(["--if-exists", "del-port", "br-int", "tap0"]).await?;
    Ok(())
}

/// Takes away all that an agent made. None must run.
async fn clear(host: &Host) -> anyhow::Result<()> {
    host.vsctl("--if-exists del-br br-tun -- --if-exists del-port br-int patch-tun".split(' ')).await?;
    host.del_flows("br-int", "").await?;
    Ok(())
}
