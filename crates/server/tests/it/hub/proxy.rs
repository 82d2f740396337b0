//! Stands between an agent and the server and counts what the server sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};

/// HTTP/2 frames start with length (3 bytes), type, flags and stream (RFC 9113 section 4.1).
const HEADER: usize = 9;
/// Keepalive, at fixed intervals: the one thing that costs bytes while nothing concerns the host.
const PING: u8 = 6;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    bytes: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, bytes) = (listener.local_addr().unwrap(), Arc::<AtomicU64>::default());
        let counter = Arc::clone(&bytes);
        tokio::spawn(async move {
            while let Ok((agent, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let (mut from_agent, mut to_agent) = agent.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move { copy(&mut from_agent, &mut to_server).await });
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut header = [0; HEADER];
                    while from_server.read_exact(&mut header).await.is_ok() {
                        let length =
                            usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
                        let mut frame = header.to_vec();
                        frame.resize(HEADER + length, 0);
                        if from_server.read_exact(&mut frame[HEADER..]).await.is_err() {
                            return;
                        }
                        if header[3] != PING {
                            counter.fetch_add(frame.len() as u64, Ordering::SeqCst);
                        }
                        if to_agent.write_all(&frame).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Proxy { address, bytes }
    }

    /// Bytes from the server to the agent so far, keepalives aside.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}
