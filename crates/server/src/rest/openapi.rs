//! The API's description in OpenAPI 3.1, made from the tables that the handlers work by. Security groups, quotas, tags and
//! prepared bindings are not described yet.

mod schema;

use axum::Json;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::agents::Agents;
use super::handlers::base;
use super::networks::Networks;
use super::ports::Ports;
use super::resource::Resource;
use super::subnets::Subnets;
use super::table::{Post, Table};

/// The tables that are described; that of [`Agents`] has no creation.
const TABLES: &[Table] = &[Networks::TABLE, Subnets::TABLE, Ports::TABLE, Agents::TABLE];

/// `GET /openapi.json`
pub(crate) async fn serve(headers: HeaderMap) -> Json<Value> {
    Json(document(&base(&headers)))
}

fn document(server: &str) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    schemas.insert("Error".to_owned(), error_schema());
    for table in TABLES {
        let (collection, member) = paths_of(table);
        paths.insert(format!("/v2.0/{}", table.path()), collection);
        paths.insert(format!("/v2.0/{}/{{id}}", table.path()), member);
        let name = schema_name(table);
        schemas.insert(name.clone(), schema::shown(table));
        schemas.insert(format!("{name}Create"), schema::created(table));
        schemas.insert(format!("{name}Update"), schema::updated(table));
    }
    for (path, id, summary, statuses) in [
        ("/", "versions", "The versions of the API", &[200][..]),
        ("/v2.0/", "resources", "The resources of this version", &[200]),
        ("/v2.0/extensions", "list_extensions", "The extensions of the API that are here", &[200]),
        ("/v2.0/extensions/{alias}", "show_extension", "One extension", &[200, 404]),
    ] {
        let parameters = if path.contains("{alias}") {
            json!([path_parameter("alias", &json!({"type": "string"}))])
        } else {
            json!([])
        };
        let get = operation(id, summary, parameters, None, responses(statuses, Some(&json!({"type": "object"}))));
        paths.insert(path.to_owned(), json!({"get": get}));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Culvert: OpenStack Networking API v2.0",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// Of the collection, and of one object.
fn paths_of(table: &Table) -> (Value, Value) {
    let (one, many) = (table.singular, table.plural);
    let name = schema_name(table);
    let wrapped = json!({"type": "object", "properties": {one: reference(&name)}, "required": [one], "additionalProperties": false});
    let list = json!({"type": "array", "items": reference(&name)});
    let link = json!({
        "type": "object",
        "properties": {"rel": {"enum": ["next", "previous"]}, "href": {"type": "string"}},
        "required": ["rel", "href"],
        "additionalProperties": false,
    });
    let listed = json!({
        "type": "object",
        "properties": {many: list, format!("{many}_links"): {"type": "array", "items": link}},
        "required": [many],
        "additionalProperties": false,
    });
    let id = path_parameter("id", &json!({"type": "string"}));
    let if_match = json!({
        "name": "If-Match",
        "in": "header",
        "description": "`revision_number=N`: only if that is the object's",
        "schema": {"type": "string"},
    });

    let summary = format!("List {many}");
    let get = operation(
        &format!("list_{many}"),
        &summary,
        list_parameters(table),
        None,
        responses(&[200, 400, 404, 503], Some(&listed)),
    );
    let mut collection = json!({"get": get});
    if table.attributes.iter().any(|attribute| attribute.post != Post::Never)
        && table.singular != Agents::TABLE.singular
    {
        let create = reference(&format!("{name}Create"));
        let body = json!({"oneOf": [
            {"type": "object", "properties": {one: create}, "required": [one]},
            {"type": "object", "properties": {many: {"type": "array", "items": create, "minItems": 1}}, "required": [many]},
        ]});
        let made = json!({"oneOf": [wrapped, listed]});
        let mut responses = responses(&[201, 400, 404, 408, 409, 413, 415, 503], Some(&made));
        responses["201"]["links"] = links_from(one);
        let summary = format!("Make one of {many}, or several: all or none");
        collection["post"] = operation(&format!("create_{one}"), &summary, json!([]), Some(body), responses);
    }

    let summary = format!("Show one of {many}");
    let fields = json!([id, query_parameter("fields", &strings(), "Only these attributes")]);
    let get = operation(&format!("show_{one}"), &summary, fields, None, responses(&[200, 400, 404], Some(&wrapped)));
    let update = json!({"type": "object", "properties": {one: reference(&format!("{name}Update"))}, "required": [one]});
    let statuses = [200, 400, 404, 408, 409, 412, 413, 415, 503];
    let summary = format!("Change one of {many}");
    let put = operation(
        &format!("update_{one}"),
        &summary,
        json!([id, if_match]),
        Some(update),
        responses(&statuses, Some(&wrapped)),
    );
    let summary = format!("Delete one of {many}");
    let delete = operation(
        &format!("delete_{one}"),
        &summary,
        json!([id, if_match]),
        None,
        responses(&[204, 400, 404, 409, 412], None),
    );
    (collection, json!({"get": get, "put": put, "delete": delete}))
}

fn operation(id: &str, summary: &str, parameters: Value, body: Option<Value>, responses: Value) -> Value {
    let body = body.map(|schema| json!({"required": true, "content": {"application/json": {"schema": schema}}}));
    let parts = [
        ("operationId", Some(id.into())),
        ("summary", Some(summary.into())),
        ("parameters", Some(parameters)),
        ("requestBody", body),
        ("responses", Some(responses)),
    ];
    parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?))).collect()
}

