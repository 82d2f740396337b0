//! Address management: which addresses of a subnet's pools are free.

use std::net::IpAddr;

use ipnet::IpNet;
use model::SubnetId;
use sqlx::Row as _;

use crate::addresses::{self, Range, after, before};
use crate::db::{Row, ip_bytes, ip_from};
use crate::write::Write;
use crate::{Error, Result};

/// Takes a free address of the subnet's pools: the one after that taken last, so that a freed one rests. `None`: none is
/// free.
pub(crate) async fn take_any(write: &mut Write<'_>, subnet: SubnetId) -> Result<Option<IpAddr>> {
    let Some((range, cursor)) = next_range(write, subnet).await? else { return Ok(None) };
    let ip = range.0.max(cursor);
    carve(write, subnet, range, ip).await?;
    let next = after(ip).unwrap_or(ip);
    sqlx::query("UPDATE subnets SET next_ip = $1 WHERE id = $2")
        .bind(ip_bytes(next))
        .bind(subnet.0)
        .execute(write.db())
        .await?;
    Ok(Some(ip))
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
        Some(range) if range.0 <= ip => carve(write, subnet, range, ip).await,
        _ => Ok(()),
    }
}

/// Cuts an address out of a free range. Mostly it is the first, and the range then begins one later.
async fn carve(write: &mut Write<'_>, subnet: SubnetId, (first, last): Range, ip: IpAddr) -> Result<()> {
    let rest = addresses::without(&[(first, last)], &[ip]);
    if let [(from, to)] = rest[..]
        && to == last
    {
        sqlx::query("UPDATE free_ranges SET first_ip = $1 WHERE subnet_id = $2 AND first_ip = $3")
            .bind(ip_bytes(from))
            .bind(subnet.0)
            .bind(ip_bytes(first))
            .execute(write.db())
            .await?;
        return Ok(());
    }
    sqlx::query("DELETE FROM free_ranges WHERE subnet_id = $1 AND first_ip = $2")
        .bind(subnet.0)
        .bind(ip_bytes(first))
        .execute(write.db())
        .await?;
    for range in rest {
        insert_free(write, subnet, range).await?;
    }
    Ok(())
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
    insert_free(write, subnet, joined).await
}

/// Works out anew what is free: the pools without the addresses of ports.
pub(crate) async fn rebuild(write: &mut Write<'_>, subnet: SubnetId, pools: &[Range]) -> Result<()> {
    sqlx::query("DELETE FROM allocation_pools WHERE subnet_id = $1").bind(subnet.0).execute(write.db()).await?;
    sqlx::query("DELETE FROM free_ranges WHERE subnet_id = $1").bind(subnet.0).execute(write.db()).await?;
    for (first, last) in pools {
        sqlx::query("INSERT INTO allocation_pools (subnet_id, first_ip, last_ip) VALUES ($1, $2, $3)")
            .bind(subnet.0)
            .bind(ip_bytes(*first))
            .bind(ip_bytes(*last))
            .execute(write.db())
            .await?;
    }
    let rows =
        sqlx::query("SELECT ip FROM fixed_ips WHERE subnet_id = $1").bind(subnet.0).fetch_all(write.db()).await?;
    let taken = rows.iter().map(|row| ip_from(row.try_get(0)?)).collect::<Result<Vec<_>>>()?;
    for range in addresses::without(pools, &taken) {
        insert_free(write, subnet, range).await?;
    }
    Ok(())
}

async fn insert_free(write: &mut Write<'_>, subnet: SubnetId, (first, last): Range) -> Result<()> {
    sqlx::query("INSERT INTO free_ranges (subnet_id, first_ip, last_ip) VALUES ($1, $2, $3)")
        .bind(subnet.0)
        .bind(ip_bytes(first))
        .bind(ip_bytes(last))
        .execute(write.db())
        .await?;
    Ok(())
}

pub(crate) fn read_range(row: &Row) -> Result<Range> {
    Ok((ip_from(row.try_get("first_ip")?)?, ip_from(row.try_get("last_ip")?)?))
}
