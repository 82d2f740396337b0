//! Agents by the thousand, without switches, on one real server: what an event costs, and how long it takes to reach all
//! whom it concerns.

mod agent;
mod bare;
mod cloud;

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use directory::Sum;
use model::PortId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

use crate::machine::resident;
use crate::memory::mib;
use crate::report::{Figure, Report, Verdict};
use crate::rest::Api;
use crate::samples::{Samples, ms};
use crate::site::{DEADLINE, Site};
use agent::{Agent, Command, Confirmed, Heard};
use cloud::Cloud;

/// How large the cloud is.
#[derive(Debug, Clone, Copy)]
struct Size {
    hosts: usize,
    networks: usize,
    ports: usize,
    /// Networks with a port on each of 30 hosts.
    of_thirty: usize,
}

const SIZE: Size = Size { hosts: 1000, networks: 1000, ports: 30_000, of_thirty: 20 };
/// Changes of one port's address, one after the other.
const CHANGES: usize = 100;
/// How long agents wait at most before they come back, each its own time.
const JITTER: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(10);

struct Swarm {
    api: Api,
    cloud: Cloud,
    agents: Vec<Agent>,
    confirmed: UnboundedReceiver<Confirmed>,
}

pub(crate) async fn measure(site: &Site, seed: u64, report: &mut Report) -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let directory = tempfile::tempdir_in(&site.directory)?;
    let mut swarm = Swarm::start(Api::start(site, directory.path()).await?, seed).await?;
    swarm.fan_out(1, 30, report).await?;
    swarm.fan_out(0, SIZE.hosts, report).await?;
    swarm.reconnect(seed, report).await?;
    swarm.idle(report).await?;
    swarm.api.stop().await
}

impl Swarm {
    async fn start(api: Api, seed: u64) -> anyhow::Result<Swarm> {
        let (sender, confirmed) = unbounded_channel();
        let agents = (0..SIZE.hosts).map(|index| Agent::start(api.agents.clone(), index, sender.clone()));
        let agents: Vec<Agent> = agents.collect::<Result<_, _>>()?;
        until("every agent is in sync", || agents.iter().all(|agent| agent.in_sync().is_some())).await?;
        let mut random = StdRng::seed_from_u64(seed);
        let cloud = Cloud::create(&api, SIZE, |below| random.random_range(0..below)).await?;
        for (host, agent) in agents.iter().enumerate() {
            agent.command(Command::Plug(cloud.ports_of_host(host)));
        }
        let ports = cloud.ports.len();
        until("every port is wired", || agents.iter().map(Agent::wired).sum::<usize>() == ports).await?;
        let swarm = Swarm { api, cloud, agents, confirmed };
        swarm.until_right().await?;
        Ok(swarm)
    }

    /// Every agent holds what follows from the answers of the REST API alone.
    async fn until_right(&self) -> anyhow::Result<()> {
        let expected = self.cloud.expected(SIZE.hosts);
        let held = |agent: &Agent| -> BTreeMap<_, Sum> {
            agent.holdings().into_iter().map(|holding| (holding.network, holding.sum)).collect()
        };
        let right = || self.agents.iter().zip(&expected).all(|(agent, expected)| held(agent) == *expected);
        let reached = until("every agent holds what it must", right).await;
        let wrong = self.agents.iter().zip(&expected).filter(|(agent, expected)| held(agent) != **expected).count();
        reached.with_context(|| format!("{wrong} of {} agents hold something else", self.agents.len()))
    }

    fn heard(&self) -> Heard {
        self.agents.iter().map(Agent::heard).fold(Heard::default(), |sum, heard| Heard {
            messages: sum.messages + heard.messages,
            snapshots: sum.snapshots + heard.snapshots,
        })
    }

