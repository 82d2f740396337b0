//! The server alone, on a disk of this machine: its memory, and ports created one at a time.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::machine::resident;
use crate::memory::mib;
use crate::report::{Figure, Verdict};
use crate::samples::{Samples, ms};
use crate::site::{DEADLINE, Site};

const MOST_IDLE: u64 = 40 << 20;
const LEAST_RATE: f64 = 500.0;
/// Bare commits to compare with, before and after.
const BARE: usize = 500;

pub(crate) async fn measure(site: &Site, creates: usize) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let directory = tempfile::tempdir_in(&site.directory)?;
    let api = Api::start(site, directory.path()).await?;
    let Api { client, url, .. } = &api;
    let pid = api.pid()?;
    let idle = resident(pid)?;
    figures.push(Figure {
        what: "server's memory, idle (RSS)".to_owned(),
        value: mib(idle),
        reference: "quoted: Neutron's server 817 MB in five processes, broker and database besides".to_owned(),
        ratio: None,
        target: format!("≤ {}", mib(MOST_IDLE)),
        verdict: Verdict::of(idle <= MOST_IDLE),
    });

    let network = create(client, url, "network", json!({})).await?["id"].clone();
    let subnet = json!({ "network_id": network, "ip_version": 4, "cidr": "10.0.0.0/8" });
    create(client, url, "subnet", subnet).await?;
    let before = bare_commits(directory.path())?;
    let mut times = Samples::default();
    let started = Instant::now();
    for _ in 0..creates {
        let sent = Instant::now();
        create(client, url, "port", json!({ "network_id": network })).await?;
        times.add(sent.elapsed());
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    let bare = f64::midpoint(before, bare_commits(directory.path())?);
    figures.push(Figure {
        what: format!("ports created over REST, one at a time, each durable; {creates} of them"),
        value: format!("{rate:.0}/s (p50 {}, p99 {})", ms(times.median()), ms(times.percentile(99))),
        reference: format!("appends of 8 KiB with fdatasync: {bare:.0}/s; quoted: Neutron 1.3–2.9/s"),
        ratio: Some(rate / bare),
        target: format!("≥ {LEAST_RATE}/s"),
        verdict: Verdict::of(rate >= LEAST_RATE),
    });
    figures.push(Figure {
        what: format!("server's memory with {creates} ports"),
        value: mib(resident(pid)?),
        reference: "–".to_owned(),
        ratio: None,
        target: "–".to_owned(),
        verdict: Verdict::Shown,
    });
    Ok(figures)
}

/// A server and a client of its API. The server ends with this.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) client: Client,
    /// Of the resources: `…/v2.0`.
    pub(crate) url: String,
    /// Where agents connect.
    pub(crate) agents: String,
    server: Child,
}

impl Api {
    /// With the database of this directory.
    pub(crate) async fn start(site: &Site, directory: &Path) -> anyhow::Result<Api> {
        let (at, port, agents) = (directory.display(), free_port()?, format!("127.0.0.1:{}", free_port()?));
        let server = Command::new(&site.culvert)
            .args(["server", "--config=/dev/null", "--log=warn"])
            .arg(format!("--api-listen=127.0.0.1:{port}"))
            .arg(format!("--agents-listen={agents}"))
            .arg(format!("--database={at}/culvert.db"))
            .arg(format!("--run-dir={at}"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let client = Client::builder().no_proxy().timeout(DEADLINE).build()?;
        let url = format!("http://127.0.0.1:{port}/v2.0");
        until_ready(&client, &url).await?;
        Ok(Api { client, url, agents, server })
    }

    pub(crate) fn pid(&self) -> anyhow::Result<i32> {
        Ok(self.server.id().context("the server has ended")?.try_into()?)
    }

    /// Ends the server, so that its database is whole and nobody's.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.server.kill().await.context("cannot end the server")
    }
}

async fn until_ready(client: &Client, url: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while client.get(format!("{url}/extensions")).send().await.is_err() {
        if Instant::now() > deadline {
            bail!("the server does not answer");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

pub(crate) async fn create(client: &Client, url: &str, kind: &str, attributes: Value) -> anyhow::Result<Value> {
    let path = kind.replace('_', "-");
    let response = client.post(format!("{url}/{path}s")).json(&json!({ kind: attributes })).send().await?;
    let mut answer: Value = response.error_for_status()?.json().await?;
    Ok(answer[kind].take())
}

/// One that nothing listens on now.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What a commit costs the disk at the least, as a rate: about the bytes that one adds to the log, made durable.
fn bare_commits(directory: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(directory.join("bare"))?;
    let started = Instant::now();
    for _ in 0..BARE {
        file.write_all(&[7; 8192])?;
        file.sync_data()?;
    }
    Ok(BARE as f64 / started.elapsed().as_secs_f64())
}
