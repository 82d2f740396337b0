use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes on their way to the switch. There is room for so many; who wants to queue more has to wait.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    chunks: mpsc::UnboundedSender<Chunk>,
    room: Arc<Semaphore>,
    size: usize,
}

/// Whole messages, and the room that they take until they are written.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// The end from which the connection's task takes.
#[derive(Debug)]
pub(super) struct Queue(mpsc::UnboundedReceiver<Chunk>);

/// Pieces of at least this size are written when there is that much: a system call each 64 KiB is where a local socket
/// stops getting faster.
pub(super) const PIECE: usize = 64 << 10;

pub(super) fn new(size: usize) -> (Outbox, Queue) {
    let size = size.clamp(PIECE, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
    let (chunks, queue) = mpsc::unbounded_channel();
    (Outbox { chunks, room: Arc::new(Semaphore::new(size)), size }, Queue(queue))
}

impl Outbox {
    /// Waits for room. False: the connection is gone.
    pub(super) async fn send(&self, bytes: Vec<u8>) -> bool {
        let wanted = self.wanted(&bytes);
        match self.room.clone().acquire_many_owned(wanted).await {
            Ok(room) => self.chunks.send(Chunk { bytes, room: Some(room) }).is_ok(),
            Err(_) => false,
        }
    }

    /// Gives up if there is no room: for signs of life, which a full queue makes superfluous.
    pub(super) fn try_send(&self, bytes: Vec<u8>) {
        if let Ok(room) = self.room.clone().try_acquire_many_owned(self.wanted(&bytes)) {
            // If the other end is gone the connection is, and says so elsewhere.
            let _ = self.chunks.send(Chunk { bytes, room: Some(room) });
        }
    }

    fn wanted(&self, bytes: &[u8]) -> u32 {
        u32::try_from(bytes.len().min(self.size)).unwrap_or(u32::MAX)
    }

    /// Turns away all who wait or come.
    pub(super) fn close(&self) {
        self.room.close();
    }
}

impl Queue {
    /// The next piece to write, made of as many chunks as there are up to [`PIECE`]. `None`: no more will come.
    pub(super) async fn next(&mut self) -> Option<Chunk> {
        let mut piece = self.0.recv().await?;
        while piece.bytes.len() < PIECE
            && let Ok(Chunk { bytes, room }) = self.0.try_recv()
        {
            piece.bytes.extend_from_slice(&bytes);
            match (&mut piece.room, room) {
                (Some(all), Some(room)) => all.merge(room),
                (all, room) => *all = room,
            }
        }
        Some(piece)
    }
}

impl Chunk {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
