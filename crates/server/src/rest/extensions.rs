//! Which of Neutron's extensions are here. Clients decide by their aliases what they may ask for.

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

use super::error::{ApiError, Result};

/// Alias, name, description.
const EXTENSIONS: &[(&str, &str, &str)] = &[
    ("agent", "agent", "The agent management extension."),
    ("allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs"),
    ("binding", "Port Binding", "Expose port bindings of a virtual port to external application"),
    (
        "empty-string-filtering",
        "Empty String Filtering Extension",
        "Allow filtering by attributes with empty string value",
    ),
    ("external-net", "Neutron external network", "Adds external network attribute to network resource."),
    ("extra_dhcp_opt", "Neutron Extra DHCP options", "Extra options configuration for DHCP."),
    ("filter-validation", "Filter parameters validation", "Provides validation on filter parameters."),
    (
        "ip-substring-filtering",
        "IP address substring filtering",
        "Provides IP address substring filtering when listing ports",
    ),
    ("net-mtu", "Network MTU", "Provides MTU attribute for a network resource."),
    ("net-mtu-writable", "Network MTU (writable)", "Provides a writable MTU attribute for a network resource."),
    ("pagination", "Pagination support", "Extension that indicates that pagination is enabled."),
    ("port-security", "Port Security", "Provides port security"),
    ("project-id", "project_id field enabled", "Extension that indicates that project_id field is enabled."),
    ("provider", "Provider Network", "Expose mapping of virtual networks to physical networks"),
    ("sorting", "Sorting support", "Extension that indicates that sorting is enabled."),
    ("standard-attr-description", "standard-attr-description", "Extension to add descriptions to standard attributes"),
    (
        "standard-attr-revisions",
        "Resource revision numbers",
        "This extension will display the revision number of neutron resources.",
    ),
    (
        "standard-attr-timestamp",
        "Resource timestamps",
        "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes",
    ),
    ("subnet-service-types", "Subnet service types", "Provides ability to set the subnet service_types field"),
];

/// `GET /v2.0/extensions`
pub(crate) async fn list() -> Json<Value> {
    let extensions: Vec<Value> = EXTENSIONS.iter().map(show_one).collect();
    Json(json!({"extensions": extensions}))
}

/// `GET /v2.0/extensions/{alias}`
pub(crate) async fn show(Path(alias): Path<String>) -> Result<Json<Value>> {
    let found = EXTENSIONS.iter().find(|(known, ..)| *known == alias);
    let missing = || ApiError::not_found("HTTPNotFound", format!("Extension with alias {alias} does not exist"));
    Ok(Json(json!({"extension": show_one(found.ok_or_else(missing)?)})))
}

fn show_one((alias, name, description): &(&str, &str, &str)) -> Value {
    json!({"alias": alias, "name": name, "description": description, "updated": "2026-11-22T00:00:00-00:00", "links": []})
}
