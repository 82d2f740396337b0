//! The API's description in OpenAPI 3.1, made from the routes that are served and the tables that the handlers work by.

pub(crate) mod resource;
pub(crate) mod schema;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::routes::Operation;

/// What is served.
pub(crate) struct Described {
    pub(super) operations: Vec<Operation>,
    pub(super) schemas: BTreeMap<String, Value>,
}

impl Described {
    pub(crate) fn document(&self, server: &str) -> Value {
        let mut paths = Map::new();
        for operation in &self.operations {
            let methods = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
            methods[operation.method.as_str().to_lowercase()] = describe(operation);
        }
        let mut schemas: Map<String, Value> = self.schemas.clone().into_iter().collect();
        schemas.insert("Error".to_owned(), error_schema());
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
}

fn describe(operation: &Operation) -> Value {
    let mut parameters = path_parameters(&operation.path);
    parameters.extend(operation.parameters.iter().cloned());
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses(operation),
    });
    if let Some(schema) = &operation.body {
        described["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    described
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect()
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    let mut success = json!({"description": meaning(operation.success)});
    if let Some(schema) = &operation.answer {
        success["content"] = json!({"application/json": {"schema": schema}});
    }
    if !operation.links.is_empty() {
        let link = |(id, place): &(String, String)| {
            (id.clone(), json!({"operationId": id, "parameters": {"id": format!("$response.body#{place}")}}))
        };
        success["links"] = operation.links.iter().map(link).collect::<Map<_, _>>().into();
    }
    responses.insert(operation.success.to_string(), success);
    for status in &operation.refusals {
        let content = json!({"application/json": {"schema": schema::reference("Error")}});
        responses.insert(status.to_string(), json!({"description": meaning(*status), "content": content}));
    }
    responses.into()
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "As it is now",
        201 => "Made",
        204 => "Done, and nothing to say",
        400 => "The request is wrong",
        404 => "There is no such object",
        408 => "The body did not come in time",
        409 => "Something in use is in the way, a quota is exceeded, or nothing is left",
        412 => "The object has another revision number",
        413 => "The body is too large",
        415 => "The body is not JSON",
        500 => "The host cannot bind the port",
        503 => "Too much is under way, the database cannot be used, or no tunnel key or MAC address is free",
        _ => "",
    }
}

fn error_schema() -> Value {
    let text = json!({"type": "string"});
    let members = json!({"type": text, "message": text, "detail": text});
    schema::object(&json!({"NeutronError": schema::object(&members)}))
}
