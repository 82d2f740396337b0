//! What the agent takes of memory: with nothing to do, and for each remote port.

use std::time::Duration;

use crate::machine::resident;
use crate::plugged::plug;
use crate::report::{Figure, Report, Verdict};
use crate::site::{Site, start_agent, until_flows};
use crate::stand_in::StandIn;
use crate::world::{LOCAL_PORT, World};

const FEW: u32 = 10_000;
const MANY: u32 = 100_000;
const MOST_IDLE: u64 = 20 << 20;
const MOST_PER_PORT: f64 = 300.0;
/// Not for an event: so that what is left of the work is over, and the allocator has given back what it gives back.
const REST: Duration = Duration::from_secs(2);

pub(crate) async fn measure(site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let (idle, few) = resident_with(site, FEW).await?;
    let (_, many) = resident_with(site, MANY).await?;
    report.add(Figure {
        what: "agent's memory, idle (RSS)".to_owned(),
        value: mib(idle),
        reference: "quoted: Neutron's agent 172 MB".to_owned(),
        ratio: None,
        target: format!("≤ {}", mib(MOST_IDLE)),
        verdict: Verdict::of(idle <= MOST_IDLE),
    });
    let slope = (many as f64 - few as f64) / f64::from(MANY - FEW);
    report.add(Figure {
        what: format!("agent's memory for each remote port, {FEW} → {MANY} ports on 50 hosts"),
        value: format!("{slope:.0} B ({} → {})", mib(few), mib(many)),
        reference: "–".to_owned(),
        ratio: None,
        target: format!("≤ {MOST_PER_PORT} B"),
        verdict: Verdict::of(slope <= MOST_PER_PORT),
    });
    Ok(())
}

/// An agent's memory before it knows any port, and when it has programmed so many.
async fn resident_with(site: &Site, ports: u32) -> anyhow::Result<(u64, u64)> {
    let lab = site.lab(1).await?;
    let host = lab.host("compute1")?;
    let mut server = StandIn::start(&host, World { ports, peers: 50 }).await?;
    let agent = start_agent(&host, &server, &[])?;
    until_flows(&host, "br-tun", |count| count > 5).await?;
    tokio::time::sleep(REST).await;
    let idle = resident(agent.pid())?;
    plug(&host, "tap0", "internal", LOCAL_PORT)?;
    server.confirmed().await?;
    until_flows(&host, "br-tun", |count| count >= 2 * u64::from(ports)).await?;
    tokio::time::sleep(REST).await;
    Ok((idle, resident(agent.pid())?))
}

/// `12.3 MiB`.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
