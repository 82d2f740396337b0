//! Bindings that are prepared on hosts to which a port may move, and the move itself. The binding that is in force is
//! part of the port.

use model::{HostName, PortId};
use sqlx::Row as _;

use crate::db::{Connection, Row, attributes_from, attributes_text};
use crate::ports::is_served;
use crate::types::{InactiveBinding, Port, PortUpdate, VifType};
use crate::write::Write;
use crate::{CanBind, Error, Result, Store, networks, ports};

impl Store {
    /// The bindings of a port that are not in force, by host.
    pub async fn inactive_bindings(&self, port: PortId) -> Result<Vec<InactiveBinding>> {
        select(&mut *self.reader().await?, port).await
    }
}

impl Port {
    /// As [`Store::inactive_bindings`], as this write has left them.
    pub async fn inactive_bindings(&self, write: &mut Write<'_>) -> Result<Vec<InactiveBinding>> {
        select(write.db().await?, self.id).await
    }

    /// Records a binding that is not in force, or changes it.
    ///
    /// Refused if no agent there can bind the port now.
    pub async fn prepare_binding(
        &self,
        write: &mut Write<'_>,
        binding: &InactiveBinding,
        can_bind: &CanBind<'_>,
    ) -> Result<()> {
        let segment = networks::segment(write.db().await?, self.network_id).await?;
        if !is_served(&binding.attributes) || !can_bind(&binding.host, segment.tunnel_type) {
            return Err(Error::CannotBind { port: self.id, host: binding.host.clone() });
        }
        if self.put(write, binding).await? { ports::tell(write, self).await } else { Ok(()) }
    }

    /// Puts the prepared binding to this host in force: a new binding, as any other change of the host is. The one that
    /// was in force stays, as one that is not and that no host has wired.
    pub async fn activate_binding(
        self,
        write: &mut Write<'_>,
        host: &HostName,
        can_bind: &CanBind<'_>,
    ) -> Result<Port> {
        let prepared = self.inactive_bindings(write).await?.into_iter().find(|binding| binding.host == *host);
        let prepared = prepared.ok_or_else(|| Error::BindingNotFound { port: self.id, host: host.clone() })?;
        if let Some(active) = &self.binding {
            let attributes = self.binding_attributes();
            let former = InactiveBinding { host: active.host.clone(), vif_type: None, attributes };
            self.put(write, &former).await?;
        }
        delete(write, self.id, host).await?;
        let update =
            PortUpdate { host: Some(Some(host.clone())), attributes: prepared.attributes, ..PortUpdate::default() };
        self.update(write, update, can_bind).await
    }

    /// Forgets a binding that is not in force. False: there was none.
    pub async fn forget_binding(&self, write: &mut Write<'_>, host: &HostName) -> Result<bool> {
        let forgotten = delete(write, self.id, host).await?;
        if forgotten {
            ports::tell(write, self).await?;
        }
        Ok(forgotten)
    }

    /// What of the port's attributes belongs to its binding.
    fn binding_attributes(&self) -> crate::Attributes {
        let own = self.attributes.iter().filter(|(name, _)| name.starts_with("binding:"));
        own.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// False: it is there already.
    async fn put(&self, write: &mut Write<'_>, binding: &InactiveBinding) -> Result<bool> {
        let changed = sqlx::query(
            "INSERT INTO inactive_bindings (port_id, host, vif_type, attributes) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (port_id, host) DO UPDATE SET vif_type = excluded.vif_type, attributes = excluded.attributes \
             WHERE vif_type <> excluded.vif_type OR attributes <> excluded.attributes",
        )
        .bind(self.id.0)
        .bind(binding.host.as_str())
        .bind(binding.vif_type.map_or(UNBOUND, VifType::as_str))
        .bind(attributes_text(&binding.attributes)?)
        .execute(write.db().await?)
        .await?;
        Ok(changed.rows_affected() > 0)
    }
}

/// False: there was none.
pub(crate) async fn delete(write: &mut Write<'_>, port: PortId, host: &HostName) -> Result<bool> {
    let deleted = sqlx::query("DELETE FROM inactive_bindings WHERE port_id = $1 AND host = $2")
        .bind(port.0)
        .bind(host.as_str())
        .execute(write.db().await?)
        .await?;
    Ok(deleted.rows_affected() > 0)
}

/// As the API calls a binding that has been in force and is no more.
const UNBOUND: &str = "unbound";

async fn select(db: &mut Connection, port: PortId) -> Result<Vec<InactiveBinding>> {
    sqlx::query("SELECT host, vif_type, attributes FROM inactive_bindings WHERE port_id = $1 ORDER BY host")
        .bind(port.0)
        .fetch_all(db)
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &Row) -> Result<InactiveBinding> {
    let vif_type: String = row.try_get("vif_type")?;
    Ok(InactiveBinding {
        host: row.try_get::<String, _>("host")?.parse()?,
        vif_type: (vif_type == VifType::Ovs.as_str()).then_some(VifType::Ovs),
        attributes: attributes_from(row.try_get("attributes")?)?,
    })
}
