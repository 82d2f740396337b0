use std::sync::Arc;

use model::Backoff;
use tokio::sync::mpsc;

use super::{Connection, Event, Options, Target};
use crate::Error;

/// What happens to a connection that is kept up.
#[derive(Debug)]
pub enum Change {
    Connected(Connection),
    /// An event of the last connection, never [`Event::Disconnected`].
    Event(Event),
    /// The connection broke, or (several times in a row) could not be made. It is tried again.
    Lost(Arc<Error>),
}

/// Connects again and again, with growing pauses, until the receiver is dropped.
///
/// `random` gives the pauses their jitter: any 32 bits.
pub fn keep_connected(
    target: Target,
    options: Options,
    mut backoff: Backoff,
    mut random: impl FnMut() -> u32 + Send + 'static,
) -> mpsc::Receiver<Change> {
    let (changes, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let until_dropped = changes.clone();
        tokio::select! {
            () = until_dropped.closed() => {}
            () = run(&target, &options, &mut backoff, &mut random, &changes) => {}
        }
    });
    receiver
}

/// Ends when nobody listens.
async fn run(
    target: &Target,
    options: &Options,
    backoff: &mut Backoff,
    random: &mut (impl FnMut() -> u32 + Send),
    changes: &mpsc::Sender<Change>,
) {
    loop {
        let reason = match Connection::open(target, options.clone()).await {
            Ok((connection, mut events)) => {
                backoff.reset();
                if changes.send(Change::Connected(connection)).await.is_err() {
                    return;
                }
                loop {
                    match events.recv().await {
                        Some(Event::Disconnected(reason)) => break reason,
                        Some(event) => {
                            if changes.send(Change::Event(event)).await.is_err() {
                                return;
                            }
                        }
                        // The last handle was dropped: whoever had it wants a new connection.
                        None => break Arc::new(Error::Closed),
                    }
                }
            }
            Err(error) => Arc::new(error),
        };
        if changes.send(Change::Lost(reason)).await.is_err() {
            return;
        }
        tokio::time::sleep(backoff.next(random())).await;
    }
}
