//! The database: the only place that knows SQL.
//!
//! Every write is one transaction, takes the next [`Revision`] from a counter in the database, appends to the change
//! log, and after its commit is told to the followers ([`Store::follow`]), in commit order. Reads see the last commit
//! and never wait for a writer.

mod addresses;
mod batch;
mod bindings;
mod db;
mod environment;
mod error;
mod filter;
mod fixed_ips;
mod hosts;
mod ipam;
mod load;
mod macs;
mod networks;
mod new_ports;
mod packed;
mod places;
mod port_security;
mod ports;
mod protocols;
mod quotas;
mod reports;
mod security_group_rules;
mod security_groups;
mod segments;
mod stored;
mod subnets;
mod tags;
mod types;
mod write;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use model::{Epoch, Revision};
use sqlx::Row as _;
use sqlx::pool::PoolConnection;
use tokio::sync::Mutex;
use uuid::Uuid;

pub use addresses::{Range, default_gateway, default_pools, usable};
pub use environment::{Environment, System};
pub use error::Error;
pub use filter::{Column, Direction, Filter};
pub use new_ports::CanBind;
pub use protocols::{PROTOCOLS, protocol_number};
pub use quotas::{Counted, Limits};
pub use stored::Stored;
pub use tags::{TagChange, Tagged};
pub use types::*;
pub use write::Write;

use db::{Pools, to_i64, to_u64};
use write::Turn;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Revisions that the change log keeps, at least.
const LOG_KEPT: u64 = 100_000;

/// The open database. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    pools: Pools,
    environment: Box<dyn Environment>,
    epoch: RwLock<Epoch>,
    /// The last revision that was committed here.
    revision: AtomicU64,
    /// Holding it is the right to write.
    turn: Mutex<Turn>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("epoch", &self.epoch())
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database file, made if missing.
    pub async fn open(path: &Path) -> Result<Store> {
        Store::open_with(path, Box::new(System)).await
    }

    /// As [`Store::open`], with a clock and random numbers of the caller's.
    pub async fn open_with(path: &Path, environment: Box<dyn Environment>) -> Result<Store> {
        let pools = db::connect(path).await?;
        let (epoch, revision) = open_history(&pools, environment.uuid()).await?;
        Ok(Store(Arc::new(Inner {
            pools,
            environment,
            epoch: RwLock::new(epoch),
            revision: AtomicU64::new(revision.0),
            turn: Mutex::default(),
        })))
    }

    /// The identity of this history of revisions.
    pub fn epoch(&self) -> Epoch {
        *self.0.epoch.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives this history a new identity, from its present revision on: what was said of revisions under the old one may
    /// be about commits that are no longer here, because the file was replaced by an older copy of itself.
    pub async fn begin_history(&self) -> Result<Epoch> {
        let mut turn = self.0.turn.lock().await;
        let epoch = self.0.environment.uuid();
        let mut connection = turn.take(&self.0.pools.writer).await?;
        sqlx::query("UPDATE meta SET epoch = $1").bind(epoch).execute(&mut *connection).await?;
        turn.give_back(connection);
        *self.0.epoch.write().unwrap_or_else(PoisonError::into_inner) = Epoch(epoch);
        Ok(Epoch(epoch))
    }

    /// The last committed revision.
    pub fn revision(&self) -> Revision {
        Revision(self.0.revision.load(Ordering::Acquire))
    }

    /// A connection for reading the last commit.
    async fn reader(&self) -> Result<PoolConnection<db::Engine>> {
        Ok(self.0.pools.readers.acquire().await?)
    }

    /// Ends all connections, writers first; later calls fail.
    pub async fn close(&self) {
        *self.0.turn.lock().await = Turn::default();
        self.0.pools.writer.close().await;
        self.0.pools.readers.close().await;
    }
}

/// Reads the history's identity and counter, or starts one; forgets the far end of the change log.
async fn open_history(pools: &Pools, epoch: Uuid) -> Result<(Epoch, Revision)> {
    let mut transaction = pools.writer.begin_with(db::BEGIN).await?;
    sqlx::query("INSERT INTO meta (one, epoch, revision) VALUES (1, $1, 0) ON CONFLICT (one) DO NOTHING")
        .bind(epoch)
        .execute(&mut *transaction)
        .await?;
    let meta = sqlx::query("SELECT epoch, revision FROM meta").fetch_one(&mut *transaction).await?;
    let revision = to_u64(meta.try_get("revision")?)?;
    sqlx::query("DELETE FROM change_log WHERE revision <= $1")
        .bind(to_i64(revision.saturating_sub(LOG_KEPT))?)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok((Epoch(meta.try_get("epoch")?), Revision(revision)))
}
