//! Which security groups a port is in. The list is among the port's attributes; a table of its own says for a group
//! whether a port is in it.

use model::PortId;
use serde_json::{Value, json};
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use crate::db::{Connection, Engine};
use crate::types::{Attributes, NewPort, SecurityGroup};
use crate::write::Write;
use crate::{Error, Result};

const GROUPS: &str = "security_groups";
const ENABLED: &str = "port_security_enabled";

/// Completes a new port's attributes: whether it is secured, by default as its network says, and the groups that it is
/// in, by default its project's. One that belongs to the network's own services (`network:…`) is trusted: neither
/// secured nor, unless it is told so, in a group.
pub(crate) async fn complete(write: &mut Write<'_>, new: &mut NewPort, by_network: bool) -> Result<()> {
    let trusted = new.device_owner.starts_with("network:");
    let asked = new.attributes.get(ENABLED).and_then(Value::as_bool);
    let enabled = !trusted && asked.unwrap_or(by_network);
    let groups = match &new.security_groups {
        Some(groups) => {
            check(write.db(), groups).await?;
            groups.clone()
        }
        None if enabled => vec![SecurityGroup::default_of(write, &new.project_id).await?],
        None => Vec::new(),
    };
    if !enabled && !groups.is_empty() {
        return Err(Error::GroupsNeedPortSecurity);
    }
    new.attributes.insert(ENABLED.to_owned(), enabled.into());
    new.attributes.insert(GROUPS.to_owned(), json!(groups));
    Ok(())
}

/// The groups that a port's attributes name.
pub(crate) fn groups(attributes: &Attributes) -> Vec<Uuid> {
    let groups = attributes.get(GROUPS).and_then(Value::as_array);
    groups.into_iter().flatten().filter_map(Value::as_str).filter_map(|id| Uuid::parse_str(id).ok()).collect()
}

/// Checks the groups that an update names, and puts them among its attributes.
pub(crate) async fn replace(write: &mut Write<'_>, groups: &[Uuid], attributes: &mut Attributes) -> Result<()> {
    check(write.db(), groups).await?;
    attributes.insert(GROUPS.to_owned(), json!(groups));
    Ok(())
}

/// All must exist, and all be stateful or none.
async fn check(db: &mut Connection, groups: &[Uuid]) -> Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Engine>::new("SELECT id, stateful FROM security_groups WHERE id IN (");
    let mut list = query.separated(", ");
    for group in groups {
        list.push_bind(*group);
    }
    query.push(")");
    let rows = query.build().fetch_all(db).await?;
    let known = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<Vec<(Uuid, bool)>>>()?;
    if let Some(missing) = groups.iter().find(|group| known.iter().all(|(id, _)| id != *group)) {
        return Err(Error::SecurityGroupNotFound(*missing));
    }
    let stateful = known.iter().filter(|(_, stateful)| *stateful).count();
    if stateful == 0 || stateful == known.len() { Ok(()) } else { Err(Error::MixedSecurityGroups) }
}

/// Notes that the port is in its groups, and in no others.
pub(crate) async fn join(write: &mut Write<'_>, port: PortId, before: &[Uuid], after: &[Uuid]) -> Result<()> {
    for left in before.iter().filter(|group| !after.contains(group)) {
        sqlx::query("DELETE FROM port_security_groups WHERE security_group_id = $1 AND port_id = $2")
            .bind(left)
            .bind(port.0)
            .execute(write.db())
            .await?;
    }
    for joined in after.iter().filter(|group| !before.contains(group)) {
        sqlx::query("INSERT INTO port_security_groups (security_group_id, port_id) VALUES ($1, $2)")
            .bind(joined)
            .bind(port.0)
            .execute(write.db())
            .await?;
    }
    Ok(())
}
