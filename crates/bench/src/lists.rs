//! Bulk creations and reads over REST, and how reads grow with what is in the database.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::report::{Figure, Report, Verdict};
use crate::rest::{Api, create};
use crate::samples::{Samples, ms};
use crate::site::Site;

const BULK: usize = 1000;
const PORTS: usize = 10_000;
const PAGE: usize = 100;
/// Ports in the database, for each of which reads are timed.
const GROWTH: [usize; 3] = [100, 10_000, 1_000_000];
/// Reads of one port, and writes a second meanwhile.
const READS: usize = 2000;
const WRITES: u64 = 200;

const LEAST_BULK_RATE: f64 = 5000.0;
const MOST_LIST: Duration = Duration::from_millis(300);
const MOST_PAGE: Duration = Duration::from_millis(10);
const MOST_READ: Duration = Duration::from_millis(5);

pub(crate) async fn measure(site: &Site, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(&site.directory)?;
    let api = Api::start(site, directory.path()).await?;
    let network = create(&api.client, &api.url, "network", json!({})).await?["id"].clone();
    create(&api.client, &api.url, "subnet", json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/8"}))
        .await?;

    bulks(&api, &network, report).await?;
    list(&api, runs, report).await?;
    pages(&api, report).await?;
    reads(&api, report).await?;
    drop(api);
    for ports in GROWTH {
        growth(site, ports, report).await?;
    }
    Ok(())
}

async fn bulks(api: &Api, network: &Value, report: &mut Report) -> anyhow::Result<()> {
    let ports: Vec<Value> = (0..BULK).map(|_| json!({"network_id": network})).collect();
    let body = json!({"ports": ports});
    let started = Instant::now();
    for _ in 0..PORTS / BULK {
        let response = api.client.post(format!("{}/ports", api.url)).json(&body).send().await?;
        response.error_for_status()?.bytes().await?;
    }
    let rate = PORTS as f64 / started.elapsed().as_secs_f64();
    add(
        report,
        format!("ports created over REST in bulks of {BULK}, each bulk durable; {PORTS} of them"),
        format!("{rate:.0}/s"),
        format!("≥ {LEAST_BULK_RATE}/s"),
        Some(rate >= LEAST_BULK_RATE),
    );
    Ok(())
}

async fn list(api: &Api, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut times = Samples::default();
    for _ in 0..runs {
        let started = Instant::now();
        let answer = api.client.get(format!("{}/ports", api.url)).send().await?.error_for_status()?.bytes().await?;
        times.add(started.elapsed());
        let listed = serde_json::from_slice::<Value>(&answer)?["ports"].as_array().map(Vec::len);
        if listed != Some(PORTS) {
            bail!("the list has {listed:?} ports, not {PORTS}");
        }
    }
    let what = format!("all of {PORTS} ports in one list");
    let met = times.median() <= MOST_LIST;
    add(report, what, times.spread(), format!("p50 ≤ {}", ms(MOST_LIST)), Some(met));
    Ok(())
}

async fn pages(api: &Api, report: &mut Report) -> anyhow::Result<()> {
    let mut times = Samples::default();
    let mut next = Some(format!("{}/ports?limit={PAGE}", api.url));
    while let Some(url) = next {
        let started = Instant::now();
        let answer = api.client.get(url).send().await?.error_for_status()?.bytes().await?;
        times.add(started.elapsed());
        let answer: Value = serde_json::from_slice(&answer)?;
        let links = answer["ports_links"].as_array().cloned().unwrap_or_default();
        let link = links.into_iter().find(|link| link["rel"] == "next");
        next = link.and_then(|link| Some(link["href"].as_str()?.to_owned()));
    }
    if times.len() < PORTS / PAGE {
        bail!("the list ended after {} pages", times.len());
    }
    let what = format!("pages of {PAGE} of {PORTS} ports, from the first to the last");
    let value = format!("p50 {}, p99 {}", ms(times.median()), ms(times.percentile(99)));
    let met = times.percentile(99) <= MOST_PAGE;
    add(report, what, value, format!("p99 ≤ {}", ms(MOST_PAGE)), Some(met));
    Ok(())
}

/// Reads of one port while others are changed.
async fn reads(api: &Api, report: &mut Report) -> anyhow::Result<()> {
    let two: Value = get(api, "ports?limit=2&fields=id").await?;
    let id = |at: usize| two["ports"][at]["id"].as_str().map(str::to_owned).context("there are no ports");
    let (read, written) = (format!("{}/ports/{}", api.url, id(0)?), format!("{}/ports/{}", api.url, id(1)?));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(api.client.clone(), written, stop.clone()));
    let started = Instant::now();
    let mut times = Samples::default();
    for _ in 0..READS {
        let sent = Instant::now();
        api.client.get(&read).send().await?.error_for_status()?.bytes().await?;
        times.add(sent.elapsed());
    }
    let took = started.elapsed();
    stop.store(true, Ordering::Relaxed);
    let writes = writer.await?? as f64 / took.as_secs_f64();
    let value = format!("p50 {}, p99 {} ({writes:.0} writes/s)", ms(times.median()), ms(times.percentile(99)));
    let met = times.percentile(99) <= MOST_READ;
    add(report, format!("one port read under {WRITES} writes/s"), value, format!("p99 ≤ {}", ms(MOST_READ)), Some(met));
    Ok(())
}

