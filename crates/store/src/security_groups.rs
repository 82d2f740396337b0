//! Security groups: one `default` for each project, made when it is first needed, and those that users make.

use serde_json::{Value, json};
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use crate::db::{Connection, Row, attributes_from, attributes_text};
use crate::filter::Filter;
use crate::types::{
    Attributes, NewSecurityGroup, NewSecurityGroupRule, SecurityGroup, SecurityGroupRule, SecurityGroupUpdate, Stamp,
};
use crate::write::{Touched, Write};
use crate::{Error, Result, Store, Stored, networks, security_group_rules};

const ETHERTYPES: [&str; 2] = ["IPv4", "IPv6"];

impl Store {
    /// The id of the project's group `default`; makes it if it is missing.
    pub async fn default_security_group(&self, project: &str) -> Result<Uuid> {
        if let Some(id) = find_default(&mut *self.reader().await?, project).await? {
            return Ok(id);
        }
        let project = project.to_owned();
        self.write(move |write| Box::pin(async move { SecurityGroup::default_of(write, &project).await })).await
    }
}

impl SecurityGroup {
    /// As [`Store::default_security_group`], in a write that is open.
    pub async fn default_of(write: &mut Write<'_>, project: &str) -> Result<Uuid> {
        if let Some(id) = find_default(write.db().await?, project).await? {
            return Ok(id);
        }
        let group = NewSecurityGroup {
            id: write.environment.uuid(),
            project_id: project.to_owned(),
            name: "default".to_owned(),
            stateful: true,
            attributes: object(json!({"description": "Default security group"})),
        };
        create(write, &group, true).await?;
        Ok(group.id)
    }

    /// With two rules that let everything out. Makes the project's default group too, if it is missing.
    pub async fn create(write: &mut Write<'_>, new: NewSecurityGroup) -> Result<SecurityGroup> {
        SecurityGroup::default_of(write, &new.project_id).await?;
        create(write, &new, false).await?;
        write.get(new.id).await
    }

    pub async fn update(self, write: &mut Write<'_>, update: SecurityGroupUpdate) -> Result<SecurityGroup> {
        // Neutron goes by the name here, not by which group is the default one
        if self.name == "default" && update.name.is_some() {
            return Err(Error::DefaultSecurityGroup(self.id));
        }
        let before = self;
        let mut after = before.clone();
        after.name = update.name.unwrap_or(after.name);
        after.stateful = update.stateful.unwrap_or(after.stateful);
        after.attributes.extend(update.attributes);
        if after == before {
            return Ok(before);
        }
        if after.stateful != before.stateful {
            before.refuse_if_used(write).await?;
        }
        sqlx::query("UPDATE security_groups SET name = $1, stateful = $2, attributes = $3 WHERE id = $4")
            .bind(&after.name)
            .bind(after.stateful)
            .bind(attributes_text(&after.attributes)?)
            .bind(after.id)
            .execute(write.db().await?)
            .await?;
        touch(write, after.id).await?;
        write.get(after.id).await
    }

    /// Refused while a port is in it. Rules of other groups that name it go with it.
    pub async fn delete(self, write: &mut Write<'_>) -> Result<()> {
        self.refuse_if_used(write).await?;
        sqlx::query("DELETE FROM security_groups WHERE id = $1").bind(self.id).execute(write.db().await?).await?;
        write.touch(Touched::SecurityGroup(self.id), None);
        Ok(())
    }

    async fn refuse_if_used(&self, write: &mut Write<'_>) -> Result<()> {
        let used = sqlx::query("SELECT 1 FROM port_security_groups WHERE security_group_id = $1 LIMIT 1")
            .bind(self.id)
            .fetch_optional(write.db().await?)
            .await?;
        if used.is_some() { Err(Error::SecurityGroupInUse(self.id)) } else { Ok(()) }
    }
}

async fn find_default(db: &mut Connection, project: &str) -> Result<Option<Uuid>> {
    let row = sqlx::query("SELECT id FROM security_groups WHERE project_id = $1 AND is_default")
        .bind(project)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn create(write: &mut Write<'_>, new: &NewSecurityGroup, is_default: bool) -> Result<()> {
    let stamp = write.new_stamp();
    sqlx::query(
        "INSERT INTO security_groups (id, project_id, name, is_default, stateful, attributes, created_at, updated_at, \
         revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.id)
    .bind(&new.project_id)
    .bind(&new.name)
    .bind(is_default)
    .bind(new.stateful)
    .bind(attributes_text(&new.attributes)?)
    .bind(stamp.created_at)
    .bind(stamp.updated_at)
    .bind(stamp.revision_number)
    .execute(write.db().await?)
    .await?;
    for ethertype in ETHERTYPES {
        // members of the default group hear each other
        if is_default {
            add_rule(write, new, ethertype, "ingress", Some(new.id)).await?;
        }
        add_rule(write, new, ethertype, "egress", None).await?;
    }
    write.touch(Touched::SecurityGroup(new.id), None);
    Ok(())
}

async fn add_rule(
    write: &mut Write<'_>,
    group: &NewSecurityGroup,
    ethertype: &str,
    direction: &str,
    remote_group_id: Option<Uuid>,
) -> Result<()> {
    let rule = NewSecurityGroupRule {
        id: write.environment.uuid(),
        security_group_id: group.id,
        project_id: group.project_id.clone(),
        remote_group_id,
        attributes: object(json!({"direction": direction, "ethertype": ethertype, "description": null})),
    };
    security_group_rules::insert(write, rule).await?;
    Ok(())
}

fn object(value: Value) -> Attributes {
    match value {
        Value::Object(object) => object,
        _ => Attributes::new(),
    }
}

/// Counts a change of the group, also that of its rules.
pub(crate) async fn touch(write: &mut Write<'_>, id: Uuid) -> Result<()> {
    let now = write.now;
    sqlx::query("UPDATE security_groups SET updated_at = $1, revision_number = revision_number + 1 WHERE id = $2")
        .bind(now)
        .bind(id)
        .execute(write.db().await?)
        .await?;
    write.touch(Touched::SecurityGroup(id), None);
    Ok(())
}

impl Stored for SecurityGroup {
    const TABLE: &'static str = "security_groups";

    async fn select(db: &mut Connection, filter: &Filter) -> Result<Vec<SecurityGroup>> {
        let mut query = QueryBuilder::new(format!(
            "SELECT g.*, (SELECT {} FROM security_group_rules r WHERE r.security_group_id = g.id) AS rules \
             FROM security_groups g",
            security_group_rules::packed(),
        ));
        filter.push_to::<Self>(&mut query, "g");
        query.build().fetch_all(db).await?.iter().map(read).collect()
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn missing(id: Uuid) -> Error {
        Error::SecurityGroupNotFound(id)
    }

    fn project_id(&self) -> Option<&str> {
        Some(&self.project_id)
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(self.stamp)
    }
}

fn read(row: &Row) -> Result<SecurityGroup> {
    let id = row.try_get("id")?;
    let rules: Vec<SecurityGroupRule> = security_group_rules::unpacked(id, row.try_get("rules")?)?;
    Ok(SecurityGroup {
        id,
        project_id: row.try_get("project_id")?,
        name: row.try_get("name")?,
        is_default: row.try_get("is_default")?,
        stateful: row.try_get("stateful")?,
        rules,
        attributes: attributes_from(row.try_get("attributes")?)?,
        stamp: networks::read_stamp(row)?,
    })
}
