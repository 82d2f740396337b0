//! The documents from which clients learn what there is.

use axum::Json;
use serde_json::{Value, json};

use super::agents::Agents;
use super::availability_zones;
use super::base::Base;
use super::networks::Networks;
use super::openapi::schema;
use super::ports::Ports;
use super::resource::Resource;
use super::routes::{Operation, Routes};
use super::security_group_rules::SecurityGroupRules;
use super::security_groups::SecurityGroups;
use super::subnets::Subnets;
use super::table::Table;

pub(crate) fn routes() -> Routes {
    let array = json!({"type": "array"});
    let versions = schema::object(&json!({"versions": array}));
    let resources = schema::object(&json!({"resources": array}));
    let summary = "The resources of this version";
    Routes::default()
        .add(Operation::get("/", "versions", "The versions of the API").gives(versions), root)
        .add(Operation::get("/v2.0", "resources", summary).gives(resources.clone()), v2)
        .add(Operation::get("/v2.0/", "resources_of_directory", summary).gives(resources), v2)
}

async fn root(Base(base): Base) -> Json<Value> {
    let link = json!({"rel": "self", "href": format!("{base}/v2.0/")});
    Json(json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}))
}

async fn v2(Base(base): Base) -> Json<Value> {
    let tables = [
        Networks::TABLE,
        Subnets::TABLE,
        Ports::TABLE,
        Agents::TABLE,
        SecurityGroups::TABLE,
        SecurityGroupRules::TABLE,
        availability_zones::TABLE,
    ];
    let resources = tables.map(|table| {
        let link = json!({"rel": "self", "href": format!("{base}/v2.0/{}", path(&table))});
        json!({"name": table.singular, "collection": table.plural, "links": [link]})
    });
    Json(json!({"resources": resources}))
}

/// Availability zones are the one collection that Neutron, too, has under its name as it is.
fn path(table: &Table) -> String {
    if table.plural == availability_zones::TABLE.plural { table.plural.to_owned() } else { table.path() }
}
