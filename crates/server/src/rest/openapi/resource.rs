//! The operations that every resource has.

use serde_json::{Value, json};

use super::super::resource::Resource;
use super::super::routes::{Operation, Routes};
use super::super::table::Table;
use super::super::tags::TagFilter;
use super::schema;

/// The schemas of a table's objects: shown, and to be changed.
pub(crate) fn schemas(routes: Routes, table: &Table) -> Routes {
    let name = schema::name(table);
    routes.schema(name.clone(), schema::shown(table)).schema(format!("{name}Update"), schema::updated(table))
}

/// The schema of what makes one of a table's objects.
pub(crate) fn schema_to_create(routes: Routes, table: &Table) -> Routes {
    routes.schema(format!("{}Create", schema::name(table)), schema::created(table))
}

/// The path of a resource's objects, and of one of them.
pub(crate) fn paths(table: &Table) -> (String, String) {
    let collection = format!("/v2.0/{}", table.path());
    let member = format!("{collection}/{{id}}");
    (collection, member)
}

pub(crate) fn list<R: Resource>() -> Operation {
    let many = R::TABLE.plural;
    Operation::get(paths(&R::TABLE).0, format!("list_{many}"), format!("List {many}"))
        .parameters(list_parameters(&R::TABLE))
        .gives(listed(&R::TABLE))
        .refused(&[400, 404, 503])
}

pub(crate) fn show<R: Resource>() -> Operation {
    let (one, many) = (R::TABLE.singular, R::TABLE.plural);
    Operation::get(paths(&R::TABLE).1, format!("show_{one}"), format!("Show one of {many}"))
        .parameters([fields()])
        .gives(wrapped(&R::TABLE))
        .refused(&[400, 404, 503])
}

pub(crate) fn create<R: Resource>() -> Operation {
    let (one, many) = (R::TABLE.singular, R::TABLE.plural);
    let create = schema::reference(&format!("{}Create", schema::name(&R::TABLE)));
    let body = json!({"oneOf": [
        {"type": "object", "properties": {one: create}, "required": [one]},
        {"type": "object", "properties": {many: {"type": "array", "items": create, "minItems": 1}}, "required": [many]},
    ]});
    let summary = format!("Make one of {many}, or several: all or none");
    let links = ["show", "update", "delete"].map(|verb| format!("{verb}_{one}"));
    Operation::post(paths(&R::TABLE).0, format!("create_{one}"), summary)
        .takes(body)
        .gives(json!({"oneOf": [wrapped(&R::TABLE), listed(&R::TABLE)]}))
        .refused(R::REFUSED.create)
        .links(links, &format!("/{one}/id"))
}

pub(crate) fn update<R: Resource>() -> Operation {
    let (one, many) = (R::TABLE.singular, R::TABLE.plural);
    let update = schema::reference(&format!("{}Update", schema::name(&R::TABLE)));
    Operation::put(paths(&R::TABLE).1, format!("update_{one}"), format!("Change one of {many}"))
        .parameters([if_match()])
        .takes(schema::object(&json!({one: update})))
        .gives(wrapped(&R::TABLE))
        .refused(&[404])
        .refused(R::REFUSED.update)
}

pub(crate) fn delete<R: Resource>() -> Operation {
    let (one, many) = (R::TABLE.singular, R::TABLE.plural);
    Operation::delete(paths(&R::TABLE).1, format!("delete_{one}"), format!("Delete one of {many}"))
        .parameters([if_match()])
        // of `If-Match`
        .refused(&[400, 404, 503])
        .refused(R::REFUSED.delete)
}

/// `{"network": {…}}`
fn wrapped(table: &Table) -> Value {
    schema::object(&json!({table.singular: schema::reference(&schema::name(table))}))
}

/// `{"networks": […]}`, with links if it is a page.
fn listed(table: &Table) -> Value {
    let many = table.plural;
    let link = schema::object(&json!({"rel": {"enum": ["next", "previous"]}, "href": {"type": "string"}}));
    let objects = json!({"type": "array", "items": schema::reference(&schema::name(table))});
    json!({
        "type": "object",
        "properties": {many: objects, format!("{many}_links"): {"type": "array", "items": link}},
        "required": [many],
        "additionalProperties": false,
    })
}

fn if_match() -> Value {
    json!({
        "name": "If-Match",
        "in": "header",
        "description": "`revision_number=N`: only if that is the object's",
        "schema": {"type": "string"},
    })
}

fn fields() -> Value {
    query("fields", &strings(), "Only these attributes")
}

fn list_parameters(table: &Table) -> Vec<Value> {
    let sortable = table.attributes.iter().filter(|attribute| attribute.sort_column().is_some());
    let sortable: Vec<&str> = sortable.map(|attribute| attribute.name).collect();
    let one_of = |values: &[&str]| json!({"type": "array", "items": {"enum": values}});
    let mut parameters = vec![
        fields(),
        query("limit", &json!({"type": "integer", "minimum": 0}), "At most so many; 0: no limit"),
        query("marker", &json!({"type": "string", "format": "uuid"}), "What comes after this object"),
        query("page_reverse", &json!({"type": "boolean"}), "What comes before it"),
    ];
    if !sortable.is_empty() {
        parameters.push(query("sort_key", &one_of(&sortable), "With as many of `sort_dir`"));
        parameters.push(query("sort_dir", &one_of(&["asc", "desc"]), "One for each `sort_key`"));
    }
    parameters.extend(filters(table));
    parameters
}

/// A parameter for each attribute that lists can be filtered by.
pub(crate) fn filters(table: &Table) -> impl Iterator<Item = Value> {
    let filters = |name, structured: bool| !structured || table.has_keys(name);
    let attributes =
        table.attributes.iter().filter(move |attribute| filters(attribute.name, attribute.kind.is_structured()));
    let (tags, others): (Vec<_>, Vec<_>) = attributes.partition(|attribute| attribute.name == "tags");
    let tags = if tags.is_empty() { &[][..] } else { TagFilter::NAMES };
    let others = others.into_iter().map(|attribute| query(attribute.name, &strings(), "One of these values"));
    others.chain(tags.iter().map(|(name, meaning)| query(name, &json!({"type": "string"}), meaning)))
}

fn strings() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn query(name: &str, schema: &Value, description: &str) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}
