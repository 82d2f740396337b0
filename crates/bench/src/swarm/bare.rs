//! Bare TCP fan-out: what a message to many costs on this machine, whatever is in it.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;

use crate::samples::Samples;

/// Bytes of a message: about those of a delta with one entry.
const MESSAGE: usize = 128;

/// One task writes a message to each of so many connections, and a task at the end of each answers with as much. Times from
/// the first write to the last receipt.
pub(super) async fn fan_out(connections: usize, times: usize) -> anyhow::Result<Samples> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (sender, mut receipts) = unbounded_channel();
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut there = TcpStream::connect(address).await?;
        let (here, _) = listener.accept().await?;
        here.set_nodelay(true)?;
        streams.push(here);
        let sender = sender.clone();
        tokio::spawn(async move {
            let mut message = [0; MESSAGE];
            while there.read_exact(&mut message).await.is_ok() {
                if sender.send(Instant::now()).is_err() || there.write_all(&message).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut took = Samples::default();
    let mut answer = [0; MESSAGE];
    for _ in 0..times {
        let began = Instant::now();
        for stream in &mut streams {
            stream.write_all(&[7; MESSAGE]).await?;
        }
        let last = super::collect(&mut receipts, connections).await?.into_iter().max();
        took.add(last.unwrap_or(began) - began);
        for stream in &mut streams {
            stream.read_exact(&mut answer).await?;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(took)
}
