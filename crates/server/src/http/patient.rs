//! A stream whose peer must take what is written to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Bytes a second that a peer takes at least, once its patience is used up.
const RATE: u64 = 64 << 10;

/// Writing fails when the peer has been waited for longer than its patience. What it takes buys it more, at a rate; its
/// patience is never longer than at first.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TcpStream,
    /// What of the stream has been read already: it is read again first.
    ahead: Bytes,
    patience: Patience,
    /// Since when a write waits for the peer, and until when it may.
    stalled: Option<(Instant, Pin<Box<Sleep>>)>,
    peer: Arc<Peer>,
}

/// What the peer does, for who no longer has the stream in hand.
#[derive(Debug, Default)]
pub(super) struct Peer {
    waited_for: AtomicBool,
    taken: AtomicUsize,
}

impl Peer {
    /// What was written last waits for it: there is more to write.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waited_for.load(Ordering::Relaxed)
    }

    /// Bytes that it has taken, it or what lies on its way.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Patient {
    pub(super) fn new(stream: TcpStream, ahead: Bytes, patience: Duration) -> Patient {
        let patience = Patience { most: patience, left: patience };
        Patient { stream, ahead, patience, stalled: None, peer: Arc::default() }
    }

    pub(super) fn peer(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }

    /// The stream, and what of it has been read already.
    pub(super) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.ahead)
    }

    /// The outcome of a write; a failure if it has waited too long.
    fn timed(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.peer.waited_for.store(written.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(written) = written {
            let waited = self.stalled.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
            let bytes = written.as_ref().map_or(0, |bytes| *bytes);
            self.peer.taken.fetch_add(bytes, Ordering::Relaxed);
            self.patience.after(waited, bytes);
            return Poll::Ready(written);
        }
        let left = self.patience.left;
        let (_, until) = self.stalled.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        until.as_mut().poll(context).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let size = buffer.remaining().min(self.ahead.len());
        let taken = self.ahead.split_to(size);
        buffer.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.timed(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// How long a peer may be waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    most: Duration,
    left: Duration,
}

impl Patience {
    /// What is left after a wait that ended with the peer taking so many bytes.
    fn after(&mut self, waited: Duration, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let bought = Duration::from_micros(bytes.saturating_mul(1_000_000) / RATE);
        self.left = (self.left.saturating_sub(waited) + bought).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;

    const MOST: Duration = Duration::from_secs(30);

    /// How long a peer who takes so much at a time, a pause after another, is served with an answer that is this long.
    fn served(answer: usize, piece: usize, pause: Duration) -> (Duration, bool) {
        let (mut patience, mut time, mut taken) = (Patience { most: MOST, left: MOST }, Duration::ZERO, 0);
        while taken < answer {
            if patience.left <= pause {
                return (time + patience.left, false);
            }
            patience.after(pause, piece);
            (time, taken) = (time + pause, taken + piece);
        }
        (time, true)
    }

    #[test]
    fn who_takes_a_byte_now_and_then_is_given_up() {
        for pause in [1, 10, 29, 40].map(Duration::from_secs) {
            let (time, whole) = served(1 << 20, 1, pause);
            assert!(!whole && (MOST..MOST * 2).contains(&time), "{pause:?}: {time:?}");
        }
    }

    #[test]
    fn who_takes_more_than_the_least_is_served_for_as_long_as_that_takes() {
        const SECOND: Duration = Duration::from_secs(1);
        let (time, whole) = served(16 << 20, 70 << 10, SECOND);
        assert!(whole && time > MOST * 7, "{time:?}");
        // one who takes less has its patience on top of that
        assert!(!served(16 << 20, 50 << 10, SECOND).1);
        assert!(served(4 << 20, 50 << 10, SECOND).1);
        // who was quick has no more of it than at first
        let mut patience = Patience { most: MOST, left: MOST };
        patience.after(SECOND, usize::MAX);
        assert_eq!(patience.left, MOST);
    }

    #[tokio::test]
    async fn who_goes_on_taking_too_little_is_given_up() {
        const PIECE: usize = 2 << 10;
        // so little lies between the two that one takes what the other writes
        let [listener, peer] = [(); 2].map(|()| TcpSocket::new_v4().unwrap());
        listener.set_send_buffer_size(4 << 10).unwrap();
        peer.set_recv_buffer_size(4 << 10).unwrap();
        listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listener.listen(1).unwrap();
        let mut peer = peer.connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = listener.accept().await.unwrap().0;
        let slow = tokio::spawn(async move {
            let (mut taken, mut piece) = (0, [0; PIECE]);
            while let Ok(read) = peer.read(&mut piece).await
                && read > 0
            {
                taken += read;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            taken
        });
        let mut patient = Patient::new(stream, Bytes::new(), Duration::from_secs(2));
        let all = vec![0; 8 << 20];
        let sent = tokio::time::timeout(MOST, patient.write_all(&all)).await.expect("it is given up");
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(patient);
        let taken = slow.await.unwrap();
        assert!(taken > 32 * PIECE, "it took {taken} bytes only, and was as good as deaf");
    }
}
