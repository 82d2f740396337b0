//! The bindings of a port: the one in force, and those that are prepared on hosts that it may move to. Live migration
//! is: prepare the target's, let the VM go there, put it in force (`activate`), delete the source's.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use model::HostName;
use serde_json::{Value, json};
use store::{Error, InactiveBinding, Port, PortUpdate, VifType, Write};
use uuid::Uuid;

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::handlers::read;
use super::kind::Kind;
use super::openapi::{resource, schema};
use super::path::Path;
use super::policy;
use super::query::{Listing, Pairs};
use super::routes::{Operation, Routes};
use super::table::{Attribute, Default, Object, Table};
use super::vif::{VNIC_TYPES, can_bind, datapaths, vif_details};

const TABLE: Table = Table {
    singular: "binding",
    plural: "bindings",
    not_found: "PortBindingNotFound",
    missing: |id| format!("Binding {id} could not be found."),
    keys: &[],
    lenient: false,
    attributes: &[
        Attribute { put: true, ..Attribute::required("host", Kind::Text(255)) },
        Attribute { shown: false, ..Attribute::create_only("project_id", Kind::Text(255), Default::Open) },
        Attribute::writable("vnic_type", Kind::OneOf(VNIC_TYPES), Default::Text("normal")),
        Attribute::writable("profile", Kind::Object, Default::EmptyObject),
        Attribute::read_only("vif_type", Kind::Text(64)),
        Attribute::read_only("vif_details", Kind::Object),
        Attribute::read_only("status", Kind::Text(16)),
    ],
};

pub(crate) fn routes() -> Routes {
    let (all, one) = ("/v2.0/ports/{id}/bindings", "/v2.0/ports/{id}/bindings/{host}");
    let activated = "/v2.0/ports/{id}/bindings/{host}/activate";
    let binding = schema::reference("Binding");
    let wrapped = schema::object(&json!({"binding": binding}));
    let listed = schema::object(&json!({"bindings": {"type": "array", "items": binding}}));
    let [new, changes] =
        ["BindingCreate", "BindingUpdate"].map(|name| schema::object(&json!({"binding": schema::reference(name)})));
    let list_all =
        Operation::get(all, "list_bindings", "List the bindings of a port").parameters(resource::filters(&TABLE));
    let show_one = Operation::get(one, "show_binding", "Show a binding of a port");
    let create_one = Operation::post(all, "create_binding", "Prepare a binding, or bind a port that has none in force");
    let update_one = Operation::put(one, "update_binding", "Change a binding");
    let delete_one = Operation::delete(one, "delete_binding", "Forget a binding, or unbind the port from its host");
    let activate_one = Operation::put(activated, "activate_binding", "Put a prepared binding in force");
    resource::schema_to_create(resource::schemas(Routes::default(), &TABLE), &TABLE)
        .add(list_all.gives(listed).refused(&[400, 404, 503]), list)
        .add(show_one.gives(wrapped.clone()).refused(&[400, 404, 503]), show)
        .add(create_one.takes(new).gives(wrapped.clone()).refused(&[404, 409, 500]), create)
        .add(update_one.takes(changes).gives(wrapped).refused(&[404, 500]), update)
        .add(delete_one.refused(&[400, 404, 503]), delete)
        .add(activate_one.gives(binding).refused(&[400, 404, 409, 500, 503]), activate)
}

async fn list(
    State(state): State<RestState>,
    context: Context,
    Path(id): Path<String>,
    Pairs(pairs): Pairs,
) -> Result<Json<Value>> {
    policy::admin(&context, "get_port_binding")?;
    let listing = Listing::parse(&TABLE, pairs)?;
    let bindings = all(&state, &find(&state, &id).await?).await?;
    Ok(Json(json!({"bindings": listing.pick(bindings)})))
}

async fn show(
    State(state): State<RestState>,
    context: Context,
    Path((id, host)): Path<(String, String)>,
) -> Result<Json<Value>> {
    policy::admin(&context, "get_port_binding")?;
    let port = find(&state, &id).await?;
    Ok(Json(json!({"binding": one(&state, &port, &host).await?})))
}

