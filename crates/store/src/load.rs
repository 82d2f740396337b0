//! What the hub lives on: the whole state once, then every commit.

use model::{Change, Committed, Revision};
use sqlx::Row as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::db::{Connection, to_u64};
use crate::filter::Filter;
use crate::{Result, Store, hosts, networks, ports};

impl Store {
    /// The whole state as of one revision, and every commit after that one: none is missing, none comes twice.
    ///
    /// A receiver that closes while the store is open has missed a commit: follow anew.
    pub async fn follow(&self) -> Result<(Committed, UnboundedReceiver<Committed>)> {
        // no commit can fall between the load and the registration
        let mut followers = self.0.followers.lock().await;
        let state = self.load().await?;
        let (sender, receiver) = unbounded_channel();
        followers.push(sender);
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
    let hosts = hosts::select(db).await?;
    let networks = networks::select(db, &all).await?;
    let ports = ports::select(db, &all).await?;
    let changes = hosts
        .iter()
        .map(|host| Change::Host(host.to_model()))
        .chain(networks.iter().map(|network| Change::Network(network.to_model())))
        .chain(ports.iter().map(|port| Change::Port(port.to_model())))
        .collect();
    Ok(Committed { revision, changes })
}
