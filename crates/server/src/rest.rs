//! The OpenStack Networking API v2.0.
//!
//! A resource is described once, by a `table::Table` of its attributes: validation, defaults, rendering and filters
//! follow from it. The handlers are the same for all; a resource's own module holds only what is its own.

// absent, null and a value are three different things in an update
#![allow(clippy::option_option)]

mod agents;
mod availability_zones;
mod base;
mod bindings;
mod bounds;
mod context;
mod dns;
mod error;
mod extensions;
mod handlers;
mod if_match;
mod ipv6_modes;
mod kind;
mod list;
mod networks;
mod openapi;
mod path;
mod policy;
mod port_values;
mod ports;
mod query;
mod quotas;
mod resource;
mod routes;
mod rule_values;
mod security_group_rules;
mod security_groups;
mod service_types;
mod shown;
mod subnets;
mod table;
mod tags;
mod time;
mod versions;
mod vif;

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use model::{TunnelKey, TunnelType};
use store::{Limits, Store};
use uuid::Uuid;

use crate::hosts::Hosts;
use agents::Agents;
use bounds::Bounds;
use error::ApiError;
use networks::Networks;
use ports::Ports;
use resource::Resource as _;
use subnets::Subnets;

/// Largest request body, in bytes: a bulk creation of a few thousand ports.
const BODY_LIMIT: usize = 2 << 20;

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct RestState {
    pub store: Store,
    pub hosts: Hosts,
    pub settings: Settings,
}

/// What a network gets when its creator leaves it open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub default_type: TunnelType,
    pub gre_keys: RangeInclusive<TunnelKey>,
    pub vxlan_keys: RangeInclusive<TunnelKey>,
    /// Bytes of the largest packet on the underlay.
    pub underlay_mtu: u32,
    /// What the names of ports lie in; empty: in nothing.
    pub dns_domain: String,
    /// How many objects a project may have that has no quota of its own; what is not named, any number.
    pub quotas: Limits,
    /// For the whole of a request's body.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            default_type: TunnelType::Vxlan,
            gre_keys: 1..=1000,
            vxlan_keys: 1001..=2000,
            underlay_mtu: 1500,
            dns_domain: "openstacklocal".to_owned(),
            quotas: Limits::new(),
            timeout: Duration::from_secs(30),
        }
    }
}

/// All of the API, ready to be served.
pub fn router(state: RestState) -> Router {
    let routes = handlers::routes::<Networks>()
        .merge(handlers::routes::<Subnets>())
        .merge(handlers::routes::<Ports>())
        .merge(handlers::routes_without_create::<Agents>())
        .merge(handlers::routes::<security_groups::SecurityGroups>())
        .merge(handlers::routes::<security_group_rules::SecurityGroupRules>())
        .merge(bindings::routes())
        .merge(tags::routes())
        .merge(quotas::routes())
        .merge(availability_zones::routes())
        .merge(extensions::routes())
        .merge(versions::routes());
    let bounds = Bounds::new(state.settings.timeout, routes.long_lists());
    routes
        .described()
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(bounds, bounds::bound))
        .layer(map_response(name_request))
        .with_state(state)
}

/// The attributes that the objects of a collection show (`networks`, `subnets`, `ports`, `agents`); none of another.
pub fn attributes(plural: &str) -> Vec<&'static str> {
    let tables = [Networks::TABLE, Subnets::TABLE, Ports::TABLE, Agents::TABLE];
    let table = tables.into_iter().find(|table| table.plural == plural);
    let attributes = table.into_iter().flat_map(|table| table.attributes).filter(|attribute| attribute.shown);
    attributes.map(|attribute| attribute.name).collect()
}

async fn not_found(uri: Uri) -> ApiError {
    tracing::debug!(path = uri.path(), "no such resource");
    ApiError::not_found("HTTPNotFound", "The resource could not be found.")
}

async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::method_not_allowed(&method)
}

/// Clients show this id with every error.
async fn name_request(mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(format!("req-{}", Uuid::new_v4())) {
        response.headers_mut().insert("x-openstack-request-id", id);
    }
    response
}
