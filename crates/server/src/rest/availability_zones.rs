//! Availability zones. There is one, and every host is in it: an overlay network is where its ports are.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use store::{Filter, Host};

use super::RestState;
use super::error::{ApiError, Result};
use super::kind::Kind;
use super::openapi::{resource, schema};
use super::query::{Listing, Pairs};
use super::routes::{Operation, Routes};
use super::table::{Attribute, Object, Table};

/// What OpenStack calls the one that nobody has named.
const ZONE: &str = "nova";

pub(crate) const TABLE: Table = Table {
    singular: "availability_zone",
    plural: "availability_zones",
    not_found: "AvailabilityZoneNotFound",
    missing: |id| format!("AvailabilityZone {id} could not be found."),
    keys: &[],
    lenient: true,
    attributes: &[
        Attribute::read_only("name", Kind::Text(255)),
        Attribute::read_only("resource", Kind::Text(255)),
        Attribute::read_only("state", Kind::Text(16)),
    ],
};

pub(crate) fn routes() -> Routes {
    let zone = schema::reference("AvailabilityZone");
    let listed = schema::object(&json!({"availability_zones": {"type": "array", "items": zone}}));
    let all = Operation::get("/v2.0/availability_zones", "list_availability_zones", "List availability_zones");
    let all = all.parameters(resource::filters(&TABLE)).gives(listed).refused(&[400]);
    Routes::default().schema("AvailabilityZone", schema::shown(&TABLE)).add(all, list)
}

/// None before the first host; available while a host is enabled.
async fn list(State(state): State<RestState>, Pairs(pairs): Pairs) -> Result<Json<Value>> {
    let listing = Listing::parse(&TABLE, pairs)?;
    let hosts: Vec<Host> = state.store.list(&Filter::default()).await?;
    let available = hosts.iter().any(|host| host.admin_state_up);
    let zone =
        json!({"name": ZONE, "resource": "network", "state": if available { "available" } else { "unavailable" }});
    let zones = zone.as_object().filter(|_| !hosts.is_empty()).cloned().into_iter().collect();
    Ok(Json(json!({"availability_zones": listing.pick(zones)})))
}

/// Refuses hints that name a zone that is not there.
pub(crate) fn check_hints(attributes: &Object) -> Result<()> {
    let hints = attributes.get("availability_zone_hints").and_then(Value::as_array).into_iter().flatten();
    match hints.filter_map(Value::as_str).find(|hint| *hint != ZONE) {
        Some(hint) => Err(ApiError::not_found("AvailabilityZoneNotFound", (TABLE.missing)(hint))),
        None => Ok(()),
    }
}
