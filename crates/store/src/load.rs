//! What the hub lives on: the whole state once, then every commit.

use model::{Change, Committed, Revision};
use sqlx::Row as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::db::{self, Connection, to_u64};
use crate::filter::Filter;
use crate::types::{Host, Network};
use crate::{Error, Result, Store, Stored, ports};

impl Store {
    /// The whole state as of one revision, and every commit after that one: none is missing, none comes twice.
    ///
    /// A receiver that closes while the store is open has missed a commit: follow anew.
    pub async fn follow(&self) -> Result<(Committed, UnboundedReceiver<Committed>)> {
        // no commit can fall between the load and the registration
        let mut turn = self.0.turn.lock().await;
        let state = self.load().await?;
        let (sender, receiver) = unbounded_channel();
        turn.followers.push(sender);
        Ok((state, receiver))
    }

    /// The whole state as of one revision: hosts, then networks, then ports.
    pub async fn load(&self) -> Result<Committed> {
        // one transaction sees one state
        let mut transaction = self.0.pools.readers.begin().await?;
        let state = load(&mut transaction).await?;
        transaction.rollback().await?;
        Ok(state)
    }
}

async fn load(db: &mut Connection) -> Result<Committed> {
    let counter = sqlx::query("SELECT revision FROM meta").fetch_one(&mut *db).await?;
    let revision = Revision(to_u64(counter.try_get(0)?)?);
    let all = Filter::default();
    let hosts = Host::select(db, &all).await?;
    let networks = Network::select(db, &all).await?;
    let ports = ports::models(db).await?;
    let changes = hosts
        .iter()
        .map(|host| Change::Host(host.to_model()))
        .chain(networks.iter().map(|network| Change::Network(network.to_model())))
        .chain(ports.into_iter().map(Change::Port))
        .collect();
    Ok(Committed { revision, changes })
}

impl Store {
    /// Checks the database: its pages and references, and that the counter is the last revision of the log.
    pub async fn check_integrity(&self) -> Result<()> {
        let mut reader = self.reader().await?;
        db::check_integrity(&mut reader).await?;
        let row = sqlx::query("SELECT revision, (SELECT COALESCE(MAX(revision), 0) FROM change_log) FROM meta")
            .fetch_one(&mut *reader)
            .await?;
        let (counter, logged): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if counter == logged {
            return Ok(());
        }
        Err(Error::Corrupt(format!("the counter is at revision {counter}, the change log at {logged}")))
    }
}
