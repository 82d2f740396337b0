use std::path::PathBuf;
use std::time::Duration;

use model::Backoff;
use openflow::connection::{Change, Connection, Options, Outcome, Target, keep_connected};
use openflow::{Error, Flow, FlowFilter, FlowMod};
use pipeline::Bridge;
use tokio::sync::mpsc;

use crate::events::{Event, Features, Refused, Switch};

/// Waits between tries: the socket is on this host, and appears as soon as the bridge does.
const FIRST_RETRY: Duration = Duration::from_millis(20);
const MOST_RETRY: Duration = Duration::from_secs(1);
/// Flows of a dump that go to the state at a time.
const PART: usize = 256;
/// `OFPET_BAD_ACTION` (OpenFlow 1.3.5 section 7.4.4).
const BAD_ACTION: u16 = 2;

/// What the host state asks of a bridge.
#[derive(Debug)]
pub(crate) enum Order {
    Dump { session: u64 },
    Apply { session: u64, flow_mods: Vec<FlowMod>, together: bool },
}

/// Starts the task that keeps a connection to a bridge's management socket.
pub(crate) fn start(bridge: Bridge, socket: PathBuf, events: mpsc::Sender<Event>) -> mpsc::UnboundedSender<Order> {
    // The state has at most one order per bridge under way: this queue stays short.
    let (sender, orders) = mpsc::unbounded_channel();
    let backoff = Backoff::new(FIRST_RETRY, MOST_RETRY);
    let changes = keep_connected(Target::Unix(socket), Options::default(), backoff, rand::random);
    tokio::spawn(Task { bridge, events, connection: None, session: 0 }.run(changes, orders));
    sender
}

struct Task {
    bridge: Bridge,
    events: mpsc::Sender<Event>,
    connection: Option<Connection>,
    /// Counts connections.
    session: u64,
}

/// The state is gone.
struct Over;

impl Task {
    async fn run(mut self, mut changes: mpsc::Receiver<Change>, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            let done = tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => self.on_change(change).await,
                    None => return,
                },
                order = orders.recv() => match order {
                    Some(order) => self.on_order(order).await,
                    None => return,
                },
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn on_change(&mut self, change: Change) -> Result<(), Over> {
        match change {
            Change::Connected(connection) => {
                self.session += 1;
                // An error here is the connection's, which says so by itself.
                let bundles = connection.supports_bundles().await.unwrap_or(false);
                self.connection = Some(connection);
                self.say(Switch::Connected { session: self.session, features: Features { bundles } }).await
            }
            Change::Lost(reason) => {
                self.connection = None;
                self.say(Switch::Lost { session: self.session, reason: reason.to_string() }).await
            }
            Change::Event(_) => Ok(()),
        }
    }

    async fn on_order(&mut self, order: Order) -> Result<(), Over> {
        let (Order::Dump { session } | Order::Apply { session, .. }) = &order;
        let Some(connection) = self.connection.clone().filter(|_| *session == self.session) else { return Ok(()) };
        let result = match order {
            Order::Dump { .. } => self.dump(&connection).await,
            Order::Apply { flow_mods, together, .. } => apply(&connection, &flow_mods, together)
                .await
                .map(|refused| Switch::Applied { session: self.session, refused }),
        };
        match result {
            Ok(event) => self.say(event).await,
            // What is in is not known: give the connection up, and begin the next one with a dump.
            Err(error) => {
                self.connection = None;
                self.say(Switch::Lost { session: self.session, reason: error.to_string() }).await
            }
        }
    }

    /// Parts go to the state as they come, so that no more than a few wait here.
    async fn dump(&self, connection: &Connection) -> Result<Switch, Error> {
        let session = self.session;
        let (parts, mut waiting) = mpsc::unbounded_channel::<Vec<Flow>>();
        let read = async {
            let mut part = Vec::with_capacity(PART);
            let done = connection
                .dump_flows(FlowFilter::all(), |stats| {
                    part.push(stats.flow);
                    if part.len() == PART {
                        // The receiver outlives this future.
                        let _ = parts.send(std::mem::replace(&mut part, Vec::with_capacity(PART)));
                    }
                })
                .await;
            let _ = parts.send(part);
            drop(parts);
            done
        };
        let pass_on = async {
            while let Some(flows) = waiting.recv().await {
                // If the state is gone there is nobody to fill memory for either.
                let _ = self.say(Switch::Flows { session, flows }).await;
            }
        };
        let (done, ()) = tokio::join!(read, pass_on);
        done.map(|()| Switch::Dumped { session })
    }

    async fn say(&self, event: Switch) -> Result<(), Over> {
        self.events.send(Event::Switch(self.bridge, event)).await.map_err(|_| Over)
    }
}

/// Sends flow-mods and waits until the switch has them: as one bundle, or one after the other. Open vSwitch does what
/// comes on one connection in order. If the bundle is refused all go plain, so that one bad flow holds up no other.
async fn apply(connection: &Connection, flow_mods: &[FlowMod], together: bool) -> Result<Vec<Refused>, Error> {
    if together && flow_mods.len() > 1 {
        match connection.bundle(flow_mods).await {
            Ok(outcome) if outcome.is_ok() => return Ok(Vec::new()),
            Ok(_) | Err(Error::Switch(_) | Error::Unsupported { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(refused(connection.flow_mods(flow_mods).await?))
}

fn refused(outcome: Outcome) -> Vec<Refused> {
    let refused = |(index, error): (usize, Error)| Refused {
        index,
        bad_action: matches!(&error, Error::Switch(refusal) if refusal.kind == BAD_ACTION),
        reason: error.to_string(),
    };
    outcome.failed.into_iter().map(refused).collect()
}
