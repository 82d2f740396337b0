//! Quotas: limits of each project, shown, set and taken back. Creations check them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use store::{Counted, Limits};

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::handlers::read;
use super::kind::{Kind, to_bool};
use super::openapi::schema;
use super::path::Path;
use super::policy;
use super::routes::{Operation, Routes};
use super::table::Object;

/// -1: any number; the largest is what Neutron's database holds.
const LIMIT: Kind = Kind::Integer(-1, i32::MAX as i64);

pub(crate) fn routes() -> Routes {
    let own = "/v2.0/quotas/{project}";
    let text = json!({"type": "string"});
    let [limits, of_project] =
        [json!({}), json!({"project_id": text, "tenant_id": text})].map(|beside| limits(beside, &limit_schema()));
    let number = json!({"type": "integer"});
    let detail = schema::object(&json!({"limit": number, "used": number, "reserved": number}));
    let details_of = schema::object(&json!({"quota": self::limits(json!({}), &detail)}));
    let listed = schema::object(&json!({"quotas": {"type": "array", "items": of_project}}));
    let quota = schema::object(&json!({"quota": limits}));
    let project = schema::object(&json!({"project": {"type": "object"}}));
    let tenant = schema::object(&json!({"tenant": {"type": "object"}}));
    let change = schema::object(&json!({"quota": changes()}));
    let whose = "Whose quota one may ask for";
    let mut routes = Routes::default()
        .add(Operation::get("/v2.0/quotas", "list_quotas", "List the quotas of projects").gives(listed), list)
        .add(Operation::get("/v2.0/quotas/project", "quota_project", whose).gives(project), async |context: Context| {
            Json(json!({"project": {"project_id": context.project_id}}))
        })
        .add(Operation::get("/v2.0/quotas/tenant", "quota_tenant", whose).gives(tenant), async |context: Context| {
            Json(json!({"tenant": {"tenant_id": context.project_id}}))
        })
        .add(Operation::get(own, "show_quota", "Show the quota of a project").gives(quota.clone()), show)
        .add(Operation::put(own, "update_quota", "Set limits of a project").takes(change).gives(quota.clone()), update)
        .add(Operation::delete(own, "delete_quota", "Take back the limits of a project").refused(&[404, 503]), delete);
    for (end, id) in [("", ""), (".json", "_json")] {
        let default = format!("{own}/default{end}");
        let default = Operation::get(default, format!("default_quota{id}"), "Show the server's limits");
        let used = format!("{own}/details{end}");
        let used = Operation::get(used, format!("quota_details{id}"), "Show the limits of a project, and what it uses");
        routes = routes.add(default.gives(quota.clone()), defaults).add(used.gives(details_of.clone()), details);
    }
    routes
}

/// An object with a member of this schema for each kind of object that is counted, beside these.
fn limits(beside: Value, each: &Value) -> Value {
    let mut members = beside;
    for counted in Counted::ALL {
        members[counted.as_str()] = each.clone();
    }
    schema::object(&members)
}

fn limit_schema() -> Value {
    json!({"type": "integer", "minimum": -1, "maximum": i32::MAX})
}

/// What an update says: any of the limits.
fn changes() -> Value {
    let boolean = json!({"type": "boolean"});
    let mut schema = limits(json!({"check_limit": boolean, "force": boolean}), &limit_schema());
    schema["required"] = json!([]);
    schema
}

/// Everybody may look at his own.
fn may_see(context: &Context, project: &str) -> Result<()> {
    if context.project_id == project { Ok(()) } else { policy::admin(context, "get_quota") }
}

/// Those of projects that have limits of their own.
async fn list(State(state): State<RestState>, context: Context) -> Result<Json<Value>> {
    policy::admin(&context, "get_quota")?;
    let quotas = state.store.quotas().await?.into_iter().map(|(project, own)| {
        let mut object = complete(&state, &own);
        object.insert("project_id".to_owned(), project.clone().into());
        object.insert("tenant_id".to_owned(), project.into());
        object
    });
    Ok(Json(json!({"quotas": quotas.collect::<Vec<_>>()})))
}

async fn show(State(state): State<RestState>, context: Context, Path(project): Path<String>) -> Result<Json<Value>> {
    may_see(&context, &project)?;
    let own = state.store.quota(&project).await?;
    Ok(Json(json!({"quota": complete(&state, &own)})))
}

async fn defaults(State(state): State<RestState>) -> Json<Value> {
    Json(json!({"quota": complete(&state, &Limits::new())}))
}

/// With what is used. Nothing is ever reserved: a creation is counted and made in one transaction.
async fn details(State(state): State<RestState>, context: Context, Path(project): Path<String>) -> Result<Json<Value>> {
    may_see(&context, &project)?;
    let (own, used) = (state.store.quota(&project).await?, state.store.usage(&project).await?);
    let limits = complete(&state, &own);
    let detail = |counted: Counted| {
        let value = json!({"limit": limits.get(counted.as_str()), "used": used.get(&counted), "reserved": 0});
        (counted.as_str().to_owned(), value)
    };
    Ok(Json(json!({"quota": Counted::ALL.into_iter().map(detail).collect::<Object>()})))
}

async fn update(
    State(state): State<RestState>,
    context: Context,
    Path(project): Path<String>,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> Result<Json<Value>> {
    policy::admin(&context, "update_quota")?;
    let mut body = read(&headers, body)?;
    let Some(Value::Object(mut quota)) = body.remove("quota") else {
        return Err(ApiError::bad_request("Unable to find 'quota' in request body"));
    };
    quota.remove("force");
    let check = quota.remove("check_limit").as_ref().and_then(to_bool).unwrap_or_default();
    let limits = quota.iter().map(|(name, value)| limit(name, value)).collect::<Result<Limits>>()?;
    state.store.set_quota(&project, limits, check).await?;
    show(State(state), context, Path(project)).await
}

fn limit(name: &str, value: &Value) -> Result<(Counted, i64)> {
    let counted = Counted::ALL.into_iter().find(|counted| counted.as_str() == name);
    let counted = counted.ok_or_else(|| ApiError::bad_request(format!("Unrecognized attribute(s) '{name}'")))?;
    let limit = LIMIT.parse(name, value)?;
    Ok((counted, limit.as_i64().unwrap_or(-1)))
}

async fn delete(State(state): State<RestState>, context: Context, Path(project): Path<String>) -> Result<StatusCode> {
    policy::admin(&context, "delete_quota")?;
    state.store.delete_quota(&project).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The project's own limits, and the defaults of the others.
fn complete(state: &RestState, own: &Limits) -> Object {
    let limit = |counted| own.get(&counted).or_else(|| state.settings.quotas.get(&counted)).copied().unwrap_or(-1);
    Counted::ALL.into_iter().map(|counted| (counted.as_str().to_owned(), limit(counted).into())).collect()
}
