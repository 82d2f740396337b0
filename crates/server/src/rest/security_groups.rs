use serde::Deserialize;
use serde_json::{Value, json};
use store::{Column, Counted, NewSecurityGroup, SecurityGroup, SecurityGroupUpdate, Write};
use uuid::Uuid;

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::kind::Kind;
use super::resource::{Refused, Resource, show_common, take_project, typed};
use super::security_group_rules::{self, SecurityGroupRules};
use super::table::{Attribute, Default, Object, Table, common};

/// Kept, checked and shown; nothing enforces them.
pub(crate) struct SecurityGroups;

impl Resource for SecurityGroups {
    type Stored = SecurityGroup;

    const TABLE: Table = Table {
        singular: "security_group",
        plural: "security_groups",
        not_found: "SecurityGroupNotFound",
        missing: |id| format!("Security group {id} does not exist"),
        keys: &[],
        lenient: false,
        attributes: &[
            common::ID,
            common::NAME.indexed(Column::Name),
            common::PROJECT_ID,
            common::TENANT_ID,
            common::DESCRIPTION,
            Attribute::writable("stateful", Kind::Bool, Default::True),
            Attribute::read_only("shared", Kind::Bool),
            Attribute::read_only("security_group_rules", Kind::Described("SecurityGroupRule")),
            common::TAGS,
            common::CREATED_AT,
            common::UPDATED_AT,
            common::REVISION_NUMBER,
        ],
    };

    const REFUSED: Refused = Refused { create: &[409], update: &[409, 412], delete: &[409, 412] };

    const COUNTED: Option<Counted> = Some(Counted::SecurityGroup);

    /// Every project has a group `default`, from the first time that it looks.
    async fn before_list(state: &RestState, project: &str) -> Result<()> {
        state.store.default_security_group(project).await?;
        Ok(())
    }

    async fn create(
        write: &mut Write<'_>,
        state: &RestState,
        context: &Context,
        objects: Vec<Object>,
    ) -> Result<Vec<SecurityGroup>> {
        let mut made = Vec::with_capacity(objects.len());
        for mut object in objects {
            let project_id = take_project(context, &mut object)?;
            let Create { name, stateful, attributes } = typed(object)?;
            refuse_default(Some(&name))?;
            // those that it is made with
            write.check_quota(&state.settings.quotas, Counted::SecurityGroupRule, &project_id, 2).await?;
            let new = NewSecurityGroup { id: Uuid::new_v4(), project_id, name, stateful, attributes };
            made.push(SecurityGroup::create(write, new).await?);
        }
        Ok(made)
    }

    async fn update(
        write: &mut Write<'_>,
        _state: &RestState,
        _context: &Context,
        group: SecurityGroup,
        changes: Object,
    ) -> Result<SecurityGroup> {
        let Update { name, stateful, attributes } = typed(changes)?;
        refuse_default(name.as_deref())?;
        Ok(group.update(write, SecurityGroupUpdate { name, stateful, attributes }).await?)
    }

    async fn delete(write: &mut Write<'_>, _state: &RestState, group: SecurityGroup) -> Result<()> {
        Ok(group.delete(write).await?)
    }

    async fn show(_state: &RestState, groups: Vec<SecurityGroup>) -> Result<Vec<Object>> {
        Ok(groups.into_iter().map(show).collect())
    }
}

#[derive(Deserialize)]
struct Create {
    name: String,
    stateful: bool,
    #[serde(flatten)]
    attributes: Object,
}

#[derive(Deserialize)]
struct Update {
    name: Option<String>,
    stateful: Option<bool>,
    #[serde(flatten)]
    attributes: Object,
}

/// The name belongs to the group that the server makes.
fn refuse_default(name: Option<&str>) -> Result<()> {
    match name {
        Some(name) if name.eq_ignore_ascii_case("default") => {
            Err(ApiError::conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists."))
        }
        _ => Ok(()),
    }
}

fn show(group: SecurityGroup) -> Object {
    let rules = group.rules.into_iter();
    let rules: Vec<Object> =
        rules.map(|rule| SecurityGroupRules::TABLE.complete(security_group_rules::show(rule))).collect();
    let mut object = group.attributes;
    let own = json!({
        "id": group.id,
        "name": group.name,
        "stateful": group.stateful,
        "shared": false,
        "security_group_rules": rules,
    });
    if let Value::Object(own) = own {
        object.extend(own);
    }
    show_common(&mut object, &group.project_id, group.stamp);
    object
}
