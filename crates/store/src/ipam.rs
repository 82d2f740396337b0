//! Address management: which addresses of a subnet's pools are free.

use std::collections::HashMap;
use std::iter;
use std::net::IpAddr;

use ipnet::IpNet;
use model::{NetworkId, SubnetId};
use sqlx::Row as _;

use crate::addresses::{self, Range, after, before};
use crate::batch::{Batch, Values};
use crate::db::{Row, ip_bytes, ip_from};
use crate::write::Write;
use crate::{Error, Result};

/// For each subnet, where addresses are to be taken next: the free range that holds the cursor or comes next after it, round
/// the end; and the first address of it that is not before the cursor.
pub(crate) type Next = HashMap<SubnetId, (Range, IpAddr)>;

/// Asks for [`Next`] of a network's subnets.
pub(crate) fn ask_next(batch: &mut Batch, network: NetworkId) {
    // what the first finds, or else the second, is the one range
    let ahead = "SELECT f.last_ip FROM free_ranges f WHERE f.subnet_id = s.id AND f.last_ip >= s.next_ip ORDER BY f.last_ip LIMIT 1";
    let lowest = "SELECT f.last_ip FROM free_ranges f WHERE f.subnet_id = s.id ORDER BY f.last_ip LIMIT 1";
    let query =
        batch.statement().push("SELECT s.id, s.next_ip, r.first_ip, r.last_ip FROM subnets s JOIN free_ranges r ");
    query.push("ON r.subnet_id = s.id AND r.last_ip = COALESCE((").push(ahead).push("), (").push(lowest);
    query.push(")) WHERE s.network_id = ").push_bind(network.0);
}

/// The answer to [`ask_next`].
pub(crate) fn read_next(rows: &[Row]) -> Result<Next> {
    rows.iter()
        .map(|row| {
            let (range, cursor) = (read_range(row)?, ip_from(row.try_get("next_ip")?)?);
            let from = if cursor > range.1 { range.0 } else { cursor.max(range.0) };
            Ok((SubnetId(row.try_get("id")?), (range, from)))
        })
        .collect()
}

/// Takes free addresses of the subnet's pools, as many as are wanted or there are: those after that taken last, so that
/// freed ones rest. What is known to be next is used once.
pub(crate) async fn take_any(
    write: &mut Write<'_>,
    next: &mut Next,
    network: NetworkId,
    subnet: SubnetId,
    wanted: usize,
) -> Result<Vec<IpAddr>> {
    let mut taken = Vec::with_capacity(wanted);
    while taken.len() < wanted {
        if !next.contains_key(&subnet) {
            write.flush().await?;
            let answers = write.ask(|batch| ask_next(batch, network)).await?;
            next.extend(read_next(answers.first().map(Vec::as_slice).unwrap_or_default())?);
        }
        let Some((range, from)) = next.remove(&subnet) else { break };
        let mut last = from;
        let run = iter::successors(Some(from), |ip| after(*ip)).take_while(|ip| *ip <= range.1);
        for ip in run.take(wanted - taken.len()) {
            taken.push(ip);
            last = ip;
        }
        let batch = write.last();
        carve(batch, subnet, range, (from, last));
        let query = batch.statement().push("UPDATE subnets SET next_ip = ");
        query.push_bind(ip_bytes(after(last).unwrap_or(last))).push(" WHERE id = ").push_bind(subnet.0);
    }
    Ok(taken)
}

/// Takes this address, in a pool or not. Whether a port has it already is for the caller's unique constraint to say.
pub(crate) async fn take(write: &mut Write<'_>, subnet: SubnetId, cidr: &IpNet, ip: IpAddr) -> Result<()> {
    let (first, last) = addresses::usable(cidr);
    // the subnet-router anycast address is a router's to have
    let usable = (first..=last).contains(&ip) || matches!(cidr, IpNet::V6(_)) && cidr.contains(&ip);
    if !usable {
        return Err(Error::IpOutsideSubnet { subnet, ip });
    }
    write.flush().await?;
    let row = sqlx::query(
        "SELECT first_ip, last_ip FROM free_ranges WHERE subnet_id = $1 AND last_ip >= $2 ORDER BY last_ip LIMIT 1",
    )
    .bind(subnet.0)
    .bind(ip_bytes(ip))
    .fetch_optional(write.db().await?)
    .await?;
    match row.as_ref().map(read_range).transpose()? {
        Some(range) if range.0 <= ip => {
            let mut batch = Batch::default();
            carve(&mut batch, subnet, range, (ip, ip));
            batch.run(write.db().await?).await?;
        }
        _ => {}
    }
    Ok(())
}

