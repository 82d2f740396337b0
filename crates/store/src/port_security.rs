//! Which security groups a port is in. The list is among the port's attributes; a table of its own says for a group
//! whether a port is in it.

use std::collections::{HashMap, HashSet};

use model::PortId;
use serde_json::{Value, json};
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use crate::batch::{Batch, Values};
use crate::db::{Connection, Engine};
use crate::types::{Attributes, NewPort, Port, SecurityGroup};
use crate::write::Write;
use crate::{Error, Result};

const GROUPS: &str = "security_groups";
const ENABLED: &str = "port_security_enabled";

/// Completes a new port's attributes: whether it is secured, by default as its network says, and the groups that it is
/// in, by default its project's. One that belongs to the network's own services (`network:…`) is trusted: neither
/// secured nor, unless it is told so, in a group.
pub(crate) async fn complete(
    write: &mut Write<'_>,
    known: &mut Groups,
    new: &mut NewPort,
    by_network: bool,
) -> Result<()> {
    let trusted = new.device_owner.starts_with("network:");
    let asked = new.attributes.get(ENABLED).and_then(Value::as_bool);
    let enabled = !trusted && asked.unwrap_or(by_network);
    let groups = match &new.security_groups {
        Some(groups) => {
            known.check(write, groups).await?;
            groups.clone()
        }
        None if enabled => vec![known.default_of(write, &new.project_id).await?],
        None => Vec::new(),
    };
    if !enabled && !groups.is_empty() {
        return Err(Error::GroupsNeedPortSecurity);
    }
    new.attributes.insert(ENABLED.to_owned(), enabled.into());
    new.attributes.insert(GROUPS.to_owned(), json!(groups));
    Ok(())
}

/// What is known of groups while ports are made.
#[derive(Default)]
pub(crate) struct Groups {
    /// By project.
    default: HashMap<String, Uuid>,
    checked: HashSet<Vec<Uuid>>,
}

impl Groups {
    pub(crate) fn learn_default(&mut self, project: &str, group: Option<Uuid>) {
        self.default.extend(group.map(|id| (project.to_owned(), id)));
    }

    async fn default_of(&mut self, write: &mut Write<'_>, project: &str) -> Result<Uuid> {
        if let Some(id) = self.default.get(project) {
            return Ok(*id);
        }
        let id = SecurityGroup::default_of(write, project).await?;
        self.default.insert(project.to_owned(), id);
        Ok(id)
    }

    async fn check(&mut self, write: &mut Write<'_>, groups: &[Uuid]) -> Result<()> {
        if !self.checked.contains(groups) {
            check(write.db().await?, groups).await?;
            self.checked.insert(groups.to_vec());
        }
        Ok(())
    }
}

/// The groups that a port's attributes name.
pub(crate) fn groups(attributes: &Attributes) -> Vec<Uuid> {
    let groups = attributes.get(GROUPS).and_then(Value::as_array);
    groups.into_iter().flatten().filter_map(Value::as_str).filter_map(|id| Uuid::parse_str(id).ok()).collect()
}

/// Checks the groups that an update names, and puts them among its attributes. Their order says nothing: the same in
/// another one are no change.
pub(crate) async fn replace(write: &mut Write<'_>, named: &[Uuid], attributes: &mut Attributes) -> Result<()> {
    check(write.db().await?, named).await?;
    let before: HashSet<Uuid> = groups(attributes).into_iter().collect();
    if before != named.iter().copied().collect() || !attributes.contains_key(GROUPS) {
        attributes.insert(GROUPS.to_owned(), json!(named));
    }
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
            .execute(write.db().await?)
            .await?;
    }
    let joined: Vec<(Uuid, PortId)> =
        after.iter().filter(|group| !before.contains(group)).map(|group| (*group, port)).collect();
    let mut batch = Batch::default();
    insert(&mut batch, &joined);
    batch.run(write.db().await?).await?;
    Ok(())
}

/// Notes that new ports are in their groups.
pub(crate) fn join_all(batch: &mut Batch, ports: &[Port]) {
    let of = |port: &Port| groups(&port.attributes).into_iter().map(|group| (group, port.id)).collect::<Vec<_>>();
    insert(batch, &ports.iter().flat_map(of).collect::<Vec<_>>());
}

fn insert(batch: &mut Batch, joined: &[(Uuid, PortId)]) {
    let bind = |mut row: Values<'_>, (group, port): &(Uuid, PortId)| {
        row.push_bind(*group).push_bind(port.0);
    };
    batch.insert("INSERT INTO port_security_groups (security_group_id, port_id)", joined, bind, "");
}
