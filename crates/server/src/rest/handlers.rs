//! The handlers of every resource: list, show, create (one or many), update, delete.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::Value;
use store::{Stored as _, Write};
use uuid::Uuid;

use super::RestState;
use super::base::Base;
use super::context::Context;
use super::error::{ApiError, Result};
use super::openapi::resource as operation;
use super::path::Path;
use super::query::{Links, Listing, Pairs, project};
use super::resource::{Resource, show_all};
use super::routes::Routes;
use super::table::Object;
use super::{if_match, list, policy};

pub(crate) fn routes<R: Resource>() -> Routes {
    operation::schema_to_create(routes_without_create::<R>(), &R::TABLE).add(operation::create::<R>(), create::<R>)
}

/// Of a resource that only the server makes.
pub(crate) fn routes_without_create<R: Resource>() -> Routes {
    operation::schemas(Routes::default(), &R::TABLE)
        .add(operation::list::<R>(), list::<R>)
        .add(operation::show::<R>(), show::<R>)
        .add(operation::update::<R>(), update::<R>)
        .add(operation::delete::<R>(), delete::<R>)
}

async fn list<R: Resource>(
    State(state): State<RestState>,
    context: Context,
    Pairs(pairs): Pairs,
    Base(base): Base,
    uri: Uri,
) -> Result<Response> {
    let listing = Listing::parse(&R::TABLE, pairs)?;
    // as with Neutron, the one that is asked for counts more than the caller's own
    let project = listing.project().filter(|_| context.is_admin).unwrap_or(&context.project_id);
    R::before_list(&state, project).await?;
    let links = Links::new(&format!("{base}/v2.0/{}", R::TABLE.path()), uri.query().unwrap_or_default());
    list::answer::<R>(state, context, listing, links).await
}

async fn show<R: Resource>(
    State(state): State<RestState>,
    context: Context,
    Path(id): Path<String>,
    Pairs(pairs): Pairs,
) -> Result<Json<Value>> {
    let listing = Listing::parse(&R::TABLE, pairs)?;
    let found = state.store.get(known::<R>(&id)?).await?;
    let object = show_one::<R>(&state, &context, found).await?;
    if !policy::may_see(&context, &object) {
        return Err(R::TABLE.unknown(&id));
    }
    Ok(named(R::TABLE.singular, project(object, &listing.fields)))
}

async fn create<R: Resource>(
    State(state): State<RestState>,
    context: Context,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>)> {
    let mut body = read(&headers, body)?;
    let (many, bodies) = match body.remove(R::TABLE.plural) {
        Some(Value::Array(items)) if !items.is_empty() => {
            (true, items.into_iter().map(item::<R>).collect::<Result<Vec<_>>>()?)
        }
        Some(_) => return Err(ApiError::bad_request("Resources required")),
        None => (false, vec![member::<R>(body)?]),
    };
    // all are checked before the first is made
    bodies.iter().try_for_each(|body| policy::check(&R::TABLE, &context, "create", body))?;
    let objects = bodies.iter().map(|body| R::TABLE.parse_post(body)).collect::<Result<Vec<_>>>()?;
    let (shared, caller) = (state.clone(), context.clone());
    let made = state.store.write(move |write| {
        Box::pin(async move {
            check_quota::<R>(write, &shared, &caller, &objects).await?;
            R::create(write, &shared, &caller, objects).await
        })
    });
    let mut made = show_all::<R>(&state, &context, made.await?).await?;
    let body = match (many, made.pop()) {
        (false, Some(only)) => named(R::TABLE.singular, only),
        (_, last) => {
            made.extend(last);
            named(R::TABLE.plural, made)
        }
    };
    Ok((StatusCode::CREATED, body))
}

/// `{…}` → `{"network": {…}}`; without copying it, as `json!` would.
fn named(name: &str, value: impl Into<Value>) -> Json<Value> {
    Json(Value::Object(Object::from_iter([(name.to_owned(), value.into())])))
}