/// What each status means; a success has this body, an error the one of errors.
fn responses(statuses: &[u16], body: Option<&Value>) -> Value {
    let mut responses = Map::new();
    for status in statuses {
        let content = |schema: &Value| json!({"application/json": {"schema": schema}});
        let mut response = json!({"description": meaning(*status)});
        match (status, body) {
            (200..300, Some(schema)) => response["content"] = content(schema),
            (200..300, None) => {}
            _ => response["content"] = content(&reference("Error")),
        }
        responses.insert(status.to_string(), response);
    }
    responses.into()
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "As it is now",
        201 => "Made",
        204 => "Gone",
        400 => "The request is wrong",
        404 => "There is no such object",
        408 => "The body did not come in time",
        409 => "Something in use is in the way, or nothing is left",
        412 => "The object has another revision number",
        413 => "The body is too large",
        415 => "The body is not JSON",
        503 => "Too much is under way, or no tunnel key or MAC address is free",
        _ => "",
    }
}

/// What can be done with what was made.
fn links_from(one: &str) -> Value {
    let id = json!({"id": format!("$response.body#/{one}/id")});
    let links = ["show", "update", "delete"].map(|verb| {
        let operation = format!("{verb}_{one}");
        (operation.clone(), json!({"operationId": operation, "parameters": id}))
    });
    Value::Object(links.into_iter().collect())
}

fn list_parameters(table: &Table) -> Value {
    let sortable: Vec<&str> = table
        .attributes
        .iter()
        .filter(|attribute| attribute.sort_column().is_some())
        .map(|attribute| attribute.name)
        .collect();
    let one_of = |values: &[&str]| json!({"type": "array", "items": {"enum": values}});
    let mut parameters = vec![
        query_parameter("fields", &strings(), "Only these attributes"),
        query_parameter("sort_key", &one_of(&sortable), "With as many of `sort_dir`"),
        query_parameter("sort_dir", &one_of(&["asc", "desc"]), "One for each `sort_key`"),
        query_parameter("limit", &json!({"type": "integer", "minimum": 0}), "At most so many; 0: no limit"),
        query_parameter("marker", &json!({"type": "string", "format": "uuid"}), "What comes after this object"),
        query_parameter("page_reverse", &json!({"type": "boolean"}), "What comes before it"),
    ];
    let filters = table.attributes.iter();
    parameters.extend(filters.map(|attribute| query_parameter(attribute.name, &strings(), "One of these values")));
    parameters.into()
}

fn strings() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn query_parameter(name: &str, schema: &Value, description: &str) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn path_parameter(name: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// `network` → `Network`
fn schema_name(table: &Table) -> String {
    let words = table.singular.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    });
    words.collect()
}

fn error_schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {"NeutronError": {
            "type": "object",
            "properties": {"type": text, "message": text, "detail": text},
            "required": ["type", "message", "detail"],
            "additionalProperties": false,
        }},
        "required": ["NeutronError"],
        "additionalProperties": false,
    })
}
