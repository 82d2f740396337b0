//! The one way to write: a transaction that numbers itself, logs what it touched and tells the followers in order.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::Ordering;

use futures::future::BoxFuture;
use model::{Change, Committed, HostName, NetworkId, PortId, Revision, SubnetId};
use sqlx::Row as _;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use crate::batch::Batch;
use crate::db::{self, Connection, Held, Pool, Row, to_u64};
use crate::environment::Environment;
use crate::types::{Micros, Stamp};
use crate::{Error, Limits, Result, Store};

/// What the one who writes has in hand.
#[derive(Default)]
pub(crate) struct Turn {
    /// Kept from write to write: each taking from the pool and giving back costs a trip to the engine's thread.
    connection: Option<Held>,
    /// The limits that were set, by project: most writes ask for them, few change them.
    quotas: Option<BTreeMap<String, Limits>>,
    /// Who hears of commits.
    pub(crate) followers: Vec<UnboundedSender<Committed>>,
}

impl Turn {
    /// The connection, for one who gives it [back](Turn::give_back) when no transaction is open on it. If that does not
    /// happen, because the work on it failed or ended midway, it is closed, and what it had not committed is undone.
    pub(crate) async fn take(&mut self, pool: &Pool) -> Result<Held> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut connection = pool.acquire().await?;
        connection.close_on_drop();
        Ok(connection)
    }

    pub(crate) fn give_back(&mut self, connection: Held) {
        self.connection = Some(connection);
    }
}

/// An open write ([`Store::write`]): what its body reads and changes is one transaction.
pub struct Write<'e> {
    connection: Held,
    /// The transaction has begun: it does with the first statement.
    is_open: bool,
    last: Batch,
    /// See [`Turn::quotas`].
    pub(crate) quotas: Option<BTreeMap<String, Limits>>,
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
    /// Asks for the rows that each of these statements returns, on one trip, and with the first of them begins.
    pub(crate) async fn ask(&mut self, fill: impl FnOnce(&mut Batch)) -> Result<Vec<Vec<Row>>> {
        let mut batch = Batch::default();
        let begins = !self.is_open;
        if begins {
            batch.statement().push(db::BEGIN);
            self.is_open = true;
        }
        fill(&mut batch);
        let answers = batch.fetch(&mut self.connection).await?;
        Ok(answers.into_iter().skip(usize::from(begins)).collect())
    }

    pub(crate) async fn db(&mut self) -> Result<&mut Connection> {
        if !self.is_open {
            self.ask(|_| ()).await?;
        }
        Ok(&mut self.connection)
    }

    /// What runs right before the commit, on one trip with it. Who reads in this write what depends on it
    /// [flushes](Write::flush) first.
    pub(crate) fn last(&mut self) -> &mut Batch {
        &mut self.last
    }

    /// Runs now what would run last.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let mut last = std::mem::take(&mut self.last);
        last.run(self.db().await?).await
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
        let turn = tokio::time::timeout(db::TURN, self.0.turn.lock()).await;
        let mut turn = turn.map_err(|_| Error::Busy)?;
        let mut write = self.begin(&mut turn).await?;
        let result = body(&mut write).await;
        if result.is_ok() && !write.touched.iter().any(|touched| matches!(touched, Touched::Quota(_))) {
            turn.quotas = write.quotas.take();
        }
        let result = match result {
            Ok(result) if write.touched.is_empty() => Ok(result),
            Ok(result) => self.commit(&mut write, &mut turn).await.map(|()| result).map_err(E::from),
            Err(error) => Err(error),
        };
        if !write.is_open || sqlx::query(db::ROLLBACK).execute(&mut *write.connection).await.is_ok() {
            turn.give_back(write.connection);
        }
        result
    }

    async fn begin(&self, turn: &mut Turn) -> Result<Write<'_>> {
        Ok(Write {
            connection: turn.take(&self.0.pools.writer).await?,
            is_open: false,
            last: Batch::default(),
            quotas: turn.quotas.take(),
            changes: Vec::new(),
            touched: HashSet::new(),
            now: self.0.environment.now(),
            environment: self.0.environment.as_ref(),
        })
    }

    async fn commit(&self, write: &mut Write<'_>, turn: &mut Turn) -> Result<()> {
        let revision = number_and_commit(write).await?;
        write.is_open = false;
        let last = Revision(self.0.revision.swap(revision.0, Ordering::AcqRel));
        if revision != last.next() {
            // A commit that we took for failed went through, or another process writes: the followers missed it.
            tracing::warn!(%revision, %last, "the revision counter jumped: followers must load the state anew");
            turn.followers.clear();
            turn.quotas = None;
        }
        let committed = Committed { revision, changes: std::mem::take(&mut write.changes) };
        turn.followers.retain(|follower| follower.send(committed.clone()).is_ok());
        Ok(())
    }
}

/// Takes the next revision, logs what was touched under it, and commits.
async fn number_and_commit(write: &mut Write<'_>) -> Result<Revision> {
    let touched: Vec<Touched> = write.touched.drain().collect();
    let batch = write.last();
    batch.insert(
        "INSERT INTO change_log (revision, kind, object) SELECT revision + 1, column1, column2 FROM meta, (",
        &touched,
        |mut row, touched| {
            row.push_bind(touched.kind()).push_bind(touched.to_string());
        },
        ") AS touched",
    );
    batch.statement().push("UPDATE meta SET revision = revision + 1 RETURNING revision");
    batch.statement().push(db::COMMIT);
    let mut last = std::mem::take(batch);
    let answers = last.fetch(write.db().await?).await?;
    let revision = answers.iter().flatten().next_back().ok_or(sqlx::Error::RowNotFound)?;
    Ok(Revision(to_u64(revision.try_get(0)?)?))
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
