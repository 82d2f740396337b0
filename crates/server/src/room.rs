//! Room that strangers share: who keeps some of it while a slow peer is waited for gives way to who needs it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// Who waits for a peer is left alone for this long: what honest peers send and take is on its way.
const GRACE: Duration = Duration::from_millis(250);

/// So many units, shared.
#[derive(Debug)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    slow: Mutex<Slow>,
    /// One more is slow.
    joined: Notify,
}

/// Those who can be asked to give way, by the order in which they have become slow.
#[derive(Debug, Default)]
struct Slow {
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Leaving>>,
}

/// To be dropped once what one has of the room is given back.
#[derive(Debug)]
pub(crate) struct Leaving {
    _gone: oneshot::Sender<()>,
}

/// So much of a room, that goes with an answer until its peer has taken that.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    room: Arc<Room>,
    _held: Arc<OwnedSemaphorePermit>,
}

impl Share {
    pub(crate) async fn of(room: &Arc<Room>, units: usize) -> Share {
        Share { room: Arc::clone(room), _held: Arc::new(room.take(units).await) }
    }

    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.room)
    }
}

impl Room {
    pub(crate) fn new(units: usize) -> Room {
        Room { free: Arc::new(Semaphore::new(units)), slow: Mutex::default(), joined: Notify::new() }
    }

    /// Units that nobody has.
    pub(crate) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// So much of the room, in the order of asking. Until it is there, those who are slow give way, one after another.
    pub(crate) async fn take(&self, units: usize) -> OwnedSemaphorePermit {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let mut taken = pin!(Arc::clone(&self.free).acquire_many_owned(units));
        loop {
            tokio::select! {
                biased;
                // it is never closed
                Ok(taken) = &mut taken => return taken,
                () = self.one_leaves() => {}
            }
        }
    }

    /// Ready when it is time to give way: never within the grace, and only when somebody needs room.
    pub(crate) async fn wanted(&self) -> Leaving {
        tokio::time::sleep(GRACE).await;
        let (ask, asked) = oneshot::channel();
        let _listed = self.list(ask);
        self.joined.notify_one();
        match asked.await {
            Ok(leaving) => leaving,
            // it is kept until it is used
            Err(_) => std::future::pending().await,
        }
    }

    fn list(&self, ask: oneshot::Sender<Leaving>) -> Listed<'_> {
        let mut slow = self.slow();
        let number = slow.next;
        slow.next += 1;
        slow.waiting.insert(number, ask);
        Listed { room: self, number }
    }

    /// Asks who has been slow for longest, and waits until that one is gone.
    async fn one_leaves(&self) {
        loop {
            let joined = self.joined.notified();
            let first = self.slow().waiting.pop_first();
            let Some((_, ask)) = first else {
                joined.await;
                continue;
            };
            let (leaving, gone) = oneshot::channel();
            if ask.send(Leaving { _gone: leaving }).is_ok() {
                // nothing is ever sent
                let _ = gone.await;
                return;
            }
        }
    }

    fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Can be asked for as long as this lives.
struct Listed<'a> {
    room: &'a Room,
    number: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.room.slow().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds so much until it is asked to give way; whether it has.
    fn slow(room: &Arc<Room>, held: OwnedSemaphorePermit) -> tokio::task::JoinHandle<()> {
        let room = Arc::clone(room);
        tokio::spawn(async move {
            let _leaving = room.wanted().await;
            drop(held);
        })
    }

    #[tokio::test]
    async fn the_slow_give_way_in_their_order_and_no_more_of_them_than_needed() {
        let room = Arc::new(Room::new(10));
        let mut holders = Vec::new();
        for _ in 0..5 {
            holders.push(slow(&room, room.take(2).await));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(GRACE * 2).await;
        assert!(holders.iter().all(|holder| !holder.is_finished()), "nobody needs room");
        let taken = room.take(3).await;
        let given: Vec<bool> = holders.iter().map(tokio::task::JoinHandle::is_finished).collect();
        assert_eq!(given, [true, true, false, false, false]);
        // what is left over, and what is given back
        let _one = room.take(1).await;
        drop(taken);
        let _three = room.take(3).await;
        tokio::time::sleep(GRACE * 2).await;
        assert!(!holders[2].is_finished(), "there was room");
    }

    #[tokio::test]
    async fn who_is_not_slow_is_waited_for() {
        let room = Arc::new(Room::new(1));
        let held = room.take(1).await;
        assert!(tokio::time::timeout(GRACE * 2, room.take(1)).await.is_err());
        // who becomes slow meanwhile gives way, but not at once
        let begin = std::time::Instant::now();
        let _holder = slow(&room, held);
        let _taken = room.take(1).await;
        assert!(begin.elapsed() >= GRACE, "{:?}", begin.elapsed());
        // who has ended is no longer there to be asked
        assert!(room.slow().waiting.is_empty());
    }
}