/// The first is in force at once.
async fn create(
    State(state): State<RestState>,
    context: Context,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>)> {
    policy::admin(&context, "create_port_binding")?;
    let object = TABLE.parse_post(&member(&headers, body)?)?;
    let host = object.get("host").and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = host.parse::<HostName>().map_err(ApiError::invalid)?;
    let port = change(&state, &id, move |write, state, port| {
        Box::pin(async move {
            let prepared = port.inactive_bindings(write).await?;
            let active = port.binding.as_ref().map(|binding| &binding.host);
            if active.into_iter().chain(prepared.iter().map(|binding| &binding.host)).any(|host| *host == name) {
                let message = format!("Binding for port {} on host {name} already exists.", port.id);
                return Err(ApiError::conflict("PortBindingAlreadyExists", message));
            }
            let binding = InactiveBinding { host: name, vif_type: Some(VifType::Ovs), attributes: attributes(&object) };
            put_binding(write, &state, port, binding).await
        })
    });
    let port = port.await?;
    Ok((StatusCode::CREATED, Json(json!({"binding": one(&state, &port, &host).await?}))))
}

async fn update(
    State(state): State<RestState>,
    context: Context,
    Path((id, host)): Path<(String, String)>,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> Result<Json<Value>> {
    policy::admin(&context, "update_port_binding")?;
    let object = TABLE.parse_put(&member(&headers, body)?)?;
    let to = object.get("host").and_then(Value::as_str).unwrap_or(&host).to_owned();
    let name = to.parse::<HostName>().map_err(ApiError::invalid)?;
    let port = change(&state, &id, move |write, state, port| {
        Box::pin(async move {
            let from = host.parse::<HostName>().map_err(|_| missing(&port, &host))?;
            if port.binding.as_ref().is_some_and(|binding| binding.host == from) {
                return put_in_force(write, &state, port, name, attributes(&object)).await;
            }
            let prepared = port.inactive_bindings(write).await?.into_iter().find(|binding| binding.host == from);
            let mut prepared = prepared.ok_or_else(|| missing(&port, &host))?;
            if name != from {
                port.forget_binding(write, &from).await?;
            }
            prepared.host = name;
            prepared.vif_type = Some(VifType::Ovs);
            prepared.attributes.extend(attributes(&object));
            put_binding(write, &state, port, prepared).await
        })
    });
    let port = port.await?;
    Ok(Json(json!({"binding": one(&state, &port, &to).await?})))
}

/// Of the one in force: unbinds the port.
async fn delete(
    State(state): State<RestState>,
    context: Context,
    Path((id, host)): Path<(String, String)>,
) -> Result<StatusCode> {
    policy::admin(&context, "delete_port_binding")?;
    let deleted = change(&state, &id, move |write, state, port| {
        Box::pin(async move {
            let name = host.parse::<HostName>().map_err(|_| missing(&port, &host))?;
            if port.binding.as_ref().is_some_and(|binding| binding.host == name) {
                let unbind = PortUpdate { host: Some(None), ..PortUpdate::default() };
                return Ok(port.update(write, unbind, &can_bind(&state)).await?);
            }
            if port.forget_binding(write, &name).await? { Ok(port) } else { Err(missing(&port, &host)) }
        })
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Neutron answers with the binding as it is, not in an object of its name.
async fn activate(
    State(state): State<RestState>,
    context: Context,
    Path((id, host)): Path<(String, String)>,
) -> Result<Json<Value>> {
    policy::admin(&context, "activate")?;
    let to = host.clone();
    let port = change(&state, &id, move |write, state, port| {
        Box::pin(async move {
            let name = host.parse::<HostName>().map_err(|_| missing(&port, &host))?;
            if port.binding.as_ref().is_some_and(|binding| binding.host == name) {
                let message = format!("Binding for port {} on host {name} is already active.", port.id);
                return Err(ApiError::conflict("PortBindingAlreadyActive", message));
            }
            let port = port.activate_binding(write, &name, &can_bind(&state)).await?;
            refuse_failed(port)
        })
    });
    Ok(Json(one(&state, &port.await?, &to).await?.into()))
}

/// In force if the port has none that is, prepared otherwise.
async fn put_binding(write: &mut Write<'_>, state: &RestState, port: Port, binding: InactiveBinding) -> Result<Port> {
    if port.binding.is_none() {
        return put_in_force(write, state, port, binding.host, binding.attributes).await;
    }
    port.prepare_binding(write, &binding, &can_bind(state)).await?;
    Ok(port)
}

async fn put_in_force(
    write: &mut Write<'_>,
    state: &RestState,
    port: Port,
    host: HostName,
    attributes: Object,
) -> Result<Port> {
    let update = PortUpdate { host: Some(Some(host)), attributes, ..PortUpdate::default() };
    refuse_failed(port.update(write, update, &can_bind(state)).await?)
}

/// Here a binding that cannot be is an error, where the port's own attribute would say `binding_failed`.
fn refuse_failed(port: Port) -> Result<Port> {
    match &port.binding {
        Some(binding) if binding.vif_type == VifType::BindingFailed => {
            Err(Error::CannotBind { port: port.id, host: binding.host.clone() }.into())
        }
        _ => Ok(port),
    }
}

/// What of a binding becomes the port's once it is in force.
fn attributes(object: &Object) -> Object {
    let own = ["vnic_type", "profile"].into_iter();
    own.filter_map(|name| Some((format!("binding:{name}"), object.get(name)?.clone()))).collect()
}

type Changing<'w> = futures::future::BoxFuture<'w, Result<Port>>;

async fn change<F>(state: &RestState, id: &str, body: F) -> Result<Port>
where
    F: for<'w> FnOnce(&'w mut Write<'_>, RestState, Port) -> Changing<'w> + Send + 'static,
{
    let (id, shared) = (port_id(id)?, state.clone());
    let changed = state.store.write(move |write| {
        Box::pin(async move {
            let port: Port = write.get(id).await?;
            body(write, shared, compute(port)?).await
        })
    });
    changed.await
}

fn port_id(id: &str) -> Result<Uuid> {
    let missing = || ApiError::not_found("PortNotFound", format!("Port {id} could not be found."));
    Uuid::parse_str(id).map_err(|_| missing())
}

async fn find(state: &RestState, id: &str) -> Result<Port> {
    compute(state.store.get(port_id(id)?).await?)
}

/// As Neutron: only VMs move.
fn compute(port: Port) -> Result<Port> {
    if port.device_owner.starts_with("compute:") {
        return Ok(port);
    }
    let message = format!("Bad port request: Invalid port {}. Operation only valid on compute ports.", port.id);
    Err(ApiError::bad("BadRequest", message))
}

fn missing(port: &Port, host: &str) -> ApiError {
    let message = format!("Binding for port {} for host {host} could not be found.", port.id);
    ApiError::not_found("PortBindingNotFound", message)
}

async fn one(state: &RestState, port: &Port, host: &str) -> Result<Object> {
    let found = all(state, port).await?.into_iter().find(|binding| binding.get("host") == Some(&json!(host)));
    found.ok_or_else(|| missing(port, host))
}

/// By host.
async fn all(state: &RestState, port: &Port) -> Result<Vec<Object>> {
    let prepared = state.store.inactive_bindings(port.id).await?;
    let mut bindings: Vec<(&HostName, Option<VifType>, &str, &Object)> =
        prepared.iter().map(|binding| (&binding.host, binding.vif_type, "INACTIVE", &binding.attributes)).collect();
    bindings.extend(
        port.binding.as_ref().map(|binding| (&binding.host, Some(binding.vif_type), "ACTIVE", &port.attributes)),
    );
    bindings.sort_by_key(|(host, ..)| *host);
    let hosts: Vec<HostName> = bindings.iter().map(|(host, ..)| (*host).clone()).collect();
    let datapaths = datapaths(state, &hosts).await?;
    let show = |(host, vif_type, status, attributes): (&HostName, Option<VifType>, &str, &Object)| {
        let value = |name, default| attributes.get(name).cloned().unwrap_or(default);
        let object = json!({
            "host": host,
            "status": status,
            "vif_type": vif_type.map_or("unbound", VifType::as_str),
            "vif_details": vif_details(vif_type, datapaths.get(host)),
            "vnic_type": value("binding:vnic_type", "normal".into()),
            "profile": value("binding:profile", json!({})),
        });
        object.as_object().cloned().unwrap_or_default()
    };
    Ok(bindings.into_iter().map(show).collect())
}

/// `{"binding": {…}}` → `{…}`
fn member(headers: &HeaderMap, body: std::result::Result<Bytes, BytesRejection>) -> Result<Object> {
    let mut body = read(headers, body)?;
    match body.remove("binding") {
        Some(Value::Object(object)) => Ok(object),
        _ if body.contains_key("bindings") => Err(ApiError::bad_request("Bulk operation not supported")),
        _ => Err(ApiError::bad_request("Resource body required")),
    }
}
