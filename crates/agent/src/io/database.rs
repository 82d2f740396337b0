use ovsdb::codec::Operation;
use ovsdb::txn::next_cfg_of;
use ovsdb::{Client, Endpoint, Options};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::events::{Database, Event};

/// What the host state asks of the database.
#[derive(Debug)]
pub(crate) enum Order {
    Transact { id: u64, operations: Vec<Operation> },
    Refetch,
}

/// Starts the task that carries updates in and transactions out.
pub(crate) fn start(endpoint: Endpoint, events: mpsc::Sender<Event>) -> mpsc::UnboundedSender<Order> {
    // The state has at most one transaction of each purpose under way: this queue stays short.
    let (orders, receiver) = mpsc::unbounded_channel();
    let (client, updates) = Client::connect(endpoint, Options::default());
    tokio::spawn(run(client, updates, receiver, events));
    orders
}

async fn run(
    client: Client,
    mut updates: mpsc::Receiver<ovsdb::Event>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::Sender<Event>,
) {
    let mut running: JoinSet<(u64, Result<Option<i64>, String>)> = JoinSet::new();
    loop {
        let event = tokio::select! {
            biased;
            update = updates.recv() => match update {
                Some(update) => translate(update),
                None => return,
            },
            Some(done) = running.join_next() => {
                // The state must see what a transaction did before it hears that it is done, or it would do it again.
                while let Ok(update) = updates.try_recv() {
                    if events.send(Event::Database(translate(update))).await.is_err() {
                        return;
                    }
                }
                let Ok((id, result)) = done else { continue };
                Database::Done { id, result }
            }
            order = orders.recv() => {
                match order {
                    Some(Order::Transact { id, operations }) => {
                        let client = client.clone();
                        running.spawn(async move {
                            let result = client.transact(operations).await;
                            (id, result.map(|results| next_cfg_of(&results)).map_err(|error| error.to_string()))
                        });
                    }
                    Some(Order::Refetch) => client.refetch().await,
                    None => return,
                }
                continue;
            }
        };
        if events.send(Event::Database(event)).await.is_err() {
            return;
        }
    }
}

fn translate(event: ovsdb::Event) -> Database {
    match event {
        ovsdb::Event::Connected { .. } => Database::Connected,
        ovsdb::Event::Update(update) => Database::Update(update),
        // The client logs the reason.
        ovsdb::Event::Disconnected(_) => Database::Lost,
    }
}
