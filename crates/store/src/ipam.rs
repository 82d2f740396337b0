//! Address management: which addresses of a subnet's pools are free.

use std::iter;
use std::net::IpAddr;

use ipnet::IpNet;
use model::SubnetId;
use sqlx::Row as _;

use crate::addresses::{self, Range, after, before};
use crate::batch::{Batch, Values};
use crate::db::{Row, ip_bytes, ip_from};
use crate::write::Write;
use crate::{Error, Result};

/// Takes free addresses of the subnet's pools, as many as are wanted or there are: those after that taken last, so that
/// freed ones rest. What has to be written goes into the batch.
pub(crate) async fn take_any(
    write: &mut Write<'_>,
    batch: &mut Batch,
    subnet: SubnetId,
    wanted: usize,
) -> Result<Vec<IpAddr>> {
    let mut taken = Vec::with_capacity(wanted);
    while taken.len() < wanted {
        // what is read next is what the batch leaves
        batch.run(write.db()).await?;
        let Some((range, cursor)) = next_range(write, subnet).await? else { break };
        let from = range.0.max(cursor);
        let mut last = from;
        let run = iter::successors(Some(from), |ip| after(*ip)).take_while(|ip| *ip <= range.1);
        for ip in run.take(wanted - taken.len()) {
            taken.push(ip);
            last = ip;
        }
        carve(batch, subnet, range, (from, last));
        let next = after(last).unwrap_or(last);
        let query = batch.statement().push("UPDATE subnets SET next_ip = ").push_bind(ip_bytes(next));
        query.push(" WHERE id = ").push_bind(subnet.0);
    }
    Ok(taken)
}

/// The free range that holds the cursor or comes next after it, round the end; and the cursor, or the range's start.
async fn next_range(write: &mut Write<'_>, subnet: SubnetId) -> Result<Option<(Range, IpAddr)>> {
    let ahead = sqlx::query(
        "SELECT r.first_ip, r.last_ip, s.next_ip FROM free_ranges r JOIN subnets s ON s.id = r.subnet_id \
         WHERE r.subnet_id = $1 AND r.last_ip >= s.next_ip ORDER BY r.last_ip LIMIT 1",
    )
    .bind(subnet.0)
    .fetch_optional(write.db())
    .await?;
    if let Some(row) = ahead {
        return Ok(Some((read_range(&row)?, ip_from(row.try_get("next_ip")?)?)));
    }
    let lowest = sqlx::query("SELECT first_ip, last_ip FROM free_ranges WHERE subnet_id = $1 ORDER BY last_ip LIMIT 1")
        .bind(subnet.0)
        .fetch_optional(write.db())
        .await?;
    let range = lowest.as_ref().map(read_range).transpose()?;
    Ok(range.map(|range| (range, range.0)))
}

/// Takes this address, in a pool or not. Whether a port has it already is for the caller's unique constraint to say.
pub(crate) async fn take(write: &mut Write<'_>, subnet: SubnetId, cidr: &IpNet, ip: IpAddr) -> Result<()> {
    let (first, last) = addresses::usable(cidr);
    // the subnet-router anycast address is a router's to have
    let usable = (first..=last).contains(&ip) || matches!(cidr, IpNet::V6(_)) && cidr.contains(&ip);
    if !usable {
        return Err(Error::IpOutsideSubnet { subnet, ip });
    }
    let row = sqlx::query(
        "SELECT first_ip, last_ip FROM free_ranges WHERE subnet_id = $1 AND last_ip >= $2 ORDER BY last_ip LIMIT 1",
    )
    .bind(subnet.0)
    .bind(ip_bytes(ip))
    .fetch_optional(write.db())
    .await?;
    match row.as_ref().map(read_range).transpose()? {
        Some(range) if range.0 <= ip => {
            let mut batch = Batch::default();
            carve(&mut batch, subnet, range, (ip, ip));
            batch.run(write.db()).await?;
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
    let pool = sqlx::query("SELECT 1 FROM allocation_pools WHERE subnet_id = $1 AND first_ip <= $2 AND last_ip >= $2")
        .bind(subnet.0)
        .bind(ip_bytes(ip))
        .fetch_optional(write.db())
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
    .fetch_all(write.db())
    .await?;
    let mut joined = (ip, ip);
    for row in &neighbours {
        let (first, last) = read_range(row)?;
        joined = (joined.0.min(first), joined.1.max(last));
    }
    let mut batch = Batch::default();
    insert_free(&mut batch, subnet, &[joined]);
    batch.run(write.db()).await?;
    Ok(())
}

/// Works out anew what is free: the pools without the addresses of ports.
pub(crate) async fn rebuild(write: &mut Write<'_>, subnet: SubnetId, pools: &[Range]) -> Result<()> {
    sqlx::query("DELETE FROM allocation_pools WHERE subnet_id = $1").bind(subnet.0).execute(write.db()).await?;
    sqlx::query("DELETE FROM free_ranges WHERE subnet_id = $1").bind(subnet.0).execute(write.db()).await?;
    let mut batch = Batch::default();
    insert_ranges(&mut batch, "INSERT INTO allocation_pools (subnet_id, first_ip, last_ip)", subnet, pools);
    let rows =
        sqlx::query("SELECT ip FROM fixed_ips WHERE subnet_id = $1").bind(subnet.0).fetch_all(write.db()).await?;
    let taken = rows.iter().map(|row| ip_from(row.try_get(0)?)).collect::<Result<Vec<_>>>()?;
    insert_free(&mut batch, subnet, &addresses::without(pools, &taken));
    batch.run(write.db()).await?;
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
