//! Subnets.

use std::net::IpAddr;

use ipnet::IpNet;
use model::{NetworkId, SubnetId};
use sqlx::{QueryBuilder, Row as _};

use crate::addresses::Range;
use crate::db::{Connection, Row, attributes_from, attributes_text, ip_bytes, ip_from};
use crate::filter::Filter;
use crate::types::{NewSubnet, Subnet, SubnetUpdate};
use crate::write::{Touched, Write};
use crate::{Error, Result, Store, ipam, networks};

impl Store {
    /// The subnets that match, oldest first.
    pub async fn subnets(&self, filter: &Filter) -> Result<Vec<Subnet>> {
        select(&mut *self.reader().await?, filter).await
    }

    /// Makes all of them or none.
    pub async fn create_subnets(&self, subnets: Vec<NewSubnet>) -> Result<Vec<Subnet>> {
        self.write(move |write| {
            Box::pin(async move {
                let mut made = Vec::with_capacity(subnets.len());
                for subnet in subnets {
                    made.push(create(write, subnet).await?);
                }
                Ok(made)
            })
        })
        .await
    }

    pub async fn update_subnet(&self, id: SubnetId, update: SubnetUpdate) -> Result<Subnet> {
        self.write(move |write| Box::pin(async move { self::update(write, id, update).await })).await
    }

    /// Refused while a port has an address of it.
    pub async fn delete_subnet(&self, id: SubnetId) -> Result<()> {
        self.write(move |write| Box::pin(async move { delete(write, id).await })).await
    }
}

