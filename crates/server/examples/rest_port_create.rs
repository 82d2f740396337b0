//! How many ports a second one client creates over one connection, one at a time, each durable when it is answered; and
//! beside it how many bare commits the same disk takes.
//!
//! `cargo run --release -p server --example rest_port_create [ports] [directory]`

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use server::hosts::Hosts;
use server::rest::{RestState, Settings, router};
use store::Store;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let ports: usize = args.next().map_or(Ok(5000), |count| count.parse())?;
    let parent = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(parent)?;

    let bare = bare_commits(&directory.path().join("bare"), 500)?;
    println!("reference: {:.0} appends of 8 KiB with fdatasync a second", 500.0 / bare.as_secs_f64());

    let store = Store::open(&directory.path().join("culvert.db")).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v2.0", listener.local_addr()?);
    let app = router(RestState { store, hosts: Hosts::default(), settings: Settings::default() });
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = Client::new();
    let network = create(&client, &url, "network", json!({})).await?["id"].clone();
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/8"});
    create(&client, &url, "subnet", subnet).await?;
    let mut times = Vec::with_capacity(ports);
    let start = Instant::now();
    for _ in 0..ports {
        let before = Instant::now();
        create(&client, &url, "port", json!({"network_id": network})).await?;
        times.push(before.elapsed());
    }
    let rate = f64::from(u32::try_from(ports)?) / start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: usize| times.get(ports.saturating_sub(1) * part / 100).copied().unwrap_or_default();
    println!("{ports} ports: {rate:.0} a second; p50 {:?}, p99 {:?}, slowest {:?}", at(50), at(99), at(100));
    Ok(())
}

async fn create(client: &Client, url: &str, singular: &str, body: Value) -> Result<Value, Box<dyn Error>> {
    let response = client.post(format!("{url}/{singular}s")).json(&json!({singular: body})).send().await?;
    let answer: Value = response.error_for_status()?.json().await?;
    Ok(answer[singular].clone())
}

/// What a transaction costs the disk at the least: about as many bytes as one adds to the log, made durable.
fn bare_commits(path: &std::path::Path, count: usize) -> Result<Duration, Box<dyn Error>> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    let start = Instant::now();
    for _ in 0..count {
        file.write_all(&[7; 8192])?;
        file.sync_data()?;
    }
    Ok(start.elapsed())
}