async fn check_quota<R: Resource>(
    write: &mut Write<'_>,
    state: &RestState,
    context: &Context,
    objects: &[Object],
) -> Result<()> {
    let Some(counted) = R::COUNTED else { return Ok(()) };
    let mut of_project = BTreeMap::<&str, i64>::new();
    for object in objects {
        let project = object.get("project_id").or(object.get("tenant_id")).and_then(Value::as_str);
        *of_project.entry(project.unwrap_or(&context.project_id)).or_default() += 1;
    }
    for (project, more) in of_project {
        write.check_quota(&state.settings.quotas, counted, project, more).await?;
    }
    Ok(())
}

async fn update<R: Resource>(
    State(state): State<RestState>,
    context: Context,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> Result<Json<Value>> {
    let body = member::<R>(read(&headers, body)?)?;
    policy::check(&R::TABLE, &context, "update", &body)?;
    let changes = R::TABLE.parse_put(&body)?;
    let (id, revision) = (known::<R>(&id)?, if_match::wanted(&headers)?);
    let (shared, caller) = (state.clone(), context.clone());
    let changed = state.store.write(move |write| {
        Box::pin(async move {
            let before = own::<R>(write, &caller, id, revision).await?;
            R::update(write, &shared, &caller, before, changes).await
        })
    });
    let changed = changed.await?;
    R::after_update(&state, &changed).await?;
    let object = show_one::<R>(&state, &context, changed).await?;
    Ok(named(R::TABLE.singular, object))
}

async fn delete<R: Resource>(
    State(state): State<RestState>,
    context: Context,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode> {
    let (id, revision) = (known::<R>(&id)?, if_match::wanted(&headers)?);
    let shared = state.clone();
    let deleted = state.store.write(move |write| {
        Box::pin(async move {
            let before = own::<R>(write, &context, id, revision).await?;
            R::delete(write, &shared, before).await
        })
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The object that is to be changed: it is there, the caller's, and what he has seen of it if he insists.
async fn own<R: Resource>(
    write: &mut Write<'_>,
    context: &Context,
    id: Uuid,
    revision: Option<i64>,
) -> Result<R::Stored> {
    let before: R::Stored = write.get(id).await?;
    if !policy::owns(context, before.project_id()) {
        return Err(R::Stored::missing(id).into());
    }
    if_match::check(revision, before.stamp())?;
    Ok(before)
}

async fn show_one<R: Resource>(state: &RestState, context: &Context, stored: R::Stored) -> Result<Object> {
    Ok(show_all::<R>(state, context, vec![stored]).await?.pop().unwrap_or_default())
}

/// Clients ask for a name as if it were an id first; there is no object of such an id.
fn known<R: Resource>(id: &str) -> Result<Uuid> {
    Uuid::parse_str(id).map_err(|_| R::TABLE.unknown(id))
}

/// The body as a JSON object; no body is an empty one. Other content types are refused: a browser sends them to a
/// loopback server on any page's behalf without asking, and a JSON body only after asking.
pub(crate) fn read(headers: &HeaderMap, body: std::result::Result<Bytes, BytesRejection>) -> Result<Object> {
    let bytes = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(),
        _ => ApiError::bad_request("The request body could not be read"),
    })?;
    if bytes.is_empty() {
        return Ok(Object::new());
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(ApiError::unsupported_media_type());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::bad_request("Body contains invalid data")),
        Err(error) => Err(ApiError::bad_request(format!("Body contains invalid data: {error}"))),
    }
}

/// `{"network": {…}}` → `{…}`
fn member<R: Resource>(mut body: Object) -> Result<Object> {
    match body.remove(R::TABLE.singular) {
        Some(Value::Object(object)) => Ok(object),
        Some(Value::Null) | None => {
            Err(ApiError::bad_request(format!("Unable to find '{}' in request body", R::TABLE.singular)))
        }
        Some(_) => Err(ApiError::bad_request(format!("Object '{}' contains invalid data", R::TABLE.singular))),
    }
}

/// An item of a bulk creation, wrapped as a single one is or not.
fn item<R: Resource>(item: Value) -> Result<Object> {
    match item {
        Value::Object(object) if object.contains_key(R::TABLE.singular) => member::<R>(object),
        Value::Object(object) => Ok(object),
        _ => Err(ApiError::bad_request("Body contains invalid data")),
    }
}
