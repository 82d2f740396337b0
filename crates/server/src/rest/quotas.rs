//! Quotas: limits of each project, shown, set and taken back. Creations check them.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use store::{Counted, Limits};

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::handlers::read;
use super::kind::{Kind, to_bool};
use super::table::Object;

/// -1: any number; the largest is what Neutron's database holds.
const LIMIT: Kind = Kind::Integer(-1, i32::MAX as i64);

pub(crate) fn routes() -> Router<RestState> {
    Router::new()
        .route("/quotas", get(list).post(create))
        // whose quota it is that one may ask for
        .route("/quotas/project", get(async || Json(json!({"project": {"project_id": own_project()}}))))
        .route("/quotas/tenant", get(async || Json(json!({"tenant": {"tenant_id": own_project()}}))))
        .route("/quotas/{project}", get(show).put(update).delete(delete))
        .route("/quotas/{project}/default", get(defaults))
        .route("/quotas/{project}/default.json", get(defaults))
        .route("/quotas/{project}/details", get(details))
        .route("/quotas/{project}/details.json", get(details))
}

fn own_project() -> String {
    Context::without_token().project_id
}

/// Those of projects that have limits of their own.
async fn list(State(state): State<RestState>) -> Result<Json<Value>> {
    let quotas = state.store.quotas().await?.into_iter().map(|(project, own)| {
        let mut object = complete(&state, &own);
        object.insert("project_id".to_owned(), project.clone().into());
        object.insert("tenant_id".to_owned(), project.into());
        object
    });
    Ok(Json(json!({"quotas": quotas.collect::<Vec<_>>()})))
}

async fn create() -> ApiError {
    ApiError::not_implemented("POST requests are not supported on this resource.")
}

async fn show(State(state): State<RestState>, Path(project): Path<String>) -> Result<Json<Value>> {
    let own = state.store.quota(&project).await?;
    Ok(Json(json!({"quota": complete(&state, &own)})))
}

async fn defaults(State(state): State<RestState>) -> Json<Value> {
    Json(json!({"quota": complete(&state, &Limits::new())}))
}

/// With what is used. Nothing is ever reserved: a creation is counted and made in one transaction.
async fn details(State(state): State<RestState>, Path(project): Path<String>) -> Result<Json<Value>> {
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
    Path(project): Path<String>,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> Result<Json<Value>> {
    let mut body = read(&headers, body)?;
    let Some(Value::Object(mut quota)) = body.remove("quota") else {
        return Err(ApiError::bad_request("Unable to find 'quota' in request body"));
    };
    quota.remove("force");
    let check = quota.remove("check_limit").as_ref().and_then(to_bool).unwrap_or_default();
    let limits = quota.iter().map(|(name, value)| limit(name, value)).collect::<Result<Limits>>()?;
    state.store.set_quota(&project, limits, check).await?;
    show(State(state), Path(project)).await
}

fn limit(name: &str, value: &Value) -> Result<(Counted, i64)> {
    let counted = Counted::ALL.into_iter().find(|counted| counted.as_str() == name);
    let counted = counted.ok_or_else(|| ApiError::bad_request(format!("Unrecognized attribute(s) '{name}'")))?;
    let limit = LIMIT.parse(name, value)?;
    Ok((counted, limit.as_i64().unwrap_or(-1)))
}

async fn delete(State(state): State<RestState>, Path(project): Path<String>) -> Result<StatusCode> {
    state.store.delete_quota(&project).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The project's own limits, and the defaults of the others.
fn complete(state: &RestState, own: &Limits) -> Object {
    let limit = |counted| own.get(&counted).or_else(|| state.settings.quotas.get(&counted)).copied().unwrap_or(-1);
    Counted::ALL.into_iter().map(|counted| (counted.as_str().to_owned(), limit(counted).into())).collect()
}
