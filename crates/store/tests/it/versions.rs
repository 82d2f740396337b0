//! Databases of older versions, with rows in them, are brought up to date; one of a newer version is refused.

use std::path::{Path, PathBuf};

use model::{Generation, PortStatus, Segment, TunnelType};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};
use store::{Column, Counted, Error, Filter, Host, Network, Port, SecurityGroup, SecurityGroupRule, Store, Subnet};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{create_ports, never, new_port};

/// What a database of a version can hold; since which version.
const ROWS: [(i64, &str); 2] =
    [(1, include_str!("../data/rows-since-1.sql")), (2, include_str!("../data/rows-since-2.sql"))];

/// The one of version 1; its name is 8.
pub(crate) const OLD_PORT: Uuid = Uuid::from_u128(0xc0);

#[tokio::test]
async fn older_databases_are_brought_up_to_date_with_all_their_rows() {
    let all = migrations().await;
    assert!(all.len() >= 4);
    for version in 1..all.len() {
        let old = Database::new();
        old.migrate(&all[..version]).await;
        old.fill(version).await;
        let store = Store::open(&old.path).await.unwrap();
        check(&store, version).await;
        store.close().await;
        // and once more, as nothing is left to be done
        let store = Store::open(&old.path).await.unwrap();
        store.check_integrity().await.unwrap();
        store.close().await;
    }
}

/// The hint says what to do, and nothing was changed.
#[tokio::test]
async fn a_newer_database_is_refused() {
    let mut all = migrations().await;
    let newer = Database::new();
    newer.migrate(&all).await;
    newer.fill(all.len()).await;
    let store = Store::open(&newer.path).await.unwrap();
    store.close().await;

    let sql = "CREATE TABLE later (id BLOB PRIMARY KEY)".into_sql_str();
    let next = i64::try_from(all.len()).unwrap() + 1;
    all.push(Migration::new(next, "later".into(), MigrationType::Simple, sql, false));
    newer.migrate(&all).await;
    let before = std::fs::read(&newer.path).unwrap();
    let refused = Store::open(&newer.path).await.unwrap_err();
    assert!(matches!(refused, Error::Migration(_)), "{refused:?}");
    assert!(refused.to_string().contains("an older program must not open a newer database"), "{refused}");
    assert!(std::fs::read(&newer.path).unwrap() == before, "it was changed");
}

/// A database file that only migrations have touched; it goes with this.
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    _directory: TempDir,
}

impl Database {
    pub(crate) fn new() -> Database {
        let directory = tempfile::tempdir().unwrap();
        Database { path: directory.path().join("culvert.db"), _directory: directory }
    }

    /// One of version 1, with rows.
    pub(crate) async fn of_version_1() -> Database {
        let database = Database::new();
        database.migrate(&migrations().await[..1]).await;
        database.fill(1).await;
        database
    }

    async fn migrate(&self, migrations: &[Migration]) {
        let pool = self.pool().await;
        Migrator::with_migrations(migrations.to_vec()).run(&pool).await.unwrap();
        pool.close().await;
    }

    async fn fill(&self, version: usize) {
        let pool = self.pool().await;
        for (_, rows) in ROWS.iter().filter(|(since, _)| *since <= i64::try_from(version).unwrap()) {
            sqlx::raw_sql(AssertSqlSafe(*rows)).execute(&pool).await.unwrap();
        }
        pool.close().await;
    }

    async fn pool(&self) -> SqlitePool {
        SqlitePool::connect_with(SqliteConnectOptions::new().filename(&self.path).create_if_missing(true))
            .await
            .unwrap()
    }
}

/// The migrations of the program, from the files that it is made of.
async fn migrations() -> Vec<Migration> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    Migrator::new(directory).await.unwrap().iter().cloned().collect()
}

async fn check(store: &Store, version: usize) {
    store.check_integrity().await.unwrap();
    assert_eq!((store.epoch().0, store.revision().0), (id(0xe0), 7), "version {version}");

    let network = store.get::<Network>(id(0xa0)).await.unwrap();
    assert_eq!((network.name.as_str(), network.mtu, network.stamp.revision_number), ("n1", 1458, 3));
    assert_eq!(network.segment, Segment::new(TunnelType::Gre, 6).unwrap());
    assert_eq!(network.attributes["tags"][0], "red");
    let subnet = store.get::<Subnet>(id(0xb0)).await.unwrap();
    assert_eq!((subnet.cidr.to_string().as_str(), subnet.enable_dhcp), ("10.0.0.0/24", true));
    assert_eq!(subnet.allocation_pools, [("10.0.0.2".parse().unwrap(), "10.0.0.254".parse().unwrap())]);
    let port = store.get::<Port>(OLD_PORT).await.unwrap();
    assert_eq!((port.name.as_str(), port.mac.to_string().as_str()), ("8", "fa:16:3e:b3:e7:7a"));
    assert_eq!((port.status, port.wired, port.generation), (PortStatus::Active, true, Generation(5)));
    assert_eq!(port.binding.as_ref().unwrap().host.as_str(), "compute1");
    assert_eq!(port.fixed_ips.iter().map(|ip| ip.ip.to_string()).collect::<Vec<_>>(), ["10.0.0.8"]);
    assert_eq!(port.attributes["description"], "web");
    let host = store.get::<Host>(id(0xd0)).await.unwrap();
    assert_eq!((host.endpoint.to_string().as_str(), host.admin_state_up), ("10.0.1.31", false));
    assert_eq!(host.tunnel_types, TunnelType::ALL);

    if version >= 2 {
        assert_eq!(host.description.as_deref(), Some("rack 7"));
        let group = store.get::<SecurityGroup>(id(0xf0)).await.unwrap();
        assert_eq!((group.is_default, group.rules.len()), (true, 1));
        assert_eq!(found::<SecurityGroupRule>(store, Column::PortRangeMin, "22").await, [id(0xf1)]);
        assert_eq!(found::<Port>(store, Column::MemberOf, &group.id.to_string()).await, [port.id.0]);
        assert_eq!(store.inactive_bindings(port.id).await.unwrap()[0].host.as_str(), "compute2");
        assert_eq!(store.quota("p1").await.unwrap()[&Counted::Port], 10);
    }

    // what newer versions find and order by is there for older rows
    assert_eq!(found::<Subnet>(store, Column::IpVersion, "4").await, [subnet.id.0]);
    assert_eq!(found::<Port>(store, Column::Host, "compute1").await, [port.id.0]);
    assert_eq!(found::<Port>(store, Column::IpAddress, "10.0.0.8").await, [port.id.0]);
    // and life goes on
    let made = create_ports(store, vec![new_port(network.id, None, None)], never()).await.unwrap();
    assert_eq!(made[0].fixed_ips[0].ip.to_string(), "10.0.0.9");
    assert_eq!(store.revision().0, 8);
    store.check_integrity().await.unwrap();
}

async fn found<T: store::Stored>(store: &Store, column: Column, value: &str) -> Vec<Uuid> {
    store.ids::<T>(&Filter::by(column, value.to_owned())).await.unwrap()
}

fn id(last: u128) -> Uuid {
    Uuid::from_u128(last)
}
