//! What the server's start, a read and a creation take with ever more ports in the database.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use crate::lists::{PAGE, figure, get};
use crate::machine::resident;
use crate::memory::mib;
use crate::report::Report;
use crate::rest::{Api, create};
use crate::samples::{Samples, ms};
use crate::site::Site;

const PORTS: [usize; 3] = [100, 10_000, 1_000_000];
const TIMES: usize = 50;

pub(crate) async fn measure(site: &Site, report: &mut Report) -> anyhow::Result<()> {
    for ports in PORTS {
        with(site, ports, report).await?;
    }
    Ok(())
}

async fn with(site: &Site, ports: usize, report: &mut Report) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(&site.directory)?;
    let api = Api::start(site, directory.path()).await?;
    let network = create(&api.client, &api.url, "network", json!({})).await?["id"].clone();
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/8"});
    create(&api.client, &api.url, "subnet", subnet).await?;
    create(&api.client, &api.url, "port", json!({"network_id": network})).await?;
    api.stop().await?;
    fill(directory.path(), ports - 1).await?;

    let started = Instant::now();
    let api = Api::start(site, directory.path()).await?;
    let mut figures =
        vec![format!("start {}", ms(started.elapsed())), format!("memory {}", mib(resident(api.pid()?)?))];
    let middle = get(&api, &format!("ports?name=port-{}", ports / 2)).await?;
    let text = |of: &Value| of.as_str().map(str::to_owned).context("the filled ports are missing");
    let port = &middle["ports"][0];
    let (id, mac) = (text(&port["id"])?, text(&port["mac_address"])?);
    let ip = text(&port["fixed_ips"][0]["ip_address"])?;
    for (what, path) in [
        ("by id", format!("ports/{id}")),
        ("by MAC", format!("ports?mac_address={mac}")),
        ("by address", format!("ports?fixed_ips=ip_address={ip}")),
        ("by name", format!("ports?name=port-{}", ports / 2)),
        ("page from the middle", format!("ports?limit={PAGE}&marker={id}")),
        ("page by name", format!("ports?limit={PAGE}&sort_key=name&sort_dir=asc&marker={id}")),
    ] {
        let mut times = Samples::default();
        for _ in 0..TIMES {
            let started = Instant::now();
            let found = get(&api, &path).await?;
            times.add(started.elapsed());
            ensure!(found["ports"] != json!([]), "there is nothing {what}");
        }
        figures.push(format!("{what} {}", ms(times.median())));
    }
    let mut times = Samples::default();
    for _ in 0..TIMES {
        let started = Instant::now();
        create(&api.client, &api.url, "port", json!({"network_id": network})).await?;
        times.add(started.elapsed());
    }
    figures.push(format!("one more {}", ms(times.median())));
    let what = format!("with {ports} ports in the database: the server's start and memory, reads and a creation, p50");
    report.add(figure(what, figures.join("; "), "reads flat".to_owned(), None));
    Ok(())
}

/// More ports like the one that is there, with their addresses and groups, past the API: what is measured is the rest.
async fn fill(directory: &Path, ports: usize) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(directory.join("culvert.db"))
        // nobody needs what is half filled
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-262144")
        .busy_timeout(Duration::from_secs(10));
    let mut database = SqliteConnection::connect_with(&options).await?;
    let mut transaction = database.begin().await?;
    for statement in [
        "INSERT INTO ports (id, network_id, project_id, name, mac, admin_state_up, device_id, device_owner, status, wired, \
         generation, attributes, created_at, updated_at, revision_number) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
         SELECT randomblob(16), p.network_id, p.project_id, 'port-' || i, unhex('fa163e' || printf('%06x', i)), \
         p.admin_state_up, 'device-' || i, p.device_owner, p.status, p.wired, p.generation, p.attributes, \
         p.created_at + i, p.updated_at, 1 FROM (SELECT * FROM ports LIMIT 1) p, n WHERE true ON CONFLICT DO NOTHING",
        // the first has 10.0.0.2
        "INSERT INTO fixed_ips (subnet_id, ip, port_id, position) \
         SELECT s.id, unhex(printf('%08x', 167772161 + p.rowid)), p.id, 0 FROM subnets s, ports p WHERE p.rowid > 1",
        "UPDATE free_ranges SET first_ip = unhex(printf('%08x', 167772163 + $1))",
        "UPDATE subnets SET next_ip = unhex(printf('%08x', 167772163 + $1))",
        "INSERT INTO port_security_groups (security_group_id, port_id) \
         SELECT g.security_group_id, p.id FROM (SELECT * FROM port_security_groups LIMIT 1) g, ports p \
         WHERE p.rowid > 1",
    ] {
        sqlx::query(statement).bind(i64::try_from(ports)?).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(database.close().await?)
}
