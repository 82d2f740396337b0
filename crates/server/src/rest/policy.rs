//! Who may see and set what, as Neutron's default policies have it: an administrator everything, others what is their
//! project's and what is shared, but for the attributes that a table reserves. Pure.

use serde_json::Value;

use super::context::Context;
use super::error::{ApiError, Result};
use super::table::{Object, Reserved, Table};

/// Whether the object is there at all for the caller.
pub(crate) fn may_see(context: &Context, object: &Object) -> bool {
    context.is_admin
        || object.get("shared").and_then(Value::as_bool).unwrap_or_default()
        || owns(context, object.get("project_id").and_then(Value::as_str))
}

/// What belongs to no project is the administrators'.
pub(crate) fn owns(context: &Context, project: Option<&str>) -> bool {
    context.is_admin || project == Some(&context.project_id)
}

/// Refuses a body (`verb`: `create` or `update`) that sets what the caller may not.
pub(crate) fn check(table: &Table, context: &Context, verb: &str, body: &Object) -> Result<()> {
    if context.is_admin {
        return Ok(());
    }
    for name in ["project_id", "tenant_id"] {
        if body.get(name).is_some_and(|project| project.as_str() != Some(&context.project_id)) {
            return Err(ApiError::bad_request(
                "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin \
                 privileges",
            ));
        }
    }
    let mut reserved = table.attributes.iter().filter(|attribute| attribute.reserved != Reserved::No);
    match reserved.find(|attribute| body.contains_key(attribute.name)) {
        Some(attribute) => Err(ApiError::forbidden(&format!("{verb}_{}:{}", table.singular, attribute.name))),
        None => Ok(()),
    }
}

/// Takes away what the caller may not see of an object that he may see.
pub(crate) fn hide(table: &Table, context: &Context, mut object: Object) -> Object {
    if !context.is_admin {
        for attribute in table.attributes.iter().filter(|attribute| attribute.reserved == Reserved::ToSee) {
            object.remove(attribute.name);
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::networks::Networks;
    use super::super::ports::Ports;
    use super::super::resource::Resource;
    use super::*;

    fn member() -> Context {
        Context { project_id: "p1".to_owned(), is_admin: false }
    }

    fn object(value: &Value) -> Object {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_member_sees_what_is_his_or_shared_and_an_administrator_all() {
        let admin = Context::without_token();
        for (of, shared, seen) in [("p1", false, true), ("p2", false, false), ("p2", true, true)] {
            let network = object(&json!({"project_id": of, "shared": shared}));
            assert_eq!((may_see(&member(), &network), may_see(&admin, &network)), (seen, true), "{network:?}");
        }
        // an agent is of no project
        assert!(!may_see(&member(), &object(&json!({}))) && may_see(&admin, &object(&json!({}))));
    }

    #[test]
    fn a_member_sets_no_reserved_attribute_and_no_other_project() {
        for (table, body, refused) in [
            (&Networks::TABLE, json!({"name": "n", "project_id": "p1"}), false),
            (&Networks::TABLE, json!({"tenant_id": "p2"}), true),
            (&Networks::TABLE, json!({"shared": true}), true),
            (&Networks::TABLE, json!({"router:external": false}), true),
            (&Networks::TABLE, json!({"provider:network_type": "gre"}), true),
            (&Ports::TABLE, json!({"name": "p", "binding:vnic_type": "normal"}), false),
            (&Ports::TABLE, json!({"binding:host_id": "h1"}), true),
            (&Ports::TABLE, json!({"binding:profile": {}}), true),
        ] {
            let body = object(&body);
            assert_eq!(check(table, &member(), "create", &body).is_err(), refused, "{body:?}");
            assert!(check(table, &Context::without_token(), "create", &body).is_ok(), "{body:?}");
        }
    }

    #[test]
    fn a_member_does_not_see_where_things_are() {
        let port = object(&json!({"name": "p", "binding:host_id": "h1", "binding:vnic_type": "normal"}));
        let seen = hide(&Ports::TABLE, &member(), port.clone());
        assert_eq!(seen, object(&json!({"name": "p", "binding:vnic_type": "normal"})));
        assert_eq!(hide(&Ports::TABLE, &Context::without_token(), port.clone()), port);
    }
}