/// Changes a port at an even rate; how often.
async fn write(client: Client, url: String, stop: Arc<AtomicBool>) -> anyhow::Result<u64> {
    let mut turns = tokio::time::interval(Duration::from_secs(1) / u32::try_from(WRITES)?);
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        turns.tick().await;
        let body = json!({"port": {"name": count.to_string()}});
        client.put(&url).json(&body).send().await?.error_for_status()?;
        count += 1;
    }
    Ok(count)
}

/// The same reads with ever more ports.
async fn growth(site: &Site, ports: usize, report: &mut Report) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(&site.directory)?;
    let api = Api::start(site, directory.path()).await?;
    let network = create(&api.client, &api.url, "network", json!({})).await?["id"].clone();
    create(&api.client, &api.url, "port", json!({"network_id": network})).await?;
    api.stop().await?;
    fill(directory.path(), ports - 1).await?;
    let api = Api::start(site, directory.path()).await?;
    let middle = get(&api, &format!("ports?name=port-{}&fields=id&fields=mac_address", ports / 2)).await?;
    let (id, mac) = (&middle["ports"][0]["id"], &middle["ports"][0]["mac_address"]);
    let (id, mac) = id.as_str().zip(mac.as_str()).context("the filled ports are missing")?;
    let mut figures = Vec::new();
    for (what, path) in [
        ("by id", format!("ports/{id}")),
        ("by MAC", format!("ports?mac_address={mac}")),
        ("by name", format!("ports?name=port-{}", ports / 2)),
        ("page from the middle", format!("ports?limit={PAGE}&marker={id}")),
        ("page by name", format!("ports?limit={PAGE}&sort_key=name&sort_dir=asc&marker={id}")),
    ] {
        let mut times = Samples::default();
        for _ in 0..50 {
            let started = Instant::now();
            get(&api, &path).await?;
            times.add(started.elapsed());
        }
        figures.push(format!("{what} {}", ms(times.median())));
    }
    add(report, format!("reads with {ports} ports in the database, p50"), figures.join("; "), "flat".to_owned(), None);
    Ok(())
}

/// More ports like the one that is there, past the API: what is measured is reading.
async fn fill(directory: &Path, ports: usize) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new().filename(directory.join("culvert.db"));
    let mut database = SqliteConnection::connect_with(&options).await?;
    sqlx::query(
        "INSERT INTO ports (id, network_id, project_id, name, mac, admin_state_up, device_id, device_owner, status, wired, \
         generation, attributes, created_at, updated_at, revision_number) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
         SELECT randomblob(16), p.network_id, p.project_id, 'port-' || i, x'fa163e' || randomblob(3), p.admin_state_up, \
         'device-' || i, p.device_owner, p.status, p.wired, p.generation, p.attributes, p.created_at + i, p.updated_at, 1 \
         FROM (SELECT * FROM ports LIMIT 1) p, n WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(i64::try_from(ports)?)
    .execute(&mut database)
    .await?;
    Ok(database.close().await?)
}

async fn get(api: &Api, path: &str) -> anyhow::Result<Value> {
    Ok(api.client.get(format!("{}/{path}", api.url)).send().await?.error_for_status()?.json().await?)
}

fn add(report: &mut Report, what: String, value: String, target: String, met: Option<bool>) {
    let verdict = met.map_or(Verdict::Shown, Verdict::of);
    report.add(Figure { what, value, reference: "–".to_owned(), ratio: None, target, verdict });
}
