//! Subnets.

use std::net::IpAddr;

use ipnet::IpNet;
use model::{NetworkId, SubnetId};
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use crate::addresses::Range;
use crate::db::{Connection, Row, attributes_from, attributes_text, ip_bytes, ip_from};
use crate::filter::{Column, Filter};
use crate::packed::{self, Packed, Part};
use crate::types::{Network, NewSubnet, Port, Stamp, Subnet, SubnetUpdate};
use crate::write::{Touched, Write};
use crate::{Error, Result, Stored, ipam, networks, places, ports};

impl Subnet {
    pub async fn create(write: &mut Write<'_>, new: NewSubnet) -> Result<Subnet> {
        write.get::<Network>(new.network_id.0).await?;
        let others: Vec<Subnet> = write.list(&Filter::by_network(new.network_id)).await?;
        if others.iter().any(|other| overlap(&other.cidr, &new.cidr)) {
            return Err(Error::SubnetOverlap { network: new.network_id, cidr: new.cidr });
        }
        check_gateway(new.gateway_ip, &new.allocation_pools)?;
        insert(write, &new).await?;
        ipam::rebuild(write, new.id, &new.allocation_pools).await?;
        networks::touch(write, new.network_id).await?;
        write.touch(Touched::Subnet(new.id), None);
        if places::forms_own(&new.attributes) {
            ports::form_addresses(write, new.network_id).await?;
        }
        write.get(new.id.0).await
    }

    pub async fn update(self, write: &mut Write<'_>, update: SubnetUpdate) -> Result<Subnet> {
        let before = self;
        let mut after = before.clone();
        after.name = update.name.unwrap_or(after.name);
        after.gateway_ip = update.gateway_ip.unwrap_or(after.gateway_ip);
        after.enable_dhcp = update.enable_dhcp.unwrap_or(after.enable_dhcp);
        after.allocation_pools = update.allocation_pools.unwrap_or(after.allocation_pools);
        after.attributes.extend(update.attributes);
        if after == before {
            return Ok(before);
        }
        if after.gateway_ip.is_some() && after.gateway_ip != before.gateway_ip {
            before.refuse_if_routed(write).await?;
        }
        check_gateway(after.gateway_ip, &after.allocation_pools)?;
        let now = write.now;
        sqlx::query(
            "UPDATE subnets SET name = $1, gateway_ip = $2, enable_dhcp = $3, attributes = $4, updated_at = $5, \
             revision_number = revision_number + 1 WHERE id = $6",
        )
        .bind(&after.name)
        .bind(after.gateway_ip.map(ip_bytes))
        .bind(after.enable_dhcp)
        .bind(attributes_text(&after.attributes)?)
        .bind(now)
        .bind(before.id.0)
        .execute(write.db().await?)
        .await?;
        if after.allocation_pools != before.allocation_pools {
            ipam::rebuild(write, before.id, &after.allocation_pools).await?;
        }
        write.touch(Touched::Subnet(before.id), None);
        write.get(before.id.0).await
    }

    /// A gateway that a router's port has stays.
    async fn refuse_if_routed(&self, write: &mut Write<'_>) -> Result<()> {
        let Some(ip) = self.gateway_ip else { return Ok(()) };
        let at_gateway = Filter {
            conditions: vec![(Column::SubnetId, vec![self.id.to_string()]), (Column::IpAddress, vec![ip.to_string()])],
            ..Filter::default()
        };
        let ports: Vec<Port> = write.list(&at_gateway).await?;
        match ports.into_iter().find(|port| places::is_router(&port.device_owner)) {
            Some(port) => Err(Error::GatewayInUse { ip, port: port.id }),
            None => Ok(()),
        }
    }

    /// Refused while a port has an address of it. Ports that form theirs there themselves lose it, and so do those that
    /// would go with the network.
    pub async fn delete(self, write: &mut Write<'_>) -> Result<()> {
        let forms_own = places::forms_own(&self.attributes);
        let loses = |owner: &str| if forms_own { !places::is_router(owner) } else { places::goes_along(owner) };
        ports::forget_addresses(write, self.id, loses).await?;
        let used = sqlx::query("SELECT 1 FROM fixed_ips WHERE subnet_id = $1 LIMIT 1")
            .bind(self.id.0)
            .fetch_optional(write.db().await?)
            .await?;
        if used.is_some() {
            return Err(Error::SubnetInUse { subnet: self.id });
        }
        sqlx::query("DELETE FROM subnets WHERE id = $1").bind(self.id.0).execute(write.db().await?).await?;
        networks::touch(write, self.network_id).await?;
        write.touch(Touched::Subnet(self.id), None);
        Ok(())
    }
}

impl Stored for Subnet {
    const TABLE: &'static str = "subnets";

    async fn select(db: &mut Connection, filter: &Filter) -> Result<Vec<Subnet>> {
        let pool = packed::row(&[Part::Bytes("p.first_ip"), Part::Bytes("p.last_ip")]);
        let mut query = QueryBuilder::new(format!(
            "SELECT s.*, (SELECT {} FROM allocation_pools p WHERE p.subnet_id = s.id) AS pools FROM subnets s",
            packed::rows(&pool, Some("p.first_ip")),
        ));
        filter.push_to::<Self>(&mut query, "s");
        query.build().fetch_all(db).await?.iter().map(read).collect()
    }

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn missing(id: Uuid) -> Error {
        Error::SubnetNotFound(SubnetId(id))
    }

    fn project_id(&self) -> Option<&str> {
        Some(&self.project_id)
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(self.stamp)
    }
}

async fn insert(write: &mut Write<'_>, new: &NewSubnet) -> Result<()> {
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
    .execute(write.db().await?)
    .await?;
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

fn read(row: &Row) -> Result<Subnet> {
    Ok(Subnet {
        id: SubnetId(row.try_get("id")?),
        network_id: NetworkId(row.try_get("network_id")?),
        project_id: row.try_get("project_id")?,
        name: row.try_get("name")?,
        cidr: parse_cidr(row.try_get("cidr")?)?,
        gateway_ip: row.try_get::<Option<Vec<u8>>, _>("gateway_ip")?.map(|bytes| ip_from(&bytes)).transpose()?,
        enable_dhcp: row.try_get("enable_dhcp")?,
        allocation_pools: Packed::new(row.try_get("pools")?).rows(|pool| Ok((pool.ip()?, pool.ip()?)))?,
        attributes: attributes_from(row.try_get("attributes")?)?,
        stamp: networks::read_stamp(row)?,
    })
}

pub(crate) fn parse_cidr(cidr: &str) -> Result<IpNet> {
    cidr.parse().map_err(|_| Error::Corrupt(format!("\"{cidr}\" is not a CIDR")))
}
