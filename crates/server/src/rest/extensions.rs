//! Which of Neutron's extensions are here. Clients decide by their aliases what they may ask for.

use axum::Json;
use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::openapi::schema;
use super::path::Path;
use super::routes::{Operation, Routes};

/// Alias, name, description.
const EXTENSIONS: &[(&str, &str, &str)] = &[
    ("agent", "agent", "The agent management extension."),
    ("allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs"),
    ("availability_zone", "Availability Zone", "The availability zone extension."),
    (
        "availability_zone_filter",
        "Availability Zone Filter Extension",
        "Add filter parameters to AvailabilityZone resource",
    ),
    ("binding", "Port Binding", "Expose port bindings of a virtual port to external application"),
    ("binding-extended", "Port Bindings Extended", "Expose port bindings of a virtual port to external application"),
    ("dns-integration", "DNS Integration", "Provides integration with DNS."),
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
    ("network_availability_zone", "Network Availability Zone", "Availability zone support for network."),
    ("pagination", "Pagination support", "Extension that indicates that pagination is enabled."),
    ("port-security", "Port Security", "Provides port security"),
    (
        "port-security-groups-filtering",
        "Port filtering on security groups",
        "Provides security groups filtering when listing ports",
    ),
    ("project-id", "project_id field enabled", "Extension that indicates that project_id field is enabled."),
    ("provider", "Provider Network", "Expose mapping of virtual networks to physical networks"),
    (
        "quota-check-limit",
        "Quota engine limit check",
        "Support for checking the resource usage before applying a new quota limit",
    ),
    ("quota_details", "Quota details management support", "Expose functions for quotas usage statistics per project"),
    ("quotas", "Quota management support", "Expose functions for quotas management per project"),
    ("security-group", "security-group", "The security groups extension."),
    (
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
        "Add new field with normalized remote_ip_prefix cidr in SG rule",
    ),
    (
        "security-groups-shared-filtering",
        "Security group filtering on the shared field",
        "Support filtering security groups on the shared field",
    ),
    (
        "revision-if-match",
        "If-Match constraints based on revision_number",
        "Extension indicating that If-Match based on revision_number is supported.",
    ),
    ("sorting", "Sorting support", "Extension that indicates that sorting is enabled."),
    ("standard-attr-description", "standard-attr-description", "Extension to add descriptions to standard attributes"),
    (
        "standard-attr-revisions",
        "Resource revision numbers",
        "This extension will display the revision number of neutron resources.",
    ),
    (
        "standard-attr-tag",
        "Tag support for resources with standard attribute: network, subnet, port, security_group",
        "Enables to set tag on resources with standard attribute.",
    ),
    (
        "standard-attr-timestamp",
        "Resource timestamps",
        "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes",
    ),
    ("stateful-security-group", "Stateful security group", "Indicates if the security group is stateful or not"),
    ("subnet-service-types", "Subnet service types", "Provides ability to set the subnet service_types field"),
    ("tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation", "Allow to tag ports during bulk creation"),
];

pub(crate) fn routes() -> Routes {
    let text = json!({"type": "string"});
    let extension =
        json!({"alias": text, "name": text, "description": text, "updated": text, "links": {"type": "array"}});
    let extension = schema::object(&extension);
    let listed = schema::object(&json!({"extensions": {"type": "array", "items": extension}}));
    let wrapped = schema::object(&json!({"extension": extension}));
    let all = Operation::get("/v2.0/extensions", "list_extensions", "The extensions of the API that are here");
    let one = Operation::get("/v2.0/extensions/{alias}", "show_extension", "One extension");
    Routes::default().add(all.gives(listed), list).add(one.gives(wrapped).refused(&[404]), show)
}

async fn list() -> Json<Value> {
    let extensions: Vec<Value> = EXTENSIONS.iter().map(show_one).collect();
    Json(json!({"extensions": extensions}))
}

async fn show(Path(alias): Path<String>) -> Result<Json<Value>> {
    let found = EXTENSIONS.iter().find(|(known, ..)| *known == alias);
    let missing = || ApiError::not_found("HTTPNotFound", format!("Extension with alias {alias} does not exist"));
    Ok(Json(json!({"extension": show_one(found.ok_or_else(missing)?)})))
}

fn show_one((alias, name, description): &(&str, &str, &str)) -> Value {
    json!({"alias": alias, "name": name, "description": description, "updated": "2026-11-22T00:00:00-00:00", "links": []})
}