async fn create(write: &mut Write<'_>, new: NewSubnet) -> Result<Subnet> {
    networks::get(write.db(), new.network_id).await?;
    let others = select(write.db(), &Filter::by_network(new.network_id)).await?;
    if others.iter().any(|other| overlap(&other.cidr, &new.cidr)) {
        return Err(Error::SubnetOverlap { network: new.network_id, cidr: new.cidr });
    }
    check_gateway(new.gateway_ip, &new.allocation_pools)?;
    let stamp = write.new_stamp();
    sqlx::query(
        "INSERT INTO subnets (id, network_id, project_id, name, cidr, gateway_ip, enable_dhcp, next_ip, attributes, \
         created_at, updated_at, revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(new.id.0)
    .bind(new.network_id.0)
    .bind(&new.project_id)
    .bind(&new.name)
    .bind(new.cidr.to_string())
    .bind(new.gateway_ip.map(ip_bytes))
    .bind(new.enable_dhcp)
    .bind(ip_bytes(new.cidr.network()))
    .bind(attributes_text(&new.attributes)?)
    .bind(stamp.created_at)
    .bind(stamp.updated_at)
    .bind(stamp.revision_number)
    .execute(write.db())
    .await?;
    ipam::rebuild(write, new.id, &new.allocation_pools).await?;
    networks::touch(write, new.network_id).await?;
    write.touch(Touched::Subnet(new.id), None);
    get(write.db(), new.id).await
}

async fn update(write: &mut Write<'_>, id: SubnetId, update: SubnetUpdate) -> Result<Subnet> {
    let before = get(write.db(), id).await?;
    let gateway = update.gateway_ip.unwrap_or(before.gateway_ip);
    check_gateway(gateway, update.allocation_pools.as_ref().unwrap_or(&before.allocation_pools))?;
    let mut attributes = before.attributes.clone();
    attributes.extend(update.attributes);
    let now = write.now;
    sqlx::query(
        "UPDATE subnets SET name = $1, gateway_ip = $2, enable_dhcp = $3, attributes = $4, updated_at = $5, \
         revision_number = revision_number + 1 WHERE id = $6",
    )
    .bind(update.name.as_ref().unwrap_or(&before.name))
    .bind(gateway.map(ip_bytes))
    .bind(update.enable_dhcp.unwrap_or(before.enable_dhcp))
    .bind(attributes_text(&attributes)?)
    .bind(now)
    .bind(id.0)
    .execute(write.db())
    .await?;
    if let Some(pools) = update.allocation_pools {
        ipam::rebuild(write, id, &pools).await?;
    }
    write.touch(Touched::Subnet(id), None);
    get(write.db(), id).await
}

async fn delete(write: &mut Write<'_>, id: SubnetId) -> Result<()> {
    let subnet = get(write.db(), id).await?;
    let used = sqlx::query("SELECT 1 FROM fixed_ips WHERE subnet_id = $1 LIMIT 1")
        .bind(id.0)
        .fetch_optional(write.db())
        .await?;
    if used.is_some() {
        return Err(Error::SubnetInUse { subnet: id });
    }
    sqlx::query("DELETE FROM subnets WHERE id = $1").bind(id.0).execute(write.db()).await?;
    networks::touch(write, subnet.network_id).await?;
    write.touch(Touched::Subnet(id), None);
    Ok(())
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

fn check_gateway(gateway: Option<IpAddr>, pools: &[Range]) -> Result<()> {
    let Some(ip) = gateway else { return Ok(()) };
    match pools.iter().find(|(first, last)| (*first..=*last).contains(&ip)) {
        Some((first, last)) => Err(Error::GatewayInPool { ip, first: *first, last: *last }),
        None => Ok(()),
    }
}

pub(crate) async fn get(db: &mut Connection, id: SubnetId) -> Result<Subnet> {
    select(db, &Filter::by_id(id.0)).await?.pop().ok_or(Error::SubnetNotFound(id))
}

pub(crate) async fn select(db: &mut Connection, filter: &Filter) -> Result<Vec<Subnet>> {
    let mut query = QueryBuilder::new("SELECT s.* FROM subnets s");
    filter.push_to(&mut query, "s");
    query.push(" ORDER BY s.created_at, s.id");
    let rows = query.build().fetch_all(&mut *db).await?;
    let mut subnets = rows.iter().map(read).collect::<Result<Vec<_>>>()?;

    let mut query = QueryBuilder::new("SELECT p.* FROM allocation_pools p JOIN subnets s ON s.id = p.subnet_id");
    filter.push_to(&mut query, "s");
    query.push(" ORDER BY s.created_at, s.id, p.first_ip");
    let rows = query.build().fetch_all(db).await?;
    // both lists are in the order of the subnets
    let mut pools = rows.iter().map(read_pool).collect::<Result<Vec<_>>>()?.into_iter().peekable();
    for subnet in &mut subnets {
        while let Some((_, pool)) = pools.next_if(|(id, _)| *id == subnet.id) {
            subnet.allocation_pools.push(pool);
        }
    }
    Ok(subnets)
}

fn read_pool(row: &Row) -> Result<(SubnetId, Range)> {
    Ok((SubnetId(row.try_get("subnet_id")?), ipam::read_range(row)?))
}

fn read(row: &Row) -> Result<Subnet> {
    Ok(Subnet {
        id: SubnetId(row.try_get("id")?),
        network_id: NetworkId(row.try_get("network_id")?),
        project_id: row.try_get("project_id")?,
        name: row.try_get("name")?,
        cidr: read_cidr(row)?,
        gateway_ip: row.try_get::<Option<Vec<u8>>, _>("gateway_ip")?.map(|bytes| ip_from(&bytes)).transpose()?,
        enable_dhcp: row.try_get("enable_dhcp")?,
        allocation_pools: Vec::new(),
        attributes: attributes_from(row.try_get("attributes")?)?,
        stamp: networks::read_stamp(row)?,
    })
}

pub(crate) fn read_cidr(row: &Row) -> Result<IpNet> {
    let cidr: String = row.try_get("cidr")?;
    cidr.parse().map_err(|_| Error::Corrupt(format!("\"{cidr}\" is not a CIDR")))
}
