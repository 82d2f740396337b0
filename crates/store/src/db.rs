//! The seam to the database: the only file that names an engine. PostgreSQL will be these aliases, `connect`, and a
//! folder of migrations; the SQL elsewhere is what both understand ($1, RETURNING, ON CONFLICT).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use model::{Mac, TunnelKey};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, SqlSafeStr, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use crate::types::Attributes;
use crate::{Error, Result};

pub(crate) type Engine = Sqlite;
pub(crate) type Pool = SqlitePool;
pub(crate) type Connection = SqliteConnection;
pub(crate) type Row = SqliteRow;
pub(crate) type Held = sqlx::pool::PoolConnection<Engine>;

/// How a writing transaction begins: SQLite would otherwise begin as a reader and fail when it turns writer.
pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../migrations/sqlite/0001_initial.sql")),
    (
        2,
        "security groups, quotas, bindings",
        include_str!("../migrations/sqlite/0002_security_groups_quotas_bindings.sql"),
    ),
    (3, "lists", include_str!("../migrations/sqlite/0003_lists.sql")),
    (4, "orders", include_str!("../migrations/sqlite/0004_orders.sql")),
    (5, "moves", include_str!("../migrations/sqlite/0005_moves.sql")),
];
const READERS: u32 = 4;
/// How long a statement waits for another process to let go of the database.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a write waits for its turn: less, so that who waits for one that waits in vain does not do so after it.
pub(crate) const TURN: Duration = Duration::from_secs(8);
/// Bytes of what the API keeps of one object and nothing here acts on.
const ATTRIBUTES_MAX: usize = 16 << 10;

/// Short statements that one text may hold, with semicolons between them: they make one trip to the engine's thread. Only
/// SQLite takes more than one with values bound to them, and sqlx would rather not (its issue 3108); where an engine or a
/// version does not, this is 1, and the same statements make more trips. As many as making a port takes; more would be more
/// texts than the engine remembers.
pub(crate) const TOGETHER: usize = 12;

pub(crate) struct Pools {
    /// One connection: there is one writer.
    pub(crate) writer: Pool,
    pub(crate) readers: Pool,
}

/// Opens the file, made if missing, and brings its schema up to date.
pub(crate) async fn connect(path: &Path) -> Result<Pools> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // a revision that an agent holds must not be given out again after a power cut
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // pages (16 MiB) that the log grows to before they go to the database file: seldom, because who commits then waits
        .pragma("wal_autocheckpoint", "4000")
        // rows that wait to be taken: who is woken for each one costs more than the rows
        .row_buffer_size(256)
        .statement_cache_capacity(200)
        .busy_timeout(PATIENCE);
    // not tested before use: a file does not hang up, and the test is one more trip to the connection's thread
    let pool = || SqlitePoolOptions::new().test_before_acquire(false);
    let writer = pool().max_connections(1).connect_with(options.clone()).await?;
    migrate(&writer).await?;
    let readers = pool().max_connections(READERS).min_connections(0).connect_with(options).await?;
    Ok(Pools { writer, readers })
}

async fn migrate(pool: &Pool) -> Result<()> {
    let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Ok(Migrator::with_migrations(migrations.collect()).run(pool).await?)
}

/// Whether the engine could not get at its file.
pub(crate) fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            // the low byte of an extended result code is the primary one (https://www.sqlite.org/rescode.html)
            let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default() & 0xff;
            UNAVAILABLE.contains(&code)
        }
        _ => false,
    }
}

/// SQLITE_PERM, SQLITE_BUSY, SQLITE_LOCKED, SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN.
const UNAVAILABLE: [u32; 7] = [3, 5, 6, 8, 10, 13, 14];

/// What the engine itself can say of the health of a database.
pub(crate) async fn check_integrity(db: &mut Connection) -> Result<()> {
    let report: String = sqlx::query("PRAGMA integrity_check").fetch_one(&mut *db).await?.try_get(0)?;
    let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(db).await?.len();
    if report == "ok" && orphans == 0 {
        return Ok(());
    }
    Err(Error::Corrupt(format!("integrity check: {report}; {orphans} rows refer to nothing")))
}

/// Counters in the database are 64-bit and signed.
pub(crate) fn to_i64(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| Error::Corrupt(format!("{value} does not fit a signed 64-bit number")))
}

pub(crate) fn to_u64(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Error::Corrupt(format!("{value} is negative")))
}

pub(crate) fn to_key(value: i64) -> Result<TunnelKey> {
    TunnelKey::try_from(value).map_err(|_| Error::Corrupt(format!("{value} is not a tunnel key")))
}

/// Network order, so that bytes sort as addresses do.
pub(crate) fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub(crate) fn ip_from(bytes: &[u8]) -> Result<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ok(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(bytes).map_err(|_| Error::Corrupt(format!("{bytes:02x?} is not an address")))?;
    Ok(Ipv6Addr::from(octets).into())
}

pub(crate) fn mac_from(bytes: &[u8]) -> Result<Mac> {
    <[u8; 6]>::try_from(bytes).map(Mac).map_err(|_| Error::Corrupt(format!("{bytes:02x?} is not a MAC address")))
}

/// Bounded, because lists hold many objects at a time.
pub(crate) fn attributes_text(attributes: &Attributes) -> Result<String> {
    let text = serde_json::to_string(attributes).map_err(|error| Error::Corrupt(error.to_string()))?;
    if text.len() > ATTRIBUTES_MAX {
        return Err(Error::TooMuchOfOne { bytes: text.len(), max: ATTRIBUTES_MAX });
    }
    Ok(text)
}

pub(crate) fn attributes_from(text: &str) -> Result<Attributes> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt(format!("attributes: {error}")))
}

/// An expression for a column's bytes as hexadecimal digits. NULL is as no bytes.
pub(crate) fn hex(column: &str) -> String {
    format!("COALESCE(hex({column}), '')")
}

/// An expression for a flag among kept attributes; false if it is not there.
pub(crate) fn attribute_flag(attributes: &str, name: &str) -> String {
    format!("COALESCE(json_extract({attributes}, '$.{name}'), false)")
}
