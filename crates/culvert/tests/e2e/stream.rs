//! An observer on an agent's stream to the server: it passes everything on, and counts what is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lab::{Inside, Node, SERVER_ADDRESS};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A proxy on a host of the lab, between its agent and the server.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Where the agent is to connect: `127.0.0.1:PORT`, on its own host.
    pub(crate) address: String,
    bytes: Arc<AtomicUsize>,
    _inside: Inside,
}

impl Stream {
    pub(crate) async fn start(host: &Node) -> Stream {
        let inside = host.enter().await.unwrap();
        let bytes = Arc::new(AtomicUsize::new(0));
        let counted = bytes.clone();
        let listen = async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            tokio::spawn(serve(listener, counted));
            address
        };
        let address = inside.run(listen).await.unwrap();
        Stream { address, bytes, _inside: inside }
    }

    /// Bytes said so far in both directions, keepalives aside.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, bytes: Arc<AtomicUsize>) {
    while let Ok((agent, _)) = listener.accept().await {
        let bytes = bytes.clone();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect((SERVER_ADDRESS, 9690)).await else { return };
            let (from_agent, to_agent) = agent.into_split();
            let (from_server, to_server) = server.into_split();
            let up = pass(from_agent, to_server, Frames { skip: PREFACE, ..Frames::default() }, bytes.clone());
            let down = pass(from_server, to_agent, Frames::default(), bytes);
            tokio::join!(up, down);
        });
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frames: Frames,
    bytes: Arc<AtomicUsize>,
) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        bytes.fetch_add(frames.count(&chunk[..length]), Ordering::SeqCst);
        if to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// What a client says before its first frame (RFC 9113 section 3.4).
const PREFACE: usize = 24;
const PING: u8 = 6;

/// Follows HTTP/2 frames (RFC 9113 section 4.1) to tell keepalives from the rest.
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    /// What is left of the frame at hand.
    skip: usize,
}

impl Frames {
    /// How many of these bytes are of frames other than PING, going by the frames whose header ends here.
    fn count(&mut self, bytes: &[u8]) -> usize {
        let mut counted = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let skipped = self.skip.min(rest.len());
            self.skip -= skipped;
            rest = &rest[skipped..];
            let taken = (9 - self.header.len()).min(rest.len());
            self.header.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if let [a, b, c, kind, ..] = self.header[..]
                && self.header.len() == 9
            {
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                counted += if kind == PING { 0 } else { 9 + self.skip };
                self.header.clear();
            }
        }
        counted
    }
}

#[test]
fn frames_are_told_from_keepalives_however_they_are_cut() {
    let ping = [&[0, 0, 8, PING, 0, 0, 0, 0, 0][..], &[7; 8]].concat();
    let data = [&[0, 1, 4, 0, 0, 0, 0, 0, 1][..], &[6; 260]].concat();
    let all = [&[9; PREFACE][..], &ping, &data, &ping, &data].concat();
    for cut in 1..all.len() {
        let mut frames = Frames { skip: PREFACE, ..Frames::default() };
        let counted: usize = all.chunks(cut).map(|chunk| frames.count(chunk)).sum();
        assert_eq!(counted, 2 * data.len(), "in pieces of {cut}");
    }
}
