use serde_json::{Value, json};
use uuid::Uuid;

use super::{Atom, Datum, Row, malformed, row_from_json, row_to_json};
use crate::{Error, Failure};

/// One step of a transaction (RFC 7047 section 5.2).
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    Insert {
        table: String,
        row: Row,
        /// Name under which other operations of the transaction refer to the row: `[a-zA-Z_][a-zA-Z0-9_]*`.
        name: Option<String>,
    },
    Select {
        table: String,
        conditions: Vec<Condition>,
        /// Empty: all.
        columns: Vec<String>,
    },
    Update {
        table: String,
        conditions: Vec<Condition>,
        row: Row,
    },
    Mutate {
        table: String,
        conditions: Vec<Condition>,
        mutations: Vec<Mutation>,
    },
    Delete {
        table: String,
        conditions: Vec<Condition>,
    },
    /// Fails the transaction at once unless the rows are (or are not) these: always with `timeout` 0.
    Wait {
        table: String,
        conditions: Vec<Condition>,
        columns: Vec<String>,
        until: Until,
        rows: Vec<Row>,
    },
    /// Goes into the database's log.
    Comment(String),
}

/// Selects rows (RFC 7047 section 5.1, `<condition>`).
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub column: String,
    pub function: Function,
    pub value: Datum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Equals,
    Differs,
    Includes,
    Excludes,
}

/// Changes a column relative to what it holds (RFC 7047 section 5.1, `<mutation>`).
#[derive(Debug, Clone, PartialEq)]
pub struct Mutation {
    pub column: String,
    pub mutator: Mutator,
    pub value: Datum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutator {
    /// Of a number.
    Add,
    /// Of a set or map; keys that a map holds already keep their value.
    Insert,
    /// From a set; from a map by key, or by key and value.
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Equal,
    NotEqual,
}

/// What one operation of a committed transaction did.
#[derive(Debug, Clone, PartialEq)]
pub enum OpResult {
    /// The row that an insert made.
    Inserted(Uuid),
    /// Rows that an update, mutate or delete met.
    Count(u64),
    /// Rows that a select found.
    Rows(Vec<Row>),
    /// Of a wait or comment (ovsdb-server(7) "5.2.6 Wait").
    Done,
}

impl Condition {
    /// Meets the row with this UUID, which may be one that the transaction inserts.
    pub fn row(uuid: impl Into<Atom>) -> Self {
        Condition { column: "_uuid".into(), function: Function::Equals, value: Datum::Atom(uuid.into()) }
    }

    pub fn equals(column: &str, value: impl Into<Datum>) -> Self {
        Condition { column: column.into(), function: Function::Equals, value: value.into() }
    }

    fn to_json(&self) -> Value {
        let function = match self.function {
            Function::Equals => "==",
            Function::Differs => "!=",
            Function::Includes => "includes",
            Function::Excludes => "excludes",
        };
        json!([self.column, function, self.value.to_json()])
    }
}

impl Mutation {
    pub fn new(column: &str, mutator: Mutator, value: impl Into<Datum>) -> Self {
        Mutation { column: column.into(), mutator, value: value.into() }
    }

    fn to_json(&self) -> Value {
        let mutator = match self.mutator {
            Mutator::Add => "+=",
            Mutator::Insert => "insert",
            Mutator::Delete => "delete",
        };
        json!([self.column, mutator, self.value.to_json()])
    }
}

impl Operation {
    pub fn to_json(&self) -> Value {
        match self {
            Operation::Insert { table, row, name: Some(name) } => {
                json!({"op": "insert", "table": table, "row": row_to_json(row), "uuid-name": name})
            }
            Operation::Insert { table, row, name: None } => {
                json!({"op": "insert", "table": table, "row": row_to_json(row)})
            }
            Operation::Select { table, conditions, columns } if columns.is_empty() => {
                json!({"op": "select", "table": table, "where": all(conditions)})
            }
            Operation::Select { table, conditions, columns } => {
                json!({"op": "select", "table": table, "where": all(conditions), "columns": columns})
            }
            Operation::Update { table, conditions, row } => {
                json!({"op": "update", "table": table, "where": all(conditions), "row": row_to_json(row)})
            }
            Operation::Mutate { table, conditions, mutations } => {
                let mutations: Vec<_> = mutations.iter().map(Mutation::to_json).collect();
                json!({"op": "mutate", "table": table, "where": all(conditions), "mutations": mutations})
            }
            Operation::Delete { table, conditions } => {
                json!({"op": "delete", "table": table, "where": all(conditions)})
            }
            Operation::Wait { table, conditions, columns, until, rows } => {
                let rows: Vec<_> = rows.iter().map(row_to_json).collect();
                let until = if *until == Until::Equal { "==" } else { "!=" };
                json!({"op": "wait", "table": table, "where": all(conditions), "columns": columns,
                       "until": until, "rows": rows, "timeout": 0})
            }
            Operation::Comment(text) => json!({"op": "comment", "comment": text}),
        }
    }

