use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt as _};
use model::Backoff;
use openflow::connection::{Change, Connection, Options, Outcome, Target, keep_connected};
use openflow::{Error, Flow, FlowEvent, FlowFilter, FlowMod, FlowUpdate, connection};
use pipeline::Bridge;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::lanes::Lanes;
use crate::events::{Event, Features, FlowChange, Refused, Switch, Way};

/// Waits between tries: the socket is on this host, and appears as soon as the bridge does. A switch that has come back
/// forwards nothing until we have found it, however long it was away, and a look costs one system call.
const FIRST_RETRY: Duration = Duration::from_millis(5);
const MOST_RETRY: Duration = Duration::from_millis(10);
/// Flows of a dump that go to the state at a time.
const PART: usize = 256;
/// Time without an order after which what was there for many is put away: more connections, and that nobody is watched.
const QUIET: Duration = Duration::from_millis(50);
/// Flow-mods of one order up to which the switch goes on telling what others change. It names each of ours too, which took
/// as long again as carrying it out (OVS 3.1: 10,000 in 208 ms in the place of 124 ms).
const MOST_WATCHED: usize = 500;
/// `OFPET_BAD_ACTION` (OpenFlow 1.3.5 section 7.4.4).
const BAD_ACTION: u16 = 2;

/// What the host state asks of a bridge.
#[derive(Debug)]
pub(crate) enum Order {
    Dump { session: u64 },
    Apply { session: u64, flow_mods: Vec<FlowMod>, way: Way },
}

/// Starts the task that keeps a connection to a bridge's management socket.
pub(crate) fn start(bridge: Bridge, socket: PathBuf, events: mpsc::Sender<Event>) -> mpsc::UnboundedSender<Order> {
    // The state has few orders per bridge under way: this queue stays short.
    let (sender, orders) = mpsc::unbounded_channel();
    let backoff = Backoff::new(FIRST_RETRY, MOST_RETRY);
    let target = Target::Unix(socket);
    let changes = keep_connected(target.clone(), Options::default(), backoff, rand::random);
    let task = Task {
        bridge,
        events,
        connection: None,
        lanes: Lanes::new(target),
        session: 0,
        under_way: FuturesOrdered::new(),
        watch: Watch::Off,
        busy: Instant::now(),
    };
    tokio::spawn(task.run(changes, orders));
    sender
}

struct Task {
    bridge: Bridge,
    events: mpsc::Sender<Event>,
    connection: Option<Connection>,
    lanes: Lanes,
    /// Counts connections.
    session: u64,
    /// Batches on their way, in the order sent.
    under_way: FuturesOrdered<BoxFuture<'static, Result<Vec<Refused>, Error>>>,
    watch: Watch,
    /// When something was last sent or confirmed.
    busy: Instant,
}

/// Whether the switch tells what others change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// It cannot.
    Off,
    On,
    /// Not until what is under way is in. What others change meanwhile is found when all is compared.
    Paused,
}

/// The state is gone.
struct Over;

