//! The server's memory while many clients ask for much and take nothing of it.

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use crate::lists::figure;
use crate::machine::peak;
use crate::memory::mib;
use crate::report::Figure;
use crate::rest::{Api, create};
use crate::site::Site;

/// More than requests may be under way.
const CLIENTS: usize = 300;
/// As large as a port may be.
const PROFILE: usize = 15_500;
const BULK: usize = 100;
const PORTS: usize = 800;
/// Bytes that the kernel takes for a client at the least: nearly all of an answer stays with the server.
const RECEIVE: u32 = 4096;
/// Whatever clients do.
const MOST: u64 = 100_000_000;

/// Each client asks for one of these, and of each there are too many.
const ASKED: [&str; 4] = ["ports", "ports?limit=500", "ports?limit=4", "ports?fields=id&fields=binding:profile"];

pub(crate) async fn measure(site: &Site) -> anyhow::Result<Vec<Figure>> {
    let directory = tempfile::tempdir_in(&site.directory)?;
    let api = Api::start(site, directory.path()).await?;
    let network = create(&api.client, &api.url, "network", json!({})).await?["id"].clone();
    let port = json!({"network_id": network, "binding:profile": {"x": "x".repeat(PROFILE)}});
    let body = json!({"ports": vec![port; BULK]});
    for _ in 0..PORTS / BULK {
        api.client.post(format!("{}/ports", api.url)).json(&body).send().await?.error_for_status()?;
    }
    let mut deaf = Vec::new();
    for asked in ASKED.iter().cycle().take(CLIENTS) {
        deaf.push(ask(&api, asked).await?);
        // it is in the midst of them, and answers others
        api.client.get(format!("{}/networks?limit=1", api.url)).send().await?.error_for_status()?;
    }
    let whole = api.client.get(format!("{}/ports", api.url)).send().await?.error_for_status()?.bytes().await?;
    ensure!(whole.len() > PORTS * PROFILE, "the list has {} bytes only", whole.len());
    let bytes = peak(api.pid()?)?;
    let what = format!(
        "server's memory at its peak: {CLIENTS} clients ask for {} MiB each and read nothing",
        whole.len() >> 20
    );
    Ok(vec![figure(what, mib(bytes), format!("≤ {}", mib(MOST)), Some(bytes <= MOST))])
}

/// Sends a request and leaves the answer where it is.
async fn ask(api: &Api, path: &str) -> anyhow::Result<TcpStream> {
    let (address, root) = api.url.strip_prefix("http://").and_then(|url| url.split_once('/')).context("no address")?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE)?;
    let mut stream = socket.connect(address.parse()?).await?;
    stream.write_all(format!("GET /{root}/{path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}
