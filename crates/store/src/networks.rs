//! Networks.

use model::{Change, NetworkId, PortId, Segment, SubnetId, TunnelType};
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use crate::db::{Connection, Row, attributes_from, attributes_text, to_key};
use crate::filter::Filter;
use crate::packed::{self, Packed, Part};
use crate::types::{Network, NetworkUpdate, NewNetwork, Port, Stamp};
use crate::write::{Touched, Write};
use crate::{Error, Result, Stored, places, segments};

impl Network {
    pub async fn create(write: &mut Write<'_>, new: NewNetwork) -> Result<Network> {
        insert(write, &new).await?;
        segments::allocate(write, new.id, new.tunnel_type, &new.key).await?;
        let network: Network = write.get(new.id.0).await?;
        write.touch(Touched::Network(new.id), Some(Change::Network(network.to_model())));
        Ok(network)
    }

    pub async fn update(self, write: &mut Write<'_>, update: NetworkUpdate) -> Result<Network> {
        let before = self;
        let mut after = before.clone();
        after.name = update.name.unwrap_or(after.name);
        after.admin_state_up = update.admin_state_up.unwrap_or(after.admin_state_up);
        after.mtu = update.mtu.unwrap_or(after.mtu);
        after.attributes.extend(update.attributes);
        if after == before {
            return Ok(before);
        }
        sqlx::query("UPDATE networks SET name = $1, admin_state_up = $2, mtu = $3, attributes = $4 WHERE id = $5")
            .bind(&after.name)
            .bind(after.admin_state_up)
            .bind(i64::from(after.mtu))
            .bind(attributes_text(&after.attributes)?)
            .bind(before.id.0)
            .execute(write.db().await?)
            .await?;
        touch(write, before.id).await?;
        let after: Network = write.get(before.id.0).await?;
        if after.to_model() != before.to_model() {
            write.touch(Touched::Network(after.id), Some(Change::Network(after.to_model())));
        }
        Ok(after)
    }

    /// Whether a project that does not own it has a subnet or a port in it; the ports of the network's own services
    /// (`network:…`) count for nobody.
    pub async fn is_used_by_others(&self, write: &mut Write<'_>) -> Result<bool> {
        let used = sqlx::query(
            "SELECT 1 FROM ports WHERE network_id = $1 AND project_id <> $2 AND device_owner NOT LIKE 'network:%' \
             UNION ALL SELECT 1 FROM subnets WHERE network_id = $1 AND project_id <> $2 LIMIT 1",
        )
        .bind(self.id.0)
        .bind(&self.project_id)
        .fetch_optional(write.db().await?)
        .await?;
        Ok(used.is_some())
    }

    /// Deletes the network, its subnets and the ports that go with them; refused while it has others.
    pub async fn delete(self, write: &mut Write<'_>) -> Result<()> {
        let id = self.id;
        self.delete_own_ports(write).await?;
        sqlx::query("DELETE FROM subnets WHERE network_id = $1").bind(id.0).execute(write.db().await?).await?;
        for subnet in self.subnets {
            write.touch(Touched::Subnet(subnet), None);
        }
        sqlx::query("DELETE FROM networks WHERE id = $1").bind(id.0).execute(write.db().await?).await?;
        write.touch(Touched::Network(id), Some(Change::NetworkDeleted(id)));
        Ok(())
    }

    async fn delete_own_ports(&self, write: &mut Write<'_>) -> Result<()> {
        let ports = sqlx::query("SELECT id, device_owner FROM ports WHERE network_id = $1")
            .bind(self.id.0)
            .fetch_all(write.db().await?)
            .await?;
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for row in &ports {
            let of = if places::goes_along(row.try_get(1)?) { &mut own } else { &mut others };
            of.push(PortId(row.try_get(0)?));
        }
        if !others.is_empty() {
            return Err(Error::NetworkInUse { network: self.id, ports: others });
        }
        for port in own {
            write.get::<Port>(port.0).await?.delete(write).await?;
        }
        Ok(())
    }

    /// What hosts must know of it.
    pub fn to_model(&self) -> model::Network {
        model::Network { id: self.id, segment: self.segment, mtu: self.mtu }
    }
}

impl Stored for Network {
    const TABLE: &'static str = "networks";

    async fn select(db: &mut Connection, filter: &Filter) -> Result<Vec<Network>> {
        let mut query = QueryBuilder::new(format!(
            "SELECT n.*, s.tunnel_type, s.tunnel_key, (SELECT {} FROM subnets c WHERE c.network_id = n.id) AS subnets \
             FROM networks n JOIN segments s ON s.network_id = n.id",
            packed::rows(&packed::row(&[Part::Bytes("c.id")]), Some("c.created_at, c.id")),
        ));
        filter.push_to::<Self>(&mut query, "n");
        query.build().fetch_all(db).await?.iter().map(read).collect()
    }

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn missing(id: Uuid) -> Error {
        Error::NetworkNotFound(NetworkId(id))
    }

    fn project_id(&self) -> Option<&str> {
        Some(&self.project_id)
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(self.stamp)
    }
}

async fn insert(write: &mut Write<'_>, new: &NewNetwork) -> Result<()> {
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
    .execute(write.db().await?)
    .await?;
    Ok(())
}

/// Counts a change of the network itself, also that of its list of subnets.
pub(crate) async fn touch(write: &mut Write<'_>, id: NetworkId) -> Result<()> {
    let now = write.now;
    sqlx::query("UPDATE networks SET updated_at = $1, revision_number = revision_number + 1 WHERE id = $2")
        .bind(now)
        .bind(id.0)
        .execute(write.db().await?)
        .await?;
    write.touch(Touched::Network(id), None);
    Ok(())
}

/// The segment of a network that may not exist.
pub(crate) async fn segment(db: &mut Connection, id: NetworkId) -> Result<Segment> {
    let row = sqlx::query("SELECT tunnel_type, tunnel_key FROM segments WHERE network_id = $1")
        .bind(id.0)
        .fetch_optional(db)
        .await?;
    read_segment(&row.ok_or(Error::NetworkNotFound(id))?)
}

fn read(row: &Row) -> Result<Network> {
    Ok(Network {
        id: NetworkId(row.try_get("id")?),
        project_id: row.try_get("project_id")?,
        name: row.try_get("name")?,
        admin_state_up: row.try_get("admin_state_up")?,
        mtu: to_key(row.try_get("mtu")?)?,
        segment: read_segment(row)?,
        subnets: Packed::new(row.try_get("subnets")?).rows(|subnet| Ok(SubnetId(subnet.uuid()?)))?,
        attributes: attributes_from(row.try_get("attributes")?)?,
        stamp: read_stamp(row)?,
    })
}

pub(crate) fn read_segment(row: &Row) -> Result<Segment> {
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
