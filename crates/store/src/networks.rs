//! Networks.

use model::{Change, NetworkId, PortId, Segment, SubnetId, TunnelType};
use sqlx::{QueryBuilder, Row as _};

use crate::db::{Connection, Row, attributes_from, attributes_text, to_key};
use crate::filter::Filter;
use crate::types::{Network, NetworkUpdate, NewNetwork, Stamp};
use crate::write::{Touched, Write};
use crate::{Error, Result, Store, segments};

impl Store {
    /// The networks that match, oldest first.
    pub async fn networks(&self, filter: &Filter) -> Result<Vec<Network>> {
        select(&mut *self.reader().await?, filter).await
    }

    /// Makes all of them or none.
    pub async fn create_networks(&self, networks: Vec<NewNetwork>) -> Result<Vec<Network>> {
        self.write(move |write| {
            Box::pin(async move {
                let mut made = Vec::with_capacity(networks.len());
                for network in networks {
                    made.push(create(write, network).await?);
                }
                Ok(made)
            })
        })
        .await
    }

    pub async fn update_network(&self, id: NetworkId, update: NetworkUpdate) -> Result<Network> {
        self.write(move |write| Box::pin(async move { self::update(write, id, update).await })).await
    }

    /// Deletes the network and its subnets; refused while it has ports.
    pub async fn delete_network(&self, id: NetworkId) -> Result<()> {
        self.write(move |write| Box::pin(async move { delete(write, id).await })).await
    }
}