    /// In words, for messages.
    fn describe(&self) -> String {
        match self {
            Operation::Insert { table, .. } => format!("insert into {table}"),
            Operation::Select { table, .. } => format!("select from {table}"),
            Operation::Update { table, .. } => format!("update of {table}"),
            Operation::Mutate { table, .. } => format!("mutate of {table}"),
            Operation::Delete { table, .. } => format!("delete from {table}"),
            Operation::Wait { table, columns, .. } => format!("wait on {table}.{}", columns.join(",")),
            Operation::Comment(_) => "comment".into(),
        }
    }
}

fn all(conditions: &[Condition]) -> Vec<Value> {
    conditions.iter().map(Condition::to_json).collect()
}

/// Reads the reply to a transaction (RFC 7047 section 4.1.3): one result per operation, or an error in the place of the
/// operation that failed, or one more element at the end for an error of the commit as a whole.
pub fn transaction_results(operations: &[Operation], reply: &Value) -> Result<Vec<OpResult>, Error> {
    let results = reply.as_array().ok_or_else(|| malformed("an array of results", reply))?;
    for (index, result) in results.iter().enumerate() {
        if let Some(error) = result.get("error").and_then(Value::as_str) {
            let operation = operations.get(index);
            return Err(Error::Transaction(Failure {
                index: operation.map(|_| index),
                operation: operation.map_or_else(|| "commit".into(), Operation::describe),
                error: error.to_owned(),
                details: result.get("details").and_then(Value::as_str).unwrap_or_default().to_owned(),
            }));
        }
    }
    if results.len() != operations.len() {
        return Err(malformed("one result per operation", reply));
    }
    operations.iter().zip(results).map(|(operation, result)| OpResult::from_json(operation, result)).collect()
}

impl OpResult {
    fn from_json(operation: &Operation, result: &Value) -> Result<Self, Error> {
        let read = match operation {
            Operation::Insert { .. } => match result.get("uuid").map(Atom::from_json).transpose()? {
                Some(Atom::Uuid(uuid)) => Some(OpResult::Inserted(uuid)),
                _ => None,
            },
            Operation::Update { .. } | Operation::Mutate { .. } | Operation::Delete { .. } => {
                result.get("count").and_then(Value::as_u64).map(OpResult::Count)
            }
            Operation::Select { .. } => match result.get("rows").and_then(Value::as_array) {
                Some(rows) => Some(OpResult::Rows(rows.iter().map(row_from_json).collect::<Result<_, _>>()?)),
                None => None,
            },
            Operation::Wait { .. } | Operation::Comment(_) => result.is_object().then_some(OpResult::Done),
        };
        read.ok_or_else(|| malformed(&format!("the result of {}", operation.describe()), result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations() -> Vec<Operation> {
        vec![
            Operation::Comment("why".into()),
            Operation::Insert { table: "Port".into(), row: Row::from([("name".into(), "p".into())]), name: None },
            Operation::Delete { table: "Port".into(), conditions: vec![Condition::equals("name", "q")] },
            Operation::Select { table: "Port".into(), conditions: vec![], columns: vec!["name".into()] },
        ]
    }

    #[test]
    fn writes_the_forms_of_rfc_7047() {
        let written: Vec<_> = operations().iter().map(Operation::to_json).collect();
        assert_eq!(
            Value::Array(written),
            json!([
                {"op": "comment", "comment": "why"},
                {"op": "insert", "table": "Port", "row": {"name": "p"}},
                {"op": "delete", "table": "Port", "where": [["name", "==", "q"]]},
                {"op": "select", "table": "Port", "where": [], "columns": ["name"]},
            ])
        );
    }

    #[test]
    fn reads_results_by_operation() {
        let uuid = Uuid::from_u128(1);
        let reply = json!([{}, {"uuid": ["uuid", uuid]}, {"count": 2}, {"rows": [{"name": "p"}]}]);
        assert_eq!(
            transaction_results(&operations(), &reply).unwrap(),
            [
                OpResult::Done,
                OpResult::Inserted(uuid),
                OpResult::Count(2),
                OpResult::Rows(vec![Row::from([("name".into(), "p".into())])]),
            ]
        );
        assert!(transaction_results(&operations(), &json!([{}])).is_err(), "too few");
        assert!(transaction_results(&operations(), &json!([{}, {}, {}, {}])).is_err(), "of the wrong form");
    }

    #[test]
    fn names_the_operation_that_failed() {
        let failed = |reply| match transaction_results(&operations(), &reply) {
            Err(Error::Transaction(failure)) => failure,
            other => panic!("{other:?}"),
        };
        let failure = failed(json!([{}, {"error": "constraint violation", "details": "taken"}, null, null]));
        assert_eq!((failure.index, failure.operation.as_str()), (Some(1), "insert into Port"));
        assert!(failure.is_constraint_violation() && !failure.is_conflict());
        assert_eq!(
            failure.to_string(),
            "OVSDB refused the transaction at insert into Port: constraint violation: taken"
        );
        let failure = failed(json!([{}, {}, {}, {}, {"error": "referential integrity violation"}]));
        assert_eq!((failure.index, failure.operation.as_str()), (None, "commit"));
    }
}
