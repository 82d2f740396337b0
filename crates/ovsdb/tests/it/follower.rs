use std::time::Duration;

use ovsdb::{Change, Client, Endpoint, Error, Event, OpenVSwitch, Options, Replica, Transaction, txn};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::server::DEADLINE;

/// A client with a replica that follows it, and notes of what it was told.
pub(crate) struct Follower {
    pub(crate) client: Client,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) replica: Replica,
    pub(crate) changes: Vec<Change>,
    /// Of each connection, whether it resumed.
    pub(crate) connected: Vec<bool>,
    pub(crate) errors: Vec<Error>,
}

/// Options that make tests quick.
pub(crate) fn options() -> Options {
    Options { retry_first: Duration::from_millis(10), retry_most: Duration::from_millis(50), ..Options::default() }
}

impl Follower {
    pub(crate) fn new(endpoint: Endpoint, options: Options) -> Self {
        let (client, events) = Client::connect(endpoint, options);
        let (replica, changes, connected, errors) = Default::default();
        Follower { client, events, replica, changes, connected, errors }
    }

    /// Connected, with the first copy in.
    pub(crate) async fn started(endpoint: Endpoint) -> Self {
        let mut follower = Self::new(endpoint, options());
        follower.until("the first copy", |follower| follower.replica.root().is_some()).await;
        follower
    }

    /// Takes events until something holds.
    pub(crate) async fn until(&mut self, what: &str, mut holds: impl FnMut(&Follower) -> bool) {
        let taking = async {
            while !holds(self) {
                self.take().await;
            }
        };
        let in_time = timeout(DEADLINE, taking).await;
        assert!(in_time.is_ok(), "waited in vain for {what}; errors: {:?}", self.errors);
    }

    /// Looks at something outside until it holds, and goes on taking events meanwhile.
    pub(crate) async fn until_seen(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let looking = async {
            while !holds() {
                let _ = timeout(Duration::from_millis(5), self.take()).await;
            }
        };
        assert!(timeout(DEADLINE, looking).await.is_ok(), "waited in vain for {what}");
    }

    async fn take(&mut self) {
        let event = self.events.recv().await.unwrap();
        self.note(event);
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Connected { resumed } => self.connected.push(resumed),
            Event::Update(update) => self.changes.extend(self.replica.apply(&update).unwrap()),
            Event::Disconnected(error) => self.errors.push(error),
        }
    }

    /// Waits until the replica holds all that the server committed before this call: our own write comes after it.
    pub(crate) async fn catch_up(&mut self) {
        let mut transaction = Transaction::new();
        transaction.next_cfg();
        let client = self.client.clone();
        let mut commit = Box::pin(async move { client.commit(transaction).await });
        // The reply comes behind the updates before it: these must be taken meanwhile.
        let results = loop {
            tokio::select! {
                results = &mut commit => break results.unwrap(),
                event = self.events.recv() => self.note(event.unwrap()),
            }
        };
        let next_cfg = txn::next_cfg_of(&results).unwrap();
        self.until("our own write", |follower| follower.root().next_cfg >= next_cfg).await;
    }

    pub(crate) fn root(&self) -> &OpenVSwitch {
        self.replica.root().unwrap().1
    }

    /// Waits for another connection, with its first update in.
    pub(crate) async fn reconnected(&mut self) {
        let before = self.connected.len();
        self.until("another connection", |follower| follower.connected.len() > before).await;
        self.take().await;
    }

    /// Changes since the last call, but for the root's counter that [`Follower::catch_up`] moves.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        let changes = std::mem::take(&mut self.changes);
        changes.into_iter().filter(|change| !matches!(change, Change::OpenVSwitch(_))).collect()
    }
}
