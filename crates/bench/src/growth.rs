//! What the server's start, a read and a creation take with ever more ports in the database.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use crate::lists::{figure, get};
use crate::machine::resident;
use crate::memory::mib;
use crate::report::{Figure, Report, Verdict};
use crate::rest::{Api, create};
use crate::samples::{Samples, ms};
use crate::site::Site;

const PORTS: [usize; 3] = [100, 10_000, 1_000_000];
const TIMES: usize = 50;
/// Ports on one host, and in the one group and the one project that are asked for.
const TOGETHER: usize = 50;
/// Ports of a page: the one after the middle has as many in each database.
const PAGE: usize = 40;
const PROJECT: &str = "another";

/// What is indexed stays flat: with ever more ports it takes at most so many times as long as with the fewest, and what the
/// clock and the network are out by.
const FLAT: u32 = 2;
const NOISE: Duration = Duration::from_millis(1);

/// What was asked, and what it took, p50.
type Times = Vec<(&'static str, Duration)>;

pub(crate) async fn measure(site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let mut sizes = Vec::new();
    for ports in PORTS {
        sizes.push(with(site, ports, report).await?);
    }
    if let Some((fewest, others)) = sizes.split_first() {
        report.add(growth(fewest, others));
    }
    Ok(())
}

/// How much longer each takes with more ports, at most.
fn growth(fewest: &Times, others: &[Times]) -> Figure {
    let mut all_flat = true;
    let mut grown = Vec::new();
    for (at, (what, with_fewest)) in fewest.iter().enumerate() {
        let longest = others.iter().filter_map(|times| times.get(at)).map(|(_, time)| *time).max().unwrap_or_default();
        let is_flat = longest <= *with_fewest * FLAT + NOISE;
        all_flat &= is_flat;
        let ratio = longest.as_secs_f64() / with_fewest.as_secs_f64();
        grown.push(format!("{what} {ratio:.1}{}", if is_flat { "" } else { " (not flat)" }));
    }
    let [first, .., last] = PORTS;
    Figure {
        what: format!("reads and a creation with up to {last} ports, over the same with {first}"),
        value: grown.join("; "),
        reference: format!("with {first} ports, same run"),
        ratio: None,
        target: format!("flat: each ≤ {FLAT} × + {}", ms(NOISE)),
        verdict: Verdict::of(all_flat),
    }
}

async fn with(site: &Site, ports: usize, report: &mut Report) -> anyhow::Result<Times> {
    let directory = tempfile::tempdir_in(&site.directory)?;
    let api = Api::start(site, directory.path()).await?;
    let network = create(&api.client, &api.url, "network", json!({})).await?["id"].clone();
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/8"});
    create(&api.client, &api.url, "subnet", subnet).await?;
    let first = create(&api.client, &api.url, "port", json!({"network_id": network})).await?;
    let group = create(&api.client, &api.url, "security_group", json!({})).await?;
    api.stop().await?;
    let text = |of: &Value| of.as_str().map(str::to_owned).context("the filled ports are missing");
    let (default, group) = (text(&first["security_groups"][0])?, text(&group["id"])?);
    fill(directory.path(), ports - 1, &default, &group).await?;

    let started = Instant::now();
    let api = Api::start(site, directory.path()).await?;
    let mut figures =
        vec![format!("start {}", ms(started.elapsed())), format!("memory {}", mib(resident(api.pid()?)?))];
    let middle = get(&api, &format!("ports?name=port-{}", ports / 2)).await?;
    let port = &middle["ports"][0];
    let (id, mac, host) = (text(&port["id"])?, text(&port["mac_address"])?, text(&port["binding:host_id"])?);
    let ip = text(&port["fixed_ips"][0]["ip_address"])?;
    let mut took = Times::new();
    for (what, count, path) in [
        ("by id", None, format!("ports/{id}")),
        ("by MAC", Some(1), format!("ports?mac_address={mac}")),
        ("by address", Some(1), format!("ports?fixed_ips=ip_address={ip}")),
        ("by name", Some(1), format!("ports?name=port-{}", ports / 2)),
        ("by device", Some(1), format!("ports?device_id=device-{}", ports / 2)),
        ("50 by host", Some(TOGETHER), format!("ports?binding:host_id={host}")),
        ("50 by security group", Some(TOGETHER), format!("ports?security_groups={group}")),
        ("50 by project", Some(TOGETHER), format!("ports?project_id={PROJECT}")),
        ("40 from the middle", Some(PAGE), format!("ports?limit={PAGE}&marker={id}")),
        ("40 by name", Some(PAGE), format!("ports?limit={PAGE}&sort_key=name&sort_dir=asc&marker={id}")),
    ] {
        let mut times = Samples::default();
        for _ in 0..TIMES {
            let started = Instant::now();
            let found = get(&api, &path).await?;
            times.add(started.elapsed());
            let found = found["ports"].as_array().map(Vec::len);
            ensure!(found != Some(0) && (count.is_none() || found == count), "there are {found:?} {what}");
        }
        took.push((what, times.median()));
    }
    let mut times = Samples::default();
    for _ in 0..TIMES {
        let started = Instant::now();
        create(&api.client, &api.url, "port", json!({"network_id": network})).await?;
        times.add(started.elapsed());
    }
    took.push(("one more", times.median()));
    figures.extend(took.iter().map(|(what, time)| format!("{what} {}", ms(*time))));
    let what = format!("with {ports} ports in the database: the server's start and memory, reads and a creation, p50");
    report.add(figure(what, figures.join("; "), "–".to_owned(), None));
    Ok(took)
}

/// More ports like the one that is there, with their addresses, groups and hosts, past the API: what is measured is the rest.
/// Those in the middle are of another project and in this group, not in the default one.
async fn fill(directory: &Path, ports: usize, default: &str, group: &str) -> anyhow::Result<()> {
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
        "INSERT INTO bindings (port_id, host, vif_type) \
         SELECT id, 'host-' || (rowid / $2), 'ovs' FROM ports WHERE rowid > 1",
        "UPDATE ports SET project_id = $3, attributes = replace(attributes, $4, $5) \
         WHERE rowid > $1 / 2 - $2 / 2 AND rowid <= $1 / 2 + $2 / 2",
        "UPDATE port_security_groups SET security_group_id = unhex(replace($5, '-', '')) \
         WHERE port_id IN (SELECT id FROM ports WHERE project_id = $3)",
    ] {
        let (ports, together) = (i64::try_from(ports)?, i64::try_from(TOGETHER)?);
        let query = sqlx::query(statement).bind(ports).bind(together).bind(PROJECT).bind(default).bind(group);
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(database.close().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_twice_as_long_and_more_is_not_flat() {
        let times = |read, list| -> Times {
            vec![("by id", Duration::from_millis(read)), ("by host", Duration::from_millis(list))]
        };
        let fewest = times(1, 10);
        assert_eq!(growth(&fewest, &[times(2, 9), times(3, 21)]).verdict, Verdict::Met);
        let grown = growth(&fewest, &[times(1, 22), times(1, 10)]);
        assert_eq!(grown.verdict, Verdict::Missed);
        assert_eq!(grown.value, "by id 1.0; by host 2.2 (not flat)");
    }
}
