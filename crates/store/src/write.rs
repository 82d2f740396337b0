//! The one way to write: a transaction that numbers itself, logs what it touched and tells the followers in order.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::Ordering;

use futures::future::BoxFuture;
use model::{Change, Committed, HostName, NetworkId, PortId, Revision, SubnetId};
use sqlx::{Connection as _, QueryBuilder, Row as _};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use crate::batch::Batch;
use crate::db::{self, Connection, Engine, Held, Transaction, to_u64};
use crate::environment::Environment;
use crate::types::{Micros, Stamp};
use crate::{Error, Result, Store};

/// What the one who writes has in hand.
#[derive(Default)]
pub(crate) struct Turn {
    /// Kept from write to write: each taking from the pool and giving back costs a trip to the engine's thread.
    pub(crate) connection: Option<Held>,
    /// Who hears of commits.
    pub(crate) followers: Vec<UnboundedSender<Committed>>,
}

/// An open write ([`Store::write`]): what its body reads and changes is one transaction.
pub struct Write<'e> {
    transaction: Transaction<'e>,
    last: Batch,
    changes: Vec<Change>,
    touched: HashSet<Touched>,
    pub(crate) now: Micros,
    pub(crate) environment: &'e dyn Environment,
}

impl fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("touched", &self.touched).finish_non_exhaustive()
    }
}

/// What the change log names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Touched {
    Network(NetworkId),
    Subnet(SubnetId),
    Port(PortId),
    Host(HostName),
    SecurityGroup(Uuid),
    /// Of this project.
    Quota(String),
}

impl Write<'_> {
    pub(crate) fn db(&mut self) -> &mut Connection {
        &mut self.transaction
    }

    /// Statements that run right before the commit, on one trip with what it writes by itself. Nothing that is read in this
    /// write may depend on them.
    pub(crate) fn last(&mut self) -> &mut QueryBuilder<Engine> {
        self.last.statement()
    }

    /// Notes that an object changed, and what hosts must know of it, if anything.
    pub(crate) fn touch(&mut self, touched: Touched, change: Option<Change>) {
        self.touched.insert(touched);
        self.changes.extend(change);
    }

    pub(crate) fn new_stamp(&self) -> Stamp {
        Stamp { created_at: self.now, updated_at: self.now, revision_number: 1 }
    }
}

impl Store {
    /// Runs `body` in a transaction of its own. If it touched something, that becomes a revision: commit, then the
    /// followers hear of it before the next write begins. If it fails or touched nothing, nothing is written.
    ///
    /// It runs as a task of its own, so that a caller who goes away cannot part a commit from its announcement.
    pub async fn write<T, E, F>(&self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'w> FnOnce(&'w mut Write<'_>) -> BoxFuture<'w, Result<T, E>> + Send + 'static,
    {
        let store = self.clone();
        tokio::spawn(async move { store.write_now(body).await }).await.map_err(|_| Error::Closed)?
    }

    async fn write_now<T, E, F>(&self, body: F) -> Result<T, E>
    where
        E: From<Error>,
        F: for<'w> FnOnce(&'w mut Write<'_>) -> BoxFuture<'w, Result<T, E>> + Send,
    {
        // held to the end: one writer, and followers hear of commits in their order
        let turn = tokio::time::timeout(db::PATIENCE, self.0.turn.lock()).await;
        let mut turn = turn.map_err(|_| Error::Busy)?;
        let result = self.write_in(&mut turn, body).await;
        if result.is_err() {
            // the pool looks whether it still works
            turn.connection = None;
        }
        result
    }

    async fn write_in<T, E, F>(&self, turn: &mut Turn, body: F) -> Result<T, E>
    where
        E: From<Error>,
        F: for<'w> FnOnce(&'w mut Write<'_>) -> BoxFuture<'w, Result<T, E>> + Send,
    {
        let mut write = Write {
            transaction: self.begin(&mut turn.connection).await?,
            last: Batch::default(),
            changes: Vec::new(),
            touched: HashSet::new(),
            now: self.0.environment.now(),
            environment: self.0.environment.as_ref(),
        };
        let result = body(&mut write).await?;
        self.commit(write, &mut turn.followers).await?;
        Ok(result)
    }

    pub(crate) async fn begin<'t>(&self, held: &'t mut Option<Held>) -> Result<Transaction<'t>> {
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => self.0.pools.writer.acquire().await?,
        };
        if db::is_stuck(&mut connection).await {
            connection.close().await?;
            connection = self.0.pools.writer.acquire().await?;
        }
        Ok(held.insert(connection).begin_with(db::BEGIN).await?)
    }

    async fn commit(&self, mut write: Write<'_>, followers: &mut Vec<UnboundedSender<Committed>>) -> Result<()> {
        if write.touched.is_empty() {
            return Ok(write.transaction.rollback().await?);
        }
        let revision = number(&mut write).await?;
        let Write { transaction, changes, .. } = write;
        transaction.commit().await?;

        let last = Revision(self.0.revision.swap(revision.0, Ordering::AcqRel));
        if revision != last.next() {
            // A commit that we took for failed went through, or another process writes: the followers missed it.
            tracing::warn!(%revision, %last, "the revision counter jumped: followers must load the state anew");
            followers.clear();
        }
        let committed = Committed { revision, changes };
        followers.retain(|follower| follower.send(committed.clone()).is_ok());
        Ok(())
    }
}

/// Takes the next revision and logs what was touched under it.
async fn number(write: &mut Write<'_>) -> Result<Revision> {
    let touched: Vec<Touched> = write.touched.drain().collect();
    let mut batch = std::mem::take(&mut write.last);
    batch.insert(
        "INSERT INTO change_log (revision, kind, object) SELECT revision + 1, column1, column2 FROM meta, (",
        &touched,
        |mut row, touched| {
            row.push_bind(touched.kind()).push_bind(touched.to_string());
        },
        ") AS touched",
    );
    batch.statement().push("UPDATE meta SET revision = revision + 1 RETURNING revision");
    Ok(Revision(to_u64(batch.fetch_one(write.db()).await?.try_get(0)?)?))
}

impl Touched {
    fn kind(&self) -> &'static str {
        match self {
            Touched::Network(_) => "network",
            Touched::Subnet(_) => "subnet",
            Touched::Port(_) => "port",
            Touched::Host(_) => "host",
            Touched::SecurityGroup(_) => "security_group",
            Touched::Quota(_) => "quota",
        }
    }
}

impl fmt::Display for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Touched::Network(id) => id.fmt(f),
            Touched::Subnet(id) => id.fmt(f),
            Touched::Port(id) => id.fmt(f),
            Touched::Host(name) => name.fmt(f),
            Touched::SecurityGroup(id) => id.fmt(f),
            Touched::Quota(project) => project.fmt(f),
        }
    }
}