async fn create(write: &mut Write<'_>, new: NewNetwork) -> Result<Network> {
    let stamp = write.new_stamp();
    sqlx::query(
        "INSERT INTO networks (id, project_id, name, admin_state_up, mtu, attributes, created_at, updated_at, \
         revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.id.0)
    .bind(&new.project_id)
    .bind(&new.name)
    .bind(new.admin_state_up)
    .bind(i64::from(new.mtu))
    .bind(attributes_text(&new.attributes)?)
    .bind(stamp.created_at)
    .bind(stamp.updated_at)
    .bind(stamp.revision_number)
    .execute(write.db())
    .await?;
    segments::allocate(write, new.id, new.tunnel_type, &new.key).await?;
    let network = get(write.db(), new.id).await?;
    write.touch(Touched::Network(new.id), Some(Change::Network(network.to_model())));
    Ok(network)
}

async fn update(write: &mut Write<'_>, id: NetworkId, update: NetworkUpdate) -> Result<Network> {
    let before = get(write.db(), id).await?;
    let mut attributes = before.attributes.clone();
    attributes.extend(update.attributes);
    sqlx::query("UPDATE networks SET name = $1, admin_state_up = $2, mtu = $3, attributes = $4 WHERE id = $5")
        .bind(update.name.as_ref().unwrap_or(&before.name))
        .bind(update.admin_state_up.unwrap_or(before.admin_state_up))
        .bind(i64::from(update.mtu.unwrap_or(before.mtu)))
        .bind(attributes_text(&attributes)?)
        .bind(id.0)
        .execute(write.db())
        .await?;
    touch(write, id).await?;
    let after = get(write.db(), id).await?;
    if after.to_model() != before.to_model() {
        write.touch(Touched::Network(id), Some(Change::Network(after.to_model())));
    }
    Ok(after)
}

/// Counts a change of the network itself, also that of its list of subnets.
pub(crate) async fn touch(write: &mut Write<'_>, id: NetworkId) -> Result<()> {
    let now = write.now;
    sqlx::query("UPDATE networks SET updated_at = $1, revision_number = revision_number + 1 WHERE id = $2")
        .bind(now)
        .bind(id.0)
        .execute(write.db())
        .await?;
    write.touch(Touched::Network(id), None);
    Ok(())
}

async fn delete(write: &mut Write<'_>, id: NetworkId) -> Result<()> {
    get(write.db(), id).await?;
    let ports = sqlx::query("SELECT id FROM ports WHERE network_id = $1").bind(id.0).fetch_all(write.db()).await?;
    if !ports.is_empty() {
        let ports = ports.iter().map(|row| Ok(PortId(row.try_get(0)?))).collect::<Result<_>>()?;
        return Err(Error::NetworkInUse { network: id, ports });
    }
    let subnets =
        sqlx::query("DELETE FROM subnets WHERE network_id = $1 RETURNING id").bind(id.0).fetch_all(write.db()).await?;
    for row in subnets {
        write.touch(Touched::Subnet(SubnetId(row.try_get(0)?)), None);
    }
    sqlx::query("DELETE FROM networks WHERE id = $1").bind(id.0).execute(write.db()).await?;
    write.touch(Touched::Network(id), Some(Change::NetworkDeleted(id)));
    Ok(())
}

pub(crate) async fn get(db: &mut Connection, id: NetworkId) -> Result<Network> {
    select(db, &Filter::by_id(id.0)).await?.pop().ok_or(Error::NetworkNotFound(id))
}

/// The segment of a network that may not exist.
pub(crate) async fn segment(db: &mut Connection, id: NetworkId) -> Result<Segment> {
    let row = sqlx::query("SELECT tunnel_type, tunnel_key FROM segments WHERE network_id = $1")
        .bind(id.0)
        .fetch_optional(db)
        .await?;
    read_segment(&row.ok_or(Error::NetworkNotFound(id))?)
}

pub(crate) async fn select(db: &mut Connection, filter: &Filter) -> Result<Vec<Network>> {
    let mut query = QueryBuilder::new(
        "SELECT n.*, s.tunnel_type, s.tunnel_key FROM networks n JOIN segments s ON s.network_id = n.id",
    );
    filter.push_to(&mut query, "n");
    query.push(" ORDER BY n.created_at, n.id");
    let rows = query.build().fetch_all(&mut *db).await?;
    let mut networks = rows.iter().map(read).collect::<Result<Vec<_>>>()?;

    let mut query =
        QueryBuilder::new("SELECT s.network_id, s.id FROM subnets s JOIN networks n ON n.id = s.network_id");
    filter.push_to(&mut query, "n");
    query.push(" ORDER BY n.created_at, n.id, s.created_at, s.id");
    let rows = query.build().fetch_all(db).await?;
    // both lists are in the order of the networks
    let mut subnets = rows.iter().map(read_subnet_id).collect::<Result<Vec<_>>>()?.into_iter().peekable();
    for network in &mut networks {
        while let Some((_, subnet)) = subnets.next_if(|(id, _)| *id == network.id) {
            network.subnets.push(subnet);
        }
    }
    Ok(networks)
}

fn read_subnet_id(row: &Row) -> Result<(NetworkId, SubnetId)> {
    Ok((NetworkId(row.try_get("network_id")?), SubnetId(row.try_get("id")?)))
}

fn read(row: &Row) -> Result<Network> {
    Ok(Network {
        id: NetworkId(row.try_get("id")?),
        project_id: row.try_get("project_id")?,
        name: row.try_get("name")?,
        admin_state_up: row.try_get("admin_state_up")?,
        mtu: to_key(row.try_get("mtu")?)?,
        segment: read_segment(row)?,
        subnets: Vec::new(),
        attributes: attributes_from(row.try_get("attributes")?)?,
        stamp: read_stamp(row)?,
    })
}

fn read_segment(row: &Row) -> Result<Segment> {
    let tunnel_type: TunnelType = row.try_get::<String, _>("tunnel_type")?.parse()?;
    Ok(Segment { tunnel_type, key: to_key(row.try_get("tunnel_key")?)? })
}

pub(crate) fn read_stamp(row: &Row) -> Result<Stamp> {
    Ok(Stamp {
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        revision_number: row.try_get("revision_number")?,
    })
}

impl Network {
    /// What hosts must know of it.
    pub fn to_model(&self) -> model::Network {
        model::Network { id: self.id, segment: self.segment, mtu: self.mtu }
    }
}
