//! All flows of a bridge read and compared with what they should be, with nothing to put right: what that costs the agent.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::bail;
use lab::Host;
use serde_json::Value;

use crate::machine::{forget_peak, peak, processor_time, resident};
use crate::memory::mib;
use crate::plugged::plug;
use crate::recorder::Recorder;
use crate::report::{Figure, Report, Verdict};
use crate::samples::{Samples, ms};
use crate::site::{DEADLINE, Site, flows, start_agent, until_flows};
use crate::stand_in::StandIn;
use crate::world::{LOCAL_PORT, World};

/// Remote ports; two flows each.
const PORTS: u32 = 50_000;
const MOST_TIME: Duration = Duration::from_secs(1);
/// Above what the agent has anyway: as much as it takes to hold the flows once more.
const MOST_MEMORY: u64 = 16 << 20;

pub(crate) async fn measure(site: &Site, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let lab = site.lab(1).await?;
    let host = lab.host("compute1")?;
    let directory = tempfile::tempdir_in(&site.directory)?;
    let recorder = Recorder::between(&host, directory.path())?;
    let mut server = StandIn::start(&host, World { ports: PORTS, peers: 50 }).await?;
    let agent = start_agent(&host, &server, &[format!("--ovs-rundir={}", directory.path().display())])?;
    until_flows(&host, "br-tun", |count| count > 5).await?;
    plug(&host, "tap0", "internal", LOCAL_PORT)?;
    server.confirmed().await?;
    until_flows(&host, "br-tun", |count| count >= 2 * u64::from(PORTS)).await?;
    until_settled(&host).await?;

    let (before, sent) = (resident(agent.pid())?, recorder.recorded().count);
    forget_peak(agent.pid())?;
    let mut times = Samples::default();
    for _ in 0..runs {
        let (began, dumps) = (processor_time(agent.pid())?, recorder.recorded().dumps);
        recorder.cut();
        until("the agent reads all flows anew", || recorder.recorded().dumps > dumps).await?;
        until_settled(&host).await?;
        times.add(processor_time(agent.pid())?.saturating_sub(began));
    }
    let above = peak(agent.pid())?.saturating_sub(before);
    let more = recorder.recorded().count - sent;

    // What is not as it should be is found, and what is sent for it is counted here.
    host.del_flows("br-tun", "table=20,dl_dst=fa:16:3e:00:00:01").await?;
    until("a flow that was deleted by hand is sent again", || recorder.recorded().count > sent + more).await?;

    let compared = flows(&host, "br-tun").await?;
    report.add(Figure {
        what: format!("agent's comparison of {compared} flows on br-tun, none of which differs: CPU, {runs} runs"),
        value: format!("{} (user and system)", times.spread()),
        reference: format!("flow-mods sent: {more}"),
        ratio: None,
        target: format!("≤ {}, and nothing sent", ms(MOST_TIME)),
        verdict: Verdict::of(times.percentile(100) <= MOST_TIME && more == 0),
    });
    report.add(Figure {
        what: "the same: the agent's memory at its peak, above what it had".to_owned(),
        value: format!("{} ({} before)", mib(above), mib(before)),
        reference: "–".to_owned(),
        ratio: None,
        target: format!("≤ {}", mib(MOST_MEMORY)),
        verdict: Verdict::of(above <= MOST_MEMORY),
    });
    Ok(())
}

/// Waits until the agent says that all is read, compared and confirmed.
async fn until_settled(host: &Host) -> anyhow::Result<()> {
    let socket = host.agent_socket();
    let status = || serde_json::from_reader::<_, Value>(UnixStream::connect(&socket).ok()?).ok();
    until("the agent has settled", || status().is_some_and(|status| status["settled"] == true)).await
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        if Instant::now() > deadline {
            bail!("in vain: {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
