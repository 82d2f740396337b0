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

/// Refuses all but administrators, by the policy of this name.
pub(crate) fn admin(context: &Context, rule: &str) -> Result<()> {
    if context.is_admin { Ok(()) } else { Err(ApiError::forbidden(rule)) }
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

/// What of a port (`verb`: `create` or `update`) only the owner of its network may say, by the policy's name, if the body
/// says any of it. An update's MAC address is an administrator's alone.
pub(crate) fn reserved_to_network_owner(verb: &str, port: &Object) -> Option<String> {
    let list = |name| port.get(name).and_then(Value::as_array).into_iter().flatten();
    let is_update = verb == "update";
    let of_network =
        port.get("device_owner").and_then(Value::as_str).is_some_and(|owner| owner.starts_with("network:"));
    // a creation has every list, an empty one where it says nothing
    let pairs = port.contains_key("allowed_address_pairs") && is_update;
    let says = [
        ("device_owner", of_network),
        ("mac_address", port.contains_key("mac_address") && !is_update),
        ("fixed_ips", port.contains_key("fixed_ips") && is_update),
        ("fixed_ips:ip_address", list("fixed_ips").any(|ip| ip.get("ip_address").is_some())),
        ("port_security_enabled", port.contains_key("port_security_enabled")),
        ("allowed_address_pairs", pairs || list("allowed_address_pairs").next().is_some()),
    ];
    says.into_iter().find_map(|(attribute, says)| says.then(|| format!("{verb}_port:{attribute}")))
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
    use super::super::security_group_rules::SecurityGroupRules;
    use super::super::security_groups::SecurityGroups;
    use super::super::subnets::Subnets;
    use super::super::{RestState, Settings};
    use super::*;
    use crate::hosts::Hosts;

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

    #[tokio::test]
    async fn a_member_puts_into_a_network_of_others_what_its_being_shared_permits() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::Store::open(&directory.path().join("culvert.db")).await.unwrap();
        let state = RestState { store: store.clone(), hosts: Hosts::default(), settings: Settings::default() };
        for (of, shared) in [("p1", false), ("p2", true), ("p2", false)] {
            let network = made::<Networks>(
                &state,
                Context { project_id: of.to_owned(), is_admin: true },
                json!({"shared": shared}),
            );
            let id = network.await.unwrap().id;
            let port = async |body: Value| {
                let mut body = object(&body);
                body.insert("network_id".to_owned(), json!(id));
                made::<Ports>(&state, member(), Value::Object(body)).await.map(drop).map_err(|error| error.status())
            };
            let subnet = json!({"network_id": id, "ip_version": 4, "cidr": "10.0.0.0/24"});
            let subnet = made::<Subnets>(&state, member(), subnet).await.map(drop).map_err(|error| error.status());
            let ports = [
                port(json!({})).await,
                port(json!({"mac_address": "fa:16:3e:00:00:01"})).await,
                port(json!({"fixed_ips": [{"ip_address": "10.0.0.9"}]})).await,
            ];
            let (expected_subnet, expected_ports) = match (of, shared) {
                ("p1", _) => (Ok(()), [Ok(()); 3]),
                (_, true) => (Err(403), [Ok(()), Err(403), Err(403)]),
                (_, false) => (Err(403), [Err(404); 3]),
            };
            assert_eq!((subnet, ports), (expected_subnet, expected_ports), "of {of}, shared: {shared}");
        }
        let other = Context { project_id: "p2".to_owned(), is_admin: true };
        let group = made::<SecurityGroups>(&state, other, json!({"name": "web"})).await.unwrap().id;
        let rule = json!({"security_group_id": group, "direction": "ingress"});
        let refused = made::<SecurityGroupRules>(&state, member(), rule.clone()).await.map_err(|error| error.status());
        assert_eq!(refused.map(drop), Err(404));
        made::<SecurityGroupRules>(&state, Context::without_token(), rule).await.unwrap();
    }

    #[tokio::test]
    async fn a_member_changes_of_his_port_what_the_network_of_others_permits() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::Store::open(&directory.path().join("culvert.db")).await.unwrap();
        let state = RestState { store: store.clone(), hosts: Hosts::default(), settings: Settings::default() };
        let owner = |of: &str| Context { project_id: of.to_owned(), is_admin: true };
        let [own, foreign] = [owner("p1"), owner("p2")];
        let group = made::<SecurityGroups>(&state, own, json!({"name": "own"})).await.unwrap().id;
        let other_group = made::<SecurityGroups>(&state, foreign, json!({"name": "of p2"})).await.unwrap().id;
        // for the port of p1: who, in the network of which project, changes what
        for (body, in_own, in_shared, as_admin) in [
            (json!({"name": "new", "binding:vnic_type": "normal", "device_owner": "compute:nova"}), 200, 200, 200),
            (json!({"mac_address": "fa:16:3e:00:00:01"}), 403, 403, 200),
            (json!({"fixed_ips": [{"ip_address": "10.0.0.9"}]}), 200, 403, 200),
            (json!({"fixed_ips": []}), 200, 403, 200),
            (json!({"device_owner": "network:dhcp"}), 200, 403, 200),
            (json!({"allowed_address_pairs": []}), 200, 403, 200),
            (json!({"security_groups": [group]}), 200, 200, 200),
            (json!({"security_groups": [other_group]}), 404, 404, 200),
            (json!({"security_groups": [], "port_security_enabled": false}), 200, 403, 200),
        ] {
            for (of, by, expected) in
                [("p1", member(), in_own), ("p2", member(), in_shared), ("p2", Context::without_token(), as_admin)]
            {
                let network = made::<Networks>(&state, owner(of), json!({"shared": true})).await.unwrap().id;
                let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
                made::<Subnets>(&state, owner(of), subnet).await.unwrap();
                let port = made::<Ports>(&state, member(), json!({"network_id": network})).await.unwrap();
                let changes = Ports::TABLE.parse_put(&object(&body)).unwrap();
                let (shared, caller) = (state.clone(), by.clone());
                let changed = state.store.write(move |write| {
                    Box::pin(async move { Ports::update(write, &shared, &caller, port, changes).await })
                });
                let status = changed.await.map_or_else(|error| error.status(), |_| 200);
                assert_eq!(status, expected, "{body} in a network of {of} by {by:?}");
            }
        }
        // a creation names no groups of others either
        let network = made::<Networks>(&state, owner("p1"), json!({})).await.unwrap().id;
        for (group, expected) in [(group, 200), (other_group, 404)] {
            let port = json!({"network_id": network, "security_groups": [group]});
            let status = made::<Ports>(&state, member(), port).await.map_or_else(|error| error.status(), |_| 200);
            assert_eq!(status, expected);
        }
    }

    async fn made<R: Resource>(state: &RestState, context: Context, body: Value) -> Result<R::Stored> {
        let object = R::TABLE.parse_post(&object(&body))?;
        let shared = state.clone();
        let objects = vec![object];
        let made =
            state.store.write(move |write| Box::pin(async move { R::create(write, &shared, &context, objects).await }));
        Ok(made.await?.pop().unwrap())
    }

    #[test]
    fn some_things_are_only_for_administrators() {
        assert!(admin(&Context::without_token(), "create_port_binding").is_ok());
        assert_eq!(admin(&member(), "create_port_binding").map_err(|error| error.status()), Err(403));
    }

    #[test]
    fn a_member_does_not_see_where_things_are() {
        let port = object(&json!({"name": "p", "binding:host_id": "h1", "binding:vnic_type": "normal"}));
        let seen = hide(&Ports::TABLE, &member(), port.clone());
        assert_eq!(seen, object(&json!({"name": "p", "binding:vnic_type": "normal"})));
        assert_eq!(hide(&Ports::TABLE, &Context::without_token(), port.clone()), port);
    }
}
