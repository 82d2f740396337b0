//! The rules of security groups. A rule is made and deleted, never changed.

use serde_json::Value;
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use crate::db::{Connection, Row, attributes_from, attributes_text};
use crate::filter::Filter;
use crate::packed::{self, Packed, Part};
use crate::protocols::protocol_number;
use crate::types::{Attributes, Micros, NewSecurityGroupRule, SecurityGroup, SecurityGroupRule, Stamp};
use crate::write::Write;
use crate::{Error, Result, Stored, security_groups};

impl SecurityGroupRule {
    /// Counts as a change of its group. Refused if the group has a rule that says the same.
    pub async fn create(write: &mut Write<'_>, new: NewSecurityGroupRule) -> Result<SecurityGroupRule> {
        for group in new.remote_group_id.into_iter().chain([new.security_group_id]) {
            write.get::<SecurityGroup>(group).await?;
        }
        let rule = insert(write, new).await?;
        security_groups::touch(write, rule.security_group_id).await?;
        Ok(rule)
    }

    pub async fn delete(self, write: &mut Write<'_>) -> Result<()> {
        sqlx::query("DELETE FROM security_group_rules WHERE id = $1").bind(self.id).execute(write.db().await?).await?;
        security_groups::touch(write, self.security_group_id).await
    }
}

pub(crate) async fn insert(write: &mut Write<'_>, new: NewSecurityGroupRule) -> Result<SecurityGroupRule> {
    let meaning = meaning(&new.attributes, new.remote_group_id);
    let created_at = write.now;
    let inserted = sqlx::query(
        "INSERT INTO security_group_rules (id, security_group_id, project_id, remote_group_id, meaning, attributes, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (security_group_id, meaning) DO NOTHING",
    )
    .bind(new.id)
    .bind(new.security_group_id)
    .bind(&new.project_id)
    .bind(new.remote_group_id)
    .bind(&meaning)
    .bind(attributes_text(&new.attributes)?)
    .bind(created_at)
    .execute(write.db().await?)
    .await?;
    if inserted.rows_affected() == 0 {
        let row = sqlx::query("SELECT id FROM security_group_rules WHERE security_group_id = $1 AND meaning = $2")
            .bind(new.security_group_id)
            .bind(&meaning)
            .fetch_one(write.db().await?)
            .await?;
        return Err(Error::SecurityGroupRuleExists { rule: row.try_get(0)? });
    }
    Ok(SecurityGroupRule {
        id: new.id,
        security_group_id: new.security_group_id,
        project_id: new.project_id,
        remote_group_id: new.remote_group_id,
        attributes: new.attributes,
        stamp: stamp(created_at),
    })
}

/// Neutron counts the changes of rules, too, and there are none.
fn stamp(created_at: Micros) -> Stamp {
    Stamp { created_at, updated_at: created_at, revision_number: 0 }
}

/// What a rule lets through, the same text for all that let the same through: a protocol's name and its number are one,
/// and so are "any address" and none. Pure.
fn meaning(attributes: &Attributes, remote_group: Option<Uuid>) -> String {
    let value = |name| attributes.get(name).filter(|value| !value.is_null());
    let text = |name| value(name).map_or_else(|| "any".to_owned(), ToString::to_string);
    let protocol = value("protocol").and_then(Value::as_str);
    let protocol = protocol.map(|name| protocol_number(name).map_or(name.to_owned(), |number| number.to_string()));
    let prefix = value("remote_ip_prefix").and_then(Value::as_str);
    let prefix = prefix.filter(|prefix| !["0.0.0.0/0", "::/0"].contains(prefix));
    format!(
        "{} {} protocol {} ports {} {} from {} group {}",
        text("direction"),
        text("ethertype"),
        protocol.as_deref().unwrap_or("any"),
        text("port_range_min"),
        text("port_range_max"),
        prefix.unwrap_or("any"),
        remote_group.map_or_else(|| "any".to_owned(), |id| id.to_string()),
    )
}

impl Stored for SecurityGroupRule {
    const TABLE: &'static str = "security_group_rules";

    async fn select(db: &mut Connection, filter: &Filter) -> Result<Vec<SecurityGroupRule>> {
        let mut query = QueryBuilder::new("SELECT r.* FROM security_group_rules r");
        filter.push_to::<Self>(&mut query, "r");
        query.build().fetch_all(db).await?.iter().map(read).collect()
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn missing(id: Uuid) -> Error {
        Error::SecurityGroupRuleNotFound(id)
    }

    fn project_id(&self) -> Option<&str> {
        Some(&self.project_id)
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(self.stamp)
    }
}

fn read(row: &Row) -> Result<SecurityGroupRule> {
    Ok(SecurityGroupRule {
        id: row.try_get("id")?,
        security_group_id: row.try_get("security_group_id")?,
        project_id: row.try_get("project_id")?,
        remote_group_id: row.try_get("remote_group_id")?,
        attributes: attributes_from(row.try_get("attributes")?)?,
        stamp: stamp(row.try_get("created_at")?),
    })
}

/// The rules of one group, as one text.
pub(crate) fn packed() -> String {
    let rule = packed::row(&[
        Part::Bytes("r.id"),
        Part::Text("r.project_id"),
        Part::Bytes("r.remote_group_id"),
        Part::Text("r.attributes"),
        Part::Word("r.created_at"),
    ]);
    packed::rows(&rule, Some("r.created_at, r.id"))
}

pub(crate) fn unpacked(security_group_id: Uuid, text: &str) -> Result<Vec<SecurityGroupRule>> {
    Packed::new(text).rows(|rule| {
        Ok(SecurityGroupRule {
            id: rule.uuid()?,
            security_group_id,
            project_id: rule.text()?.to_owned(),
            remote_group_id: rule.uuid_or_null()?,
            attributes: attributes_from(rule.text()?)?,
            stamp: stamp(rule.number()?),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_that_say_the_same_in_other_words_are_the_same() {
        let said = |attributes: Value| meaning(attributes.as_object().unwrap(), None);
        let ssh = said(json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22}));
        let numbered = json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "6", "port_range_min": 22,
            "port_range_max": null, "remote_ip_prefix": "0.0.0.0/0", "description": "words"});
        assert_eq!(ssh, said(numbered));
        let narrower = json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22,
            "remote_ip_prefix": "10.0.0.0/8"});
        assert_ne!(ssh, said(narrower));
    }
}
