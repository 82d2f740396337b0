//! A request's head, gathered before HTTP has to do with it: a connection that says nothing has no buffer, and one that
//! says a part has that part, where hyper takes 16 KiB at once.

use std::io;

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::room::Room;

/// Bytes that are read at a time.
const PIECE: usize = 1 << 10;
/// Bytes of a head for which there is always room.
const FREE: usize = 1 << 10;
/// KiB of all heads that have more; one that finds no room waits, and one that is long on its way gives way to it.
const ROOM: usize = 4 << 10;

/// What heads share.
#[derive(Debug)]
pub(super) struct Heads {
    room: Room,
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
        Heads { room: Room::new(ROOM), most }
    }

    /// The next head of this connection, of which some has come already; `None`: it has ended, or must.
    pub(super) async fn receive(&self, stream: &TcpStream, begun: Vec<u8>) -> io::Result<Option<Head>> {
        let (mut bytes, mut known) = (begun, 0);
        while bytes.len() <= FREE {
            if is_for_http(&bytes, known, self.most) {
                return Ok(Some(Head { bytes, room: None }));
            }
            known = bytes.len();
            if read(stream, |piece| bytes.extend_from_slice(piece)).await? == 0 {
                return Ok(None);
            }
        }
        // boxed: a connection that waits does not have what a long head takes
        Box::pin(async {
            tokio::select! {
                head = self.receive_more(stream, bytes, known) => head,
                // by now what was received is dropped
                _leaving = self.room.wanted() => Ok(None),
            }
        })
        .await
    }

    async fn receive_more(&self, stream: &TcpStream, mut bytes: Vec<u8>, mut known: usize) -> io::Result<Option<Head>> {
        let mut room = self.room.take(kibibytes(bytes.len())).await;
        while !is_for_http(&bytes, known, self.most) {
            known = bytes.len();
            if read(stream, |piece| bytes.extend_from_slice(piece)).await? == 0 {
                return Ok(None);
            }
            room.merge(self.room.take(kibibytes(bytes.len()) - room.num_permits()).await);
        }
        Ok(Some(Head { bytes, room: Some(room) }))
    }
}

fn kibibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 10)
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
