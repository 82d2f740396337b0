use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use lab::{ControlSpec, Host, HostSpec, Lab, Process, Spec};
use openflow::connection::{Connection, Options, Target};

use crate::stand_in::StandIn;

/// What is measured, and where labs and databases are to lie.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) culvert: PathBuf,
    pub(crate) directory: PathBuf,
}

/// A lab that is removed when this goes out of scope.
#[derive(Debug)]
pub(crate) struct BenchLab(Lab);

/// How long anything may take before the benchmark is given up.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

impl Site {
    /// A lab of the first so many hosts of the reference scenario; one that an earlier run left is removed.
    pub(crate) async fn lab(&self, hosts: usize) -> anyhow::Result<BenchLab> {
        let mut spec = Spec::new("bench".parse()?)?;
        (spec.base, spec.culvert) = (self.directory.join("labs"), self.culvert.clone());
        spec.hosts = [("compute1", 31), ("compute2", 39), ("network", 21)]
            .into_iter()
            .take(hosts)
            .map(|(name, last)| HostSpec::new(name, last))
            .collect::<Result<_, _>>()?;
        // That there was none is no error.
        let _ = lab::down(&spec.base, &spec.name);
        Ok(BenchLab(Lab::up(&spec).await?))
    }
}

impl Deref for BenchLab {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.0
    }
}

impl Drop for BenchLab {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            eprintln!("{error}");
        }
    }
}

/// Starts the host's agent for a server of the benchmark's own; the one that ran before must have been stopped.
pub(crate) fn start_agent(host: &Host, server: &StandIn, more: &[String]) -> anyhow::Result<Process> {
    static STARTS: AtomicU32 = AtomicU32::new(0);
    // Nothing of an earlier start: what the stand-in sends to an agent that holds nothing is what is measured.
    let state_dir = host.rundir().join(format!("agent{}", STARTS.fetch_add(1, Ordering::Relaxed)));
    let mut agents = vec![format!("--server={}", server.address), format!("--state-dir={}", state_dir.display())];
    agents.extend_from_slice(more);
    Ok(host.start_control_agent(&ControlSpec { agents, ..ControlSpec::default() })?)
}

/// How many flows a bridge has, as it says itself; zero if there is no bridge.
pub(crate) async fn flows(host: &Host, bridge: &str) -> anyhow::Result<u64> {
    let socket = host.rundir().join(format!("{bridge}.mgmt"));
    let Ok((connection, _events)) = Connection::open(&Target::Unix(socket), Options::default()).await else {
        return Ok(0);
    };
    count(&connection).await
}

/// By its tables: to ask for a sum over all flows would keep the switch from what is measured.
async fn count(connection: &Connection) -> anyhow::Result<u64> {
    Ok(connection.table_stats().await?.iter().map(|table| u64::from(table.active)).sum())
}

/// Waits until a bridge has so many flows as the condition asks.
pub(crate) async fn until_flows(host: &Host, bridge: &str, fits: impl Fn(u64) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let count = flows(host, bridge).await?;
        if fits(count) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{bridge} of {} still has {count} flows", host.name());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
