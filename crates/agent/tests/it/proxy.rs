//! Observers between the agent and Open vSwitch: they pass on all bytes and count what the agent writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// What the agent wrote through one proxy.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// Flow-mods, or transactions that write.
    pub(crate) writes: AtomicUsize,
    /// Bytes towards Open vSwitch: shows that the proxy was in use.
    pub(crate) bytes: AtomicUsize,
}

impl Count {
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }
}

/// Finds writes in a stream of bytes; returns how many bytes it has understood.
type Scanner = fn(&[u8], &AtomicUsize) -> usize;

/// Listens at `path` and connects each client to `target`.
pub(crate) fn start(path: &Path, target: PathBuf, scanner: Scanner) -> Arc<Count> {
    let count = Arc::new(Count::default());
    let listener = UnixListener::bind(path).unwrap();
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, target.clone(), scanner, counted.clone()));
        }
    });
    count
}

async fn serve(client: UnixStream, target: PathBuf, scanner: Scanner, count: Arc<Count>) {
    let Ok(server) = connect(&target).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    });
    let mut seen = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from_client.read(&mut chunk).await {
        count.bytes.fetch_add(length, Ordering::SeqCst);
        seen.extend_from_slice(&chunk[..length]);
        let understood = scanner(&seen, &count.writes);
        seen.drain(..understood);
        if to_server.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    let _ = to_server.shutdown().await;
    let _ = back.await;
}

async fn connect(target: &Path) -> std::io::Result<UnixStream> {
    UnixStream::connect(target).await
}

/// OpenFlow: type 14 is a flow-mod, 34 (since 1.4) adds a message to a bundle, and here that is always a flow-mod.
pub(crate) fn openflow(bytes: &[u8], writes: &AtomicUsize) -> usize {
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 8) {
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if bytes.len() < at + length {
            break;
        }
        if matches!(header[1], 14 | 34) {
            writes.fetch_add(1, Ordering::SeqCst);
        }
        at += length;
    }
    at
}

/// OVSDB: every transaction that the agent sends writes something.
pub(crate) fn ovsdb(bytes: &[u8], writes: &AtomicUsize) -> usize {
    let needle = b"\"transact\"";
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(needle.len()).position(|window| window == needle) {
        writes.fetch_add(1, Ordering::SeqCst);
        at += found + needle.len();
    }
    // The rest may hold the beginning of the next one.
    at.max(bytes.len().saturating_sub(needle.len() - 1))
}
