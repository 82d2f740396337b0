use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Column, Counted, NewSecurityGroupRule, SecurityGroup, SecurityGroupRule, Write};
use uuid::Uuid;

use super::RestState;
use super::context::Context;
use super::error::Result;
use super::kind::Kind;
use super::policy;
use super::resource::{Refused, Resource, show_common, take_project, typed};
use super::rule_values;
use super::table::{Attribute, Default, Object, Table, common};

pub(crate) struct SecurityGroupRules;

impl Resource for SecurityGroupRules {
    type Stored = SecurityGroupRule;

    const TABLE: Table = Table {
        singular: "security_group_rule",
        plural: "security_group_rules",
        not_found: "SecurityGroupRuleNotFound",
        missing: |id| format!("Security group rule {id} does not exist"),
        keys: &[],
        lenient: false,
        attributes: &[
            common::ID,
            common::PROJECT_ID,
            common::TENANT_ID,
            Attribute::create_only("description", Kind::Text(255), Default::Text("")).nullable(),
            Attribute::required("security_group_id", Kind::Uuid).indexed(Column::SecurityGroupId),
            Attribute::required("direction", Kind::OneOf(&["ingress", "egress"])).indexed(Column::Direction),
            Attribute::create_only("ethertype", Kind::Ethertype, Default::Text("IPv4")).indexed(Column::Ethertype),
            Attribute::create_only("protocol", Kind::Protocol, Default::Null).nullable().indexed(Column::Protocol),
            Attribute::create_only("port_range_min", Kind::Port, Default::Null)
                .nullable()
                .ordered(Column::PortRangeMin),
            Attribute::create_only("port_range_max", Kind::Port, Default::Null)
                .nullable()
                .ordered(Column::PortRangeMax),
            Attribute::create_only("remote_ip_prefix", Kind::Prefix, Default::Null)
                .nullable()
                .ordered(Column::RemotePrefix),
            Attribute::create_only("remote_group_id", Kind::Uuid, Default::Null)
                .nullable()
                .ordered(Column::RemoteGroup),
            Attribute::read_only("normalized_cidr", Kind::Cidr),
            common::TAGS,
            common::CREATED_AT,
            common::UPDATED_AT,
            common::REVISION_NUMBER,
        ],
    };

    const REFUSED: Refused = Refused { create: &[404, 409], update: &[412], delete: &[412] };

    const COUNTED: Option<Counted> = Some(Counted::SecurityGroupRule);

    async fn before_list(state: &RestState, project: &str) -> Result<()> {
        state.store.default_security_group(project).await?;
        Ok(())
    }

    async fn create(
        write: &mut Write<'_>,
        _state: &RestState,
        context: &Context,
        objects: Vec<Object>,
    ) -> Result<Vec<SecurityGroupRule>> {
        let mut made = Vec::with_capacity(objects.len());
        for mut object in objects {
            let project_id = take_project(context, &mut object)?;
            rule_values::check(&mut object)?;
            let Create { security_group_id, remote_group_id, attributes } = typed(object)?;
            let group: SecurityGroup = write.get(security_group_id).await?;
            if !policy::owns(context, Some(&group.project_id)) {
                return Err(store::Error::SecurityGroupNotFound(security_group_id).into());
            }
            let new =
                NewSecurityGroupRule { id: Uuid::new_v4(), security_group_id, project_id, remote_group_id, attributes };
            made.push(SecurityGroupRule::create(write, new).await?);
        }
        Ok(made)
    }

    async fn update(
        _write: &mut Write<'_>,
        _state: &RestState,
        _context: &Context,
        rule: SecurityGroupRule,
        _changes: Object,
    ) -> Result<SecurityGroupRule> {
        // no attribute can be put, so nothing can have been changed
        Ok(rule)
    }

    async fn delete(write: &mut Write<'_>, _state: &RestState, rule: SecurityGroupRule) -> Result<()> {
        Ok(rule.delete(write).await?)
    }

    async fn show(_state: &RestState, rules: Vec<SecurityGroupRule>) -> Result<Vec<Object>> {
        Ok(rules.into_iter().map(show).collect())
    }
}

#[derive(Deserialize)]
struct Create {
    security_group_id: Uuid,
    remote_group_id: Option<Uuid>,
    #[serde(flatten)]
    attributes: Object,
}

pub(super) fn show(rule: SecurityGroupRule) -> Object {
    let mut object = rule.attributes;
    let prefix = object.get("remote_ip_prefix").and_then(Value::as_str);
    let normalized = prefix.and_then(|prefix| prefix.parse::<IpNet>().ok()).map(|net| net.trunc());
    let own = json!({
        "id": rule.id,
        "security_group_id": rule.security_group_id,
        "remote_group_id": rule.remote_group_id,
        "normalized_cidr": normalized,
    });
    if let Value::Object(own) = own {
        object.extend(own);
    }
    show_common(&mut object, &rule.project_id, rule.stamp);
    object
}
