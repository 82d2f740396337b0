//! A request's head, gathered before HTTP has to do with it: a connection that says nothing has no buffer, and one that
//! says a part has that part, where hyper takes 16 KiB at once.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that are read at a time.
const PIECE: usize = 1 << 10;
/// Bytes of a head for which there is always room.
const FREE: usize = 4 << 10;
/// KiB of what all heads may have beyond that; one that needs more waits.
const ROOM: usize = 8 << 10;

/// What heads share.
#[derive(Debug)]
pub(super) struct Heads {
    room: Arc<Semaphore>,
    /// Bytes of one head, at most.
    most: usize,
}

/// As much of a request as HTTP needs to begin, and perhaps more.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    /// Given back when the head is done with.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Heads {
    pub(super) fn new(most: usize) -> Heads {
        Heads { room: Arc::new(Semaphore::new(ROOM)), most }
    }

    /// The next head of this connection, of which some has come already; `None`: it has ended.
    pub(super) async fn receive(&self, stream: &TcpStream, begun: Vec<u8>) -> io::Result<Option<Head>> {
        let mut head = Head { bytes: begun, room: None };
        let mut known = 0;
        loop {
            self.make_room(&mut head).await;
            if is_for_http(&head.bytes, known, self.most) {
                return Ok(Some(head));
            }
            known = head.bytes.len();
            if read(stream, |piece| head.bytes.extend_from_slice(piece)).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn make_room(&self, head: &mut Head) {
        let wanted = head.bytes.len().saturating_sub(FREE).div_ceil(1 << 10);
        let more = wanted - head.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if more == 0 {
            return;
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        // it is never closed
        let Ok(more) = Arc::clone(&self.room).acquire_many_owned(more).await else { return };
        match &mut head.room {
            Some(room) => room.merge(more),
            None => head.room = Some(more),
        }
    }
}

/// Reads a piece as soon as there is one; how many bytes, 0 at the end. Nothing is held while it waits.
pub(super) async fn read(stream: &TcpStream, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
    let mut try_read = || -> io::Result<usize> {
        let mut piece = [0; PIECE];
        let read = stream.try_read(&mut piece)?;
        take(piece.get(..read).unwrap_or_default());
        Ok(read)
    };
    loop {
        stream.readable().await?;
        match try_read() {
            // being readable may be a false alarm
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

/// Whether it is a head with its end, or none at all, which HTTP refuses; of the first `known` bytes that was not so.
fn is_for_http(bytes: &[u8], known: usize, most: usize) -> bool {
    let begins_as_none = bytes.first().is_some_and(|first| !matches!(first, b'A'..=b'Z' | b'\r' | b'\n'));
    // an empty line, however its predecessor ends
    let fresh = bytes.get(known.saturating_sub(2)..).unwrap_or_default();
    let ends = fresh.windows(2).any(|two| two == b"\n\n") || fresh.windows(3).any(|three| three == b"\n\r\n");
    begins_as_none || ends || bytes.len() >= most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_known_by_its_end_wherever_it_is_cut() {
        for head in
            ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\nHost: x\n\r\n"]
        {
            let head = head.as_bytes();
            for cut in 0..head.len() {
                assert!(!is_for_http(&head[..cut], 0, 1000), "{cut}");
                assert!(is_for_http(head, cut, 1000), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_head_or_too_large_is_not_waited_for() {
        assert!(is_for_http(b"\x16\x03\x01", 0, 1000));
        assert!(is_for_http(b"GET /xxxx", 0, 9) && !is_for_http(b"GET /xxxx", 0, 10));
        assert!(!is_for_http(b"", 0, 1000));
    }
}
