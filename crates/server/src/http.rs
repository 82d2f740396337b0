//! The HTTP/1.1 listener that strangers may reach: what one of them, or all of them together, may cost is bounded.
//!
//! A connection that sends no complete request head in time, or does not take its answer, is closed; beyond the bound
//! on connections one that sends no request gives way to a new one, and those that find no place wait in the listen queue;
//! beyond that on exchanges a request waits for its turn, and an exchange whose peer is waited for gives way to it.
//! Requests and answers are bounded in [`crate::rest`].

mod arriving;
mod exchange;
mod head;
mod patient;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use exchange::{After, exchange};
use head::{Head, Heads};

use crate::room::Room;

/// Bytes of a request head: enough for the longest URI that hyper knows to be too long (414).
const HEAD: usize = 128 << 10;
/// Requests that are received, worked on and answered at a time: each takes about 30 KiB, and what [`crate::rest`] counts.
const EXCHANGES: usize = 256;
/// What a peer still sends after its last answer is read for this long: closing at once would reset the connection, and
/// the answer ("too large") would be lost.
const LINGER: Duration = Duration::from_secs(2);

/// What connections may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// At a time.
    pub(crate) connections: usize,
    /// For a request head, the first or the next one; and for the peer to take some of its answer.
    pub(crate) timeout: Duration,
}

/// What connections share.
struct Shared {
    router: Router,
    timeout: Duration,
    /// Of connections.
    places: Room,
    heads: Heads,
    exchanges: Room,
    stop: CancellationToken,
}

/// Where a client has connected to; every request has it as an extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectedTo(pub(crate) SocketAddr);

impl ConnectedTo {
    /// An IPv4 address as one, also where the listener is of both versions.
    fn of(stream: &TcpStream) -> Option<ConnectedTo> {
        let address = stream.local_addr().ok()?;
        Some(ConnectedTo(SocketAddr::new(address.ip().to_canonical(), address.port())))
    }
}

/// Serves until `stop` is cancelled; then no new requests, and those under way are answered.
pub(crate) async fn serve(mut listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let max = limits.connections;
    let (places, heads, exchanges) = (Room::new(max), Heads::new(HEAD), Room::new(EXCHANGES));
    let shared = Arc::new(Shared { router, timeout: limits.timeout, places, heads, exchanges, stop: stop.clone() });
    let mut connections = JoinSet::new();
    // one that has come and has no place yet
    let mut arrived = None;
    let mut full = false;
    loop {
        match shared.places.free() {
            0 if !full => {
                full = true;
                warn!(
                    max,
                    "new connections to the API wait, or take the places of silent ones: see the setting api_connections"
                );
            }
            free if free > max / 8 => full = false,
            _ => {}
        }
        let place = async {
            if arrived.is_none() {
                // waits and tries again by itself when there is no file descriptor
                arrived = Some(Listener::accept(&mut listener).await.0);
            }
            shared.places.take(1).await
        };
        tokio::select! {
            place = place => if let Some(stream) = arrived.take() {
                let shared = Arc::clone(&shared);
                connections.spawn(async move { shared.serve(stream, place).await });
            },
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(arrived);
    drop(listener);
    while connections.join_next().await.is_some() {}
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream, place: OwnedSemaphorePermit) {
        let mut begun = Vec::new();
        // without it small answers wait for each other; a connection that refuses it has ended
        if stream.set_nodelay(true).is_err() {
            return;
        }
        loop {
            let head = tokio::select! {
                head = self.head(&stream, begun) => head,
                leaving = self.places.wanted() => {
                    drop((stream, place));
                    return drop(leaving);
                }
                () = self.stop.cancelled() => return,
            };
            let Some(head) = head else { return };
            let turn = tokio::select! {
                turn = self.exchanges.take(1) => turn,
                () = self.stop.cancelled() => return,
            };
            // boxed: a connection that waits does not have what one that speaks takes
            let exchange = exchange(stream, head.bytes, self.router.clone(), self.timeout, &self.exchanges, &self.stop);
            match Box::pin(exchange).await {
                After::Kept(kept, rest) => (stream, begun) = (kept, rest),
                After::Done(stream, leaving) => {
                    drop((head.room, turn));
                    drop(leaving);
                    return linger(stream).await;
                }
            }
        }
    }

    /// The next request of this connection; `None`: there is none, or not in time.
    async fn head(&self, stream: &TcpStream, begun: Vec<u8>) -> Option<Head> {
        tokio::time::timeout(self.timeout, self.heads.receive(stream, begun)).await.ok()?.ok()?
    }
}

async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let drain = async { while head::read(&stream, |_| ()).await.is_ok_and(|read| read > 0) {} };
    // either way the connection is closed
    let _ = tokio::time::timeout(LINGER, drain).await;
}
