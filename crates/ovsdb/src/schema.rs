use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Error;
use crate::codec::malformed;
use crate::replica::MONITORED;

/// Whether a column holds at most one value. It decides what a difference means: of one value, the new value; of many,
/// those that came or went (ovsdb-server(7) section 4.1.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    One,
    Many,
}

/// As much of a database schema (RFC 7047 section 3.2) as we ask for: tables and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub version: String,
    tables: BTreeMap<String, BTreeMap<String, Cardinality>>,
}

/// Tables and columns to monitor: those of ours that the server has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection(BTreeMap<&'static str, Vec<&'static str>>);

/// Without these there is nothing to work with; all other columns stay at their default if a server lacks them.
const ESSENTIAL: [(&str, &str); 8] = [
    ("Open_vSwitch", "bridges"),
    ("Bridge", "name"),
    ("Bridge", "ports"),
    ("Port", "name"),
    ("Port", "interfaces"),
    ("Interface", "name"),
    ("Interface", "ofport"),
    ("Interface", "external_ids"),
];

impl Schema {
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let tables = value.get("tables").and_then(Value::as_object).ok_or_else(|| malformed("a schema", value))?;
        let columns = |table: &Value| -> BTreeMap<String, Cardinality> {
            let columns = table.get("columns").and_then(Value::as_object).into_iter().flatten();
            columns.map(|(name, column)| (name.clone(), cardinality(column.get("type")))).collect()
        };
        let tables = tables.iter().map(|(name, table)| (name.clone(), columns(table))).collect();
        let version = value.get("version").and_then(Value::as_str).unwrap_or("unknown").to_owned();
        Ok(Schema { version, tables })
    }

    /// What to monitor of this database, and what of ours it lacks (as `Table.column`).
    pub fn select(&self) -> Result<(Selection, Vec<String>), Error> {
        let mut selection = Selection::default();
        let mut missing = Vec::new();
        for (table, columns) in MONITORED {
            for (column, cardinality) in columns {
                if self.tables.get(table).and_then(|columns| columns.get(*column)) == Some(cardinality) {
                    selection.0.entry(table).or_default().push(*column);
                } else if ESSENTIAL.contains(&(table, *column)) {
                    return Err(Error::Schema(format!("{table}.{column}")));
                } else {
                    missing.push(format!("{table}.{column}"));
                }
            }
        }
        Ok((selection, missing))
    }
}

/// A type is a name, or an object whose `max` counts values and is 1 if left out (RFC 7047 section 3.2, `<type>`).
fn cardinality(column_type: Option<&Value>) -> Cardinality {
    match column_type.and_then(|column_type| column_type.get("max")) {
        None => Cardinality::One,
        Some(max) if max.as_u64() == Some(1) => Cardinality::One,
        Some(_) => Cardinality::Many,
    }
}

impl Selection {
    /// As `<monitor-cond-requests>` (ovsdb-server(7) section 4.1.12), all rows.
    pub(crate) fn to_json(&self) -> Value {
        self.0.iter().map(|(table, columns)| ((*table).to_owned(), json!([{"columns": columns}]))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn essential_only() -> Value {
        let one = json!({"type": "string"});
        let many = json!({"type": {"key": "uuid", "min": 0, "max": "unlimited"}});
        json!({"version": "1.0.0", "tables": {
            "Open_vSwitch": {"columns": {"bridges": many}},
            "Bridge": {"columns": {"name": one, "ports": many}},
            "Port": {"columns": {"name": one, "interfaces": many, "tag": {"type": {"key": "integer", "min": 0}}, "trunks": one}},
            "Interface": {"columns": {"name": one, "ofport": {"type": {"key": "integer", "min": 0, "max": 1}}, "external_ids": many}},
        }})
    }

    #[test]
    fn columns_that_a_server_lacks_are_left_out() {
        let (selection, missing) = Schema::from_json(&essential_only()).unwrap().select().unwrap();
        assert_eq!(selection.to_json()["Port"], json!([{"columns": ["name", "interfaces", "tag"]}]));
        assert_eq!(selection.to_json().get("Controller"), None);
        assert!(missing.contains(&"Bridge.fail_mode".to_owned()));
        assert!(missing.contains(&"Port.trunks".to_owned()), "there, but not a set as we know it");
    }

    #[test]
    fn an_essential_column_is_missed_by_name() {
        let mut schema = essential_only();
        schema["tables"]["Interface"]["columns"].as_object_mut().unwrap().remove("ofport");
        let error = Schema::from_json(&schema).unwrap().select().unwrap_err();
        assert!(matches!(error, Error::Schema(name) if name == "Interface.ofport"));
    }
}
