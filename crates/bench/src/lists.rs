//! Bulk creations and reads over REST.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::Client;
use serde_json::{Value, json};

use crate::report::{Figure, Verdict};
use crate::rest::{Api, create};
use crate::samples::{Samples, ms};
use crate::site::Site;

const BULK: usize = 1000;
const PORTS: usize = 10_000;
const PAGE: usize = 100;
/// Times that all pages are asked for: of one time's hundred, the slowest two would be the verdict.
const WALKS: usize = 10;
/// Reads of one port, and writes a second meanwhile.
const READS: usize = 2000;
const WRITES: u64 = 200;
/// Of these; with fewer the reads are under less than what is asked for.
const LEAST_WRITES: f64 = 0.98 * WRITES as f64;

const LEAST_BULK_RATE: f64 = 5000.0;
const MOST_LIST: Duration = Duration::from_millis(300);
const MOST_PAGE: Duration = Duration::from_millis(10);
const MOST_READ: Duration = Duration::from_millis(5);

pub(crate) async fn measure(site: &Site, runs: usize) -> anyhow::Result<Vec<Figure>> {
    let directory = tempfile::tempdir_in(&site.directory)?;
    let api = Api::start(site, directory.path()).await?;
    let network = create(&api.client, &api.url, "network", json!({})).await?["id"].clone();
    create(&api.client, &api.url, "subnet", json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/8"}))
        .await?;

    Ok(vec![bulks(&api, &network).await?, list(&api, runs).await?, pages(&api).await?, reads(&api).await?])
}

async fn bulks(api: &Api, network: &Value) -> anyhow::Result<Figure> {
    let ports: Vec<Value> = (0..BULK).map(|_| json!({"network_id": network})).collect();
    let body = json!({"ports": ports});
    let started = Instant::now();
    for _ in 0..PORTS / BULK {
        let response = api.client.post(format!("{}/ports", api.url)).json(&body).send().await?;
        response.error_for_status()?.bytes().await?;
    }
    let rate = PORTS as f64 / started.elapsed().as_secs_f64();
    Ok(figure(
        format!("ports created over REST in bulks of {BULK}, each bulk durable; {PORTS} of them"),
        format!("{rate:.0}/s"),
        format!("≥ {LEAST_BULK_RATE}/s"),
        Some(rate >= LEAST_BULK_RATE),
    ))
}

async fn list(api: &Api, runs: usize) -> anyhow::Result<Figure> {
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
    Ok(figure(what, times.spread(), format!("p50 ≤ {}", ms(MOST_LIST)), Some(met)))
}

async fn pages(api: &Api) -> anyhow::Result<Figure> {
    let mut times = Samples::default();
    for walk in 1..=WALKS {
        walk_pages(api, &mut times).await?;
        if times.len() < walk * PORTS / PAGE {
            bail!("the list ended after {} pages", times.len());
        }
    }
    let what = format!("pages of {PAGE} of {PORTS} ports, from the first to the last, {WALKS} times");
    let value = format!("p50 {}, p99 {}", ms(times.median()), ms(times.percentile(99)));
    let met = times.percentile(99) <= MOST_PAGE;
    Ok(figure(what, value, format!("p99 ≤ {}", ms(MOST_PAGE)), Some(met)))
}

async fn walk_pages(api: &Api, times: &mut Samples) -> anyhow::Result<()> {
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
    Ok(())
}

/// Reads of one port while others are changed.
async fn reads(api: &Api) -> anyhow::Result<Figure> {
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
    let target = format!("p99 ≤ {}, with ≥ {LEAST_WRITES:.0} writes/s", ms(MOST_READ));
    let met = times.percentile(99) <= MOST_READ && writes >= LEAST_WRITES;
    Ok(figure(format!("one port read under {WRITES} writes/s"), value, target, Some(met)))
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

pub(crate) async fn get(api: &Api, path: &str) -> anyhow::Result<Value> {
    Ok(api.client.get(format!("{}/{path}", api.url)).send().await?.error_for_status()?.json().await?)
}

pub(crate) fn figure(what: String, value: String, target: String, met: Option<bool>) -> Figure {
    let verdict = met.map_or(Verdict::Shown, Verdict::of);
    Figure { what, value, reference: "–".to_owned(), ratio: None, target, verdict }
}