    /// From the answer to a change of a port until the last of the hosts concerned has received and confirmed it.
    async fn fan_out(&mut self, network: usize, hosts: usize, report: &mut Report) -> anyhow::Result<()> {
        let bare = bare::fan_out(hosts - 1, CHANGES).await?;
        let of_network = |(_, port): &(&PortId, &cloud::Port)| port.network == network;
        let port = *self.cloud.ports.iter().find(of_network).context("a network without ports")?.0;
        while self.confirmed.try_recv().is_ok() {}
        let (mut took, before) = (Samples::default(), self.heard());
        for change in 0..CHANGES {
            let ip = format!("10.200.{}.{}", change % 2, 1 + change % 250);
            self.cloud.readdress(&self.api, port, &ip).await?;
            let answered = Instant::now();
            let mut last = answered;
            // All but the port's own.
            for confirmed in collect(&mut self.confirmed, hosts - 1).await.context("not every agent has confirmed")? {
                ensure!(confirmed.ports == [port], "agent {} heard of something else", confirmed.agent);
                last = last.max(confirmed.at);
            }
            took.add(last - answered);
        }
        self.until_right().await?;
        let messages = self.heard().messages - before.messages;
        let per_change = messages as f64 / CHANGES as f64;
        let (most, target) = if hosts == SIZE.hosts {
            (3 * bare.median(), "≤ 3 × bare TCP".to_owned())
        } else {
            (Duration::from_millis(5), "p50 ≤ 5 ms, p99 ≤ 25 ms".to_owned())
        };
        let quick = hosts == SIZE.hosts || took.percentile(99) <= Duration::from_millis(25);
        report.add(Figure {
            what: format!(
                "a port's change → confirmed by all {hosts} hosts of its network, of {}; {} ports, {CHANGES} changes",
                SIZE.hosts,
                self.cloud.ports.len()
            ),
            value: format!(
                "p50 {}, p99 {}; {per_change:.1} messages a change",
                ms(took.median()),
                ms(took.percentile(99))
            ),
            reference: format!("bare TCP to as many: p50 {}", ms(bare.median())),
            ratio: Some(took.median().as_secs_f64() / bare.median().as_secs_f64()),
            target: format!("{target}; at most one message a host, none to others"),
            verdict: Verdict::of(took.median() <= most && quick && messages <= (CHANGES * hosts) as u64),
        });
        Ok(())
    }

    /// All streams end, and all agents come back; nothing has changed.
    async fn reconnect(&mut self, seed: u64, report: &mut Report) -> anyhow::Result<()> {
        let before = self.heard();
        let mut random = StdRng::seed_from_u64(seed);
        let mut first = JITTER;
        let began = Instant::now();
        for agent in &self.agents {
            let wait = JITTER.mul_f64(random.random_range(0.0..1.0));
            first = first.min(wait);
            agent.command(Command::Reconnect(wait));
        }
        until("every agent is back", || self.agents.iter().all(|agent| agent.in_sync().is_some_and(|at| at >= began)))
            .await?;
        let last = self.agents.iter().filter_map(Agent::in_sync).max().unwrap_or(began);
        let took = (last - began).saturating_sub(first);
        self.until_right().await?;
        let after = self.heard();
        let snapshots = after.snapshots - before.snapshots;
        report.add(Figure {
            what: format!(
                "{} agents reconnect within {JITTER:?}, nothing has changed → the last is in sync",
                SIZE.hosts
            ),
            value: format!(
                "{}; {} messages, {snapshots} of them parts of snapshots",
                ms(took),
                after.messages - before.messages
            ),
            reference: "quoted: 8–30 s (OVSDB, 250–500 clients)".to_owned(),
            ratio: None,
            target: "≤ 2 s, no snapshots".to_owned(),
            verdict: Verdict::of(took <= Duration::from_secs(2) && snapshots == 0),
        });
        Ok(())
    }

    async fn idle(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let pid = self.api.pid()?;
        let (before, began) = (cpu(pid)?, Instant::now());
        sleep(IDLE).await;
        let share = cpu(pid)?.saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
        report.add(Figure {
            what: format!("the server with {} agents and {} ports, idle", SIZE.hosts, self.cloud.ports.len()),
            value: format!("{:.1} % of a core; {}", share * 100.0, mib(resident(pid)?)),
            reference: "–".to_owned(),
            ratio: None,
            target: "≤ 2 % of a core".to_owned(),
            verdict: Verdict::of(share <= 0.02),
        });
        Ok(())
    }
}

/// The tunnel endpoint of a host of the swarm.
fn endpoint(host: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a80_0001 + host)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + 2 * DEADLINE;
    while !holds() {
        if Instant::now() > deadline {
            bail!("this has not come about: {what}");
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The next so many. Looks for them now and then: to be woken by each would cost as much as what is measured.
async fn collect<T>(receiver: &mut UnboundedReceiver<T>, count: usize) -> anyhow::Result<Vec<T>> {
    let (mut all, began) = (Vec::with_capacity(count), Instant::now());
    while all.len() < count {
        match receiver.try_recv() {
            Ok(next) => all.push(next),
            Err(TryRecvError::Disconnected) => bail!("the swarm has ended"),
            Err(TryRecvError::Empty) if began.elapsed() > DEADLINE => bail!("{} of {count} came", all.len()),
            Err(TryRecvError::Empty) => sleep(Duration::from_millis(1)).await,
        }
    }
    Ok(all)
}

/// What a process has used of the processors so far, in hundredths of a second (`utime` and `stime`, proc(5)).
fn cpu(pid: i32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    // The name before it may hold anything, spaces too.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).context("not as in proc(5)");
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}