impl Task {
    async fn run(mut self, mut changes: mpsc::Receiver<Change>, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            let is_over = self.under_way.is_empty() && (self.watch == Watch::Paused || !self.lanes.is_empty());
            let quiet = sleep_until(self.busy + QUIET);
            let done = tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => self.on_change(change).await,
                    None => return,
                },
                order = orders.recv() => match order {
                    Some(order) => self.on_order(order).await,
                    None => return,
                },
                Some(applied) = self.under_way.next() => self.on_applied(applied).await,
                Some(()) = self.lanes.opened() => Ok(()),
                () = quiet, if is_over => self.on_quiet().await,
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
                // In one go, for a switch that has just come back is slow to answer; and before the dump, so that what
                // happens after a flow was read is told.
                let (bundles, watch) = tokio::join!(has_bundles(&connection), connection.monitor_flows());
                // The connection's, which says so by itself.
                let Some(bundles) = bundles else { return Ok(()) };
                self.watch = if watch.unwrap_or(false) { Watch::On } else { Watch::Off };
                self.connection = Some(connection);
                self.lanes.close();
                self.under_way.clear();
                self.say(Switch::Connected { session: self.session, features: Features { bundles } }).await
            }
            Change::Lost(reason) => match self.connection {
                Some(_) => self.give_up(&reason).await,
                // It was tried again, and is not there yet.
                None => Ok(()),
            },
            Change::Event(connection::Event::FlowUpdates(updates)) => {
                let changes = updates.into_iter().map(translate).collect();
                self.say(Switch::Changed { session: self.session, changes }).await
            }
            Change::Event(_) => Ok(()),
        }
    }

    async fn on_order(&mut self, order: Order) -> Result<(), Over> {
        let (Order::Dump { session } | Order::Apply { session, .. }) = &order;
        let Some(connection) = self.connection.clone().filter(|_| *session == self.session) else { return Ok(()) };
        match order {
            Order::Dump { .. } => self.dump(&connection).await,
            Order::Apply { flow_mods, way: Way::Together, .. } => {
                self.under_way.push_back(Box::pin(bundle(connection, flow_mods)));
                Ok(())
            }
            Order::Apply { flow_mods, way: Way::InOrder, .. } => {
                if flow_mods.len() > MOST_WATCHED {
                    self.unwatch(&connection).await;
                }
                self.send(&connection, &flow_mods).await
            }
            Order::Apply { flow_mods, way: Way::Spread, .. } => {
                // What comes over another connection would be told as somebody else's.
                self.unwatch(&connection).await;
                let lane = self.lanes.next(&connection);
                self.send(&lane, &flow_mods).await
            }
        }
    }

    async fn unwatch(&mut self, connection: &Connection) {
        if self.watch == Watch::On {
            self.watch = Watch::Paused;
            // An error here is the connection's, which says so by itself.
            let _ = connection.unmonitor_flows().await;
        }
    }

    async fn on_quiet(&mut self) -> Result<(), Over> {
        self.lanes.close();
        if self.watch == Watch::Paused
            && let Some(connection) = self.connection.clone()
        {
            self.watch(&connection).await;
        }
        Ok(())
    }

    async fn watch(&mut self, connection: &Connection) {
        let can = connection.monitor_flows().await.unwrap_or(false);
        self.watch = if can { Watch::On } else { Watch::Off };
    }

    async fn send(&mut self, connection: &Connection, flow_mods: &[FlowMod]) -> Result<(), Over> {
        self.busy = Instant::now();
        match connection.send_flow_mods(flow_mods).await {
            Ok(sent) => {
                self.under_way.push_back(Box::pin(async { sent.outcome().await.map(refused) }));
                Ok(())
            }
            Err(error) => self.give_up(&error).await,
        }
    }

    async fn on_applied(&mut self, applied: Result<Vec<Refused>, Error>) -> Result<(), Over> {
        self.busy = Instant::now();
        match applied {
            Ok(refused) => self.say(Switch::Applied { session: self.session, refused }).await,
            Err(error) => self.give_up(&error).await,
        }
    }

    /// What is in is not known: the next connection begins with a dump.
    async fn give_up(&mut self, reason: &Error) -> Result<(), Over> {
        self.connection = None;
        self.lanes.close();
        self.under_way.clear();
        self.say(Switch::Lost { session: self.session, reason: reason.to_string() }).await
    }

    /// What is on its way comes before it.
    async fn dump(&mut self, connection: &Connection) -> Result<(), Over> {
        while let Some(applied) = self.under_way.next().await {
            self.on_applied(applied).await?;
        }
        match self.read(connection).await {
            Ok(event) => self.say(event).await,
            Err(error) => self.give_up(&error).await,
        }
    }

    /// Parts go to the state as they come, so that no more than a few wait here.
    async fn read(&mut self, connection: &Connection) -> Result<Switch, Error> {
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

    async fn say(&mut self, event: Switch) -> Result<(), Over> {
        self.events.send(Event::Switch(self.bridge, event)).await.map_err(|_| Over)
    }
}

/// `None`: the connection is gone.
async fn has_bundles(connection: &Connection) -> Option<bool> {
    loop {
        match connection.supports_bundles().await {
            Ok(bundles) => return Some(bundles),
            // A switch that is slow has not said no.
            Err(Error::Timeout { .. }) => {}
            Err(_) => return None,
        }
    }
}

fn translate(update: FlowUpdate) -> FlowChange {
    match update {
        FlowUpdate::Full { event: FlowEvent::Removed, flow, .. } => FlowChange::Gone(flow),
        FlowUpdate::Full { flow, .. } => FlowChange::Set(flow),
        FlowUpdate::Own { .. } | FlowUpdate::Paused | FlowUpdate::Resumed => FlowChange::Unknown,
    }
}

/// Sends flow-mods that take effect in one moment. If the bundle is refused all go plain, so that one bad flow holds up no
/// other.
async fn bundle(connection: Connection, flow_mods: Vec<FlowMod>) -> Result<Vec<Refused>, Error> {
    if flow_mods.len() > 1 {
        match connection.bundle(&flow_mods).await {
            Ok(outcome) if outcome.is_ok() => return Ok(Vec::new()),
            Ok(_) | Err(Error::Switch(_) | Error::Unsupported { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(refused(connection.flow_mods(&flow_mods).await?))
}

fn refused(outcome: Outcome) -> Vec<Refused> {
    let refused = |(index, error): (usize, Error)| Refused {
        index,
        bad_action: matches!(&error, Error::Switch(refusal) if refusal.kind == BAD_ACTION),
        reason: error.to_string(),
    };
    outcome.failed.into_iter().map(refused).collect()
}
