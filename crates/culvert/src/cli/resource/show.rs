//! Objects of the API as tables. Pure.

use serde_json::Value;

use super::{Column, Object};
use crate::cli::table::Table;

/// A row for each object.
pub(super) fn list(columns: &[Column], objects: &[Object]) -> Table {
    let row = |object: &Object| columns.iter().map(|column| cell(&at(object, column.path))).collect::<Vec<_>>();
    Table::new(columns.iter().map(|column| column.title), objects.iter().map(row))
}

/// The same with attributes that were asked for by name.
pub(super) fn list_of(attributes: &[String], objects: &[Object]) -> Table {
    let row = |object: &Object| {
        attributes.iter().map(|name| cell(object.get(name).unwrap_or(&Value::Null))).collect::<Vec<_>>()
    };
    Table::new(attributes.iter().map(String::as_str), objects.iter().map(row))
}

/// A row for each attribute.
pub(super) fn one(object: &Object) -> Table {
    Table::new(["ATTRIBUTE", "VALUE"], object.iter().map(|(name, value)| [name.clone(), cell(value)]))
}

/// The value at the end of a column's path; null if there is none.
fn at(object: &Object, path: &str) -> Value {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let value = object.get(first).unwrap_or(&Value::Null);
    match (value, rest.split_once('/').unwrap_or((rest, ""))) {
        (value, ("", _)) => value.clone(),
        (Value::Array(items), ("*", path)) => {
            items.iter().filter_map(Value::as_object).map(|item| at(item, path)).collect()
        }
        (Value::Object(inner), _) => at(inner, rest),
        _ => Value::Null,
    }
}

/// What there is not is a dash.
fn cell(value: &Value) -> String {
    let text = inline(value);
    if text.is_empty() { "-".to_owned() } else { text }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => items.iter().map(inline).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{name}={}", inline(value))).collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::port::PORT;
    use super::*;
    use crate::terminal::Screen;

    fn ports() -> Vec<Object> {
        let ports = json!([
            {
                "id": "7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b", "name": "p1", "mac_address": "fa:16:3e:00:00:01",
                "fixed_ips": [{"subnet_id": "s", "ip_address": "198.51.100.8"}, {"subnet_id": "t", "ip_address": "2001:db8::8"}],
                "binding:host_id": "compute1", "status": "ACTIVE", "binding:vif_details": {"connectivity": "l2"},
            },
            {"id": "b", "name": "", "mac_address": "fa:16:3e:00:00:02", "fixed_ips": [], "binding:host_id": "", "status": "DOWN"},
        ]);
        serde_json::from_value(ports).unwrap()
    }

    #[test]
    fn a_list_has_the_columns_that_are_described() {
        insta::assert_snapshot!(list(PORT.columns, &ports()).render(&Screen::PLAIN), @r"
        NAME  MAC                FIXED IPS                  HOST      STATUS  ID
        p1    fa:16:3e:00:00:01  198.51.100.8, 2001:db8::8  compute1  ACTIVE  7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b
        -     fa:16:3e:00:00:02  -                          -         DOWN    b
        ");
        let asked = ["name".to_owned(), "nothing".to_owned()];
        insta::assert_snapshot!(list_of(&asked, &ports()).render(&Screen::PLAIN), @r"
        name  nothing
        p1    -
        -     -
        ");
    }

    #[test]
    fn one_object_is_shown_whole() {
        insta::assert_snapshot!(one(&ports()[0]).render(&Screen::PLAIN), @r"
        ATTRIBUTE            VALUE
        binding:host_id      compute1
        binding:vif_details  connectivity=l2
        fixed_ips            ip_address=198.51.100.8 subnet_id=s, ip_address=2001:db8::8 subnet_id=t
        id                   7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b
        mac_address          fa:16:3e:00:00:01
        name                 p1
        status               ACTIVE
        ");
    }
}
