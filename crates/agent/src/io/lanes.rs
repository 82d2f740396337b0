//! More connections to a bridge, for flow-mods whose order does not matter.
//!
//! Open vSwitch takes a number of messages of one connection (50 in 3.1), then looks after everything else, then after the
//! next messages. Over several connections it takes as many times more in each round: 10,000 flow-mods in 76 ms over four,
//! 109 ms over one.

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use openflow::connection::{Connection, Event, Options, Target};
use tokio::sync::mpsc;

/// Beside the one that is always there.
const MORE: usize = 3;

/// What it takes to send on another connection. The switch tells nothing there unasked.
type Lane = (Connection, mpsc::Receiver<Event>);

#[derive(Debug)]
pub(super) struct Lanes {
    target: Target,
    open: Vec<Lane>,
    opening: FuturesUnordered<BoxFuture<'static, openflow::Result<Lane>>>,
    /// Counts what was sent: each lane has its turn.
    turn: usize,
}

impl Lanes {
    pub(super) fn new(target: Target) -> Lanes {
        Lanes { target, open: Vec::new(), opening: FuturesUnordered::new(), turn: 0 }
    }

    /// The connection whose turn it is; until more are open, the first takes all.
    pub(super) fn next(&mut self, first: &Connection) -> Connection {
        if self.open.is_empty() && self.opening.is_empty() {
            for _ in 0..MORE {
                let target = self.target.clone();
                self.opening.push(Box::pin(async move { Connection::open(&target, Options::default()).await }));
            }
        }
        self.turn += 1;
        match self.turn % (self.open.len() + 1) {
            0 => first.clone(),
            lane => self.open[lane - 1].0.clone(),
        }
    }

    /// Takes in a connection that has been made; `None` if none is on its way. One that cannot be made is done without.
    pub(super) async fn opened(&mut self) -> Option<()> {
        if let Ok(lane) = self.opening.next().await? {
            self.open.push(lane);
        }
        Some(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.opening.is_empty()
    }

    /// Also what is being made.
    pub(super) fn close(&mut self) {
        self.open.clear();
        self.opening.clear();
    }
}