/// Cuts addresses out of a free range. Mostly they are its first, and it then begins later.
fn carve(batch: &mut Batch, subnet: SubnetId, range: Range, run: Range) {
    let rest = addresses::cut(range, run);
    if let [(from, to)] = rest[..]
        && to == range.1
    {
        let query = batch.statement().push("UPDATE free_ranges SET first_ip = ").push_bind(ip_bytes(from));
        query.push(" WHERE subnet_id = ").push_bind(subnet.0).push(" AND first_ip = ").push_bind(ip_bytes(range.0));
        return;
    }
    let query = batch.statement().push("DELETE FROM free_ranges WHERE subnet_id = ").push_bind(subnet.0);
    query.push(" AND first_ip = ").push_bind(ip_bytes(range.0));
    insert_free(batch, subnet, &rest);
}

/// Frees an address; joins it with its free neighbours. One outside the pools is nobody's to give.
pub(crate) async fn give_back(write: &mut Write<'_>, subnet: SubnetId, ip: IpAddr) -> Result<()> {
    write.flush().await?;
    let pool = sqlx::query("SELECT 1 FROM allocation_pools WHERE subnet_id = $1 AND first_ip <= $2 AND last_ip >= $2")
        .bind(subnet.0)
        .bind(ip_bytes(ip))
        .fetch_optional(write.db().await?)
        .await?;
    if pool.is_none() {
        return Ok(());
    }
    let neighbours = sqlx::query(
        "DELETE FROM free_ranges WHERE subnet_id = $1 AND (last_ip = $2 OR first_ip = $3) RETURNING first_ip, last_ip",
    )
    .bind(subnet.0)
    .bind(before(ip).map(ip_bytes))
    .bind(after(ip).map(ip_bytes))
    .fetch_all(write.db().await?)
    .await?;
    let mut joined = (ip, ip);
    for row in &neighbours {
        let (first, last) = read_range(row)?;
        joined = (joined.0.min(first), joined.1.max(last));
    }
    let mut batch = Batch::default();
    insert_free(&mut batch, subnet, &[joined]);
    batch.run(write.db().await?).await?;
    Ok(())
}

/// Works out anew what is free: the pools without the addresses of ports.
pub(crate) async fn rebuild(write: &mut Write<'_>, subnet: SubnetId, pools: &[Range]) -> Result<()> {
    write.flush().await?;
    sqlx::query("DELETE FROM allocation_pools WHERE subnet_id = $1").bind(subnet.0).execute(write.db().await?).await?;
    sqlx::query("DELETE FROM free_ranges WHERE subnet_id = $1").bind(subnet.0).execute(write.db().await?).await?;
    let mut batch = Batch::default();
    insert_ranges(&mut batch, "INSERT INTO allocation_pools (subnet_id, first_ip, last_ip)", subnet, pools);
    let rows = sqlx::query("SELECT ip FROM fixed_ips WHERE subnet_id = $1")
        .bind(subnet.0)
        .fetch_all(write.db().await?)
        .await?;
    let taken = rows.iter().map(|row| ip_from(row.try_get(0)?)).collect::<Result<Vec<_>>>()?;
    insert_free(&mut batch, subnet, &addresses::without(pools, &taken));
    batch.run(write.db().await?).await?;
    Ok(())
}

fn insert_free(batch: &mut Batch, subnet: SubnetId, ranges: &[Range]) {
    insert_ranges(batch, "INSERT INTO free_ranges (subnet_id, first_ip, last_ip)", subnet, ranges);
}

fn insert_ranges(batch: &mut Batch, into: &str, subnet: SubnetId, ranges: &[Range]) {
    let bind = |mut row: Values<'_>, (first, last): &Range| {
        row.push_bind(subnet.0).push_bind(ip_bytes(*first)).push_bind(ip_bytes(*last));
    };
    batch.insert(into, ranges, bind, "");
}

pub(crate) fn read_range(row: &Row) -> Result<Range> {
    Ok((ip_from(row.try_get("first_ip")?)?, ip_from(row.try_get("last_ip")?)?))
}
