use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Row, malformed, row_from_json, row_to_json};
use crate::Error;

/// Changed rows by table (ovsdb-server(7) section 4.1.14, `<table-updates2>`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableUpdates(pub BTreeMap<String, BTreeMap<Uuid, RowUpdate>>);

/// What became of a row (ovsdb-server(7) section 4.1.14, `<row-update2>`).
#[derive(Debug, Clone, PartialEq)]
pub enum RowUpdate {
    /// Was there before; columns that hold their type's default are left out.
    Initial(Row),
    /// Is new; columns that hold their type's default are left out.
    Insert(Row),
    /// Differences only: see [`crate::replica::Column`].
    Modify(Row),
    Delete,
}

impl TableUpdates {
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let tables = value.as_object().ok_or_else(|| malformed("table updates", value))?;
        tables
            .iter()
            .map(|(table, rows)| Ok((table.clone(), rows_from_json(rows)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn to_json(&self) -> Value {
        let rows = |rows: &BTreeMap<Uuid, RowUpdate>| -> Value {
            rows.iter().map(|(uuid, update)| (uuid.to_string(), update.to_json())).collect()
        };
        self.0.iter().map(|(table, updates)| (table.clone(), rows(updates))).collect()
    }
}

fn rows_from_json(value: &Value) -> Result<BTreeMap<Uuid, RowUpdate>, Error> {
    let rows = value.as_object().ok_or_else(|| malformed("row updates", value))?;
    rows.iter()
        .map(|(uuid, update)| {
            let uuid = Uuid::parse_str(uuid).map_err(|_| malformed("a row's UUID", &json!(uuid)))?;
            Ok((uuid, RowUpdate::from_json(update)?))
        })
        .collect()
}

impl RowUpdate {
    fn from_json(value: &Value) -> Result<Self, Error> {
        let mut members = value.as_object().into_iter().flatten();
        match (members.next(), members.next()) {
            (Some((kind, row)), None) => match kind.as_str() {
                "initial" => row_from_json(row).map(RowUpdate::Initial),
                "insert" => row_from_json(row).map(RowUpdate::Insert),
                "modify" => row_from_json(row).map(RowUpdate::Modify),
                "delete" => Ok(RowUpdate::Delete),
                _ => Err(malformed("initial, insert, modify or delete", value)),
            },
            _ => Err(malformed("a row update", value)),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            RowUpdate::Initial(row) => json!({"initial": row_to_json(row)}),
            RowUpdate::Insert(row) => json!({"insert": row_to_json(row)}),
            RowUpdate::Modify(row) => json!({"modify": row_to_json(row)}),
            RowUpdate::Delete => json!({"delete": null}),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::datum::tests::datums;

    fn updates() -> impl Strategy<Value = TableUpdates> {
        let rows = || prop::collection::btree_map("[a-z]{1,3}", datums(), 0..3);
        let update = prop_oneof![
            rows().prop_map(RowUpdate::Initial),
            rows().prop_map(RowUpdate::Insert),
            rows().prop_map(RowUpdate::Modify),
            Just(RowUpdate::Delete),
        ];
        let uuids = any::<u128>().prop_map(Uuid::from_u128);
        prop::collection::btree_map("[A-Z]{1,3}", prop::collection::btree_map(uuids, update, 0..3), 0..3)
            .prop_map(TableUpdates)
    }

    #[test]
    fn refuses_a_row_update_of_two_kinds_or_none() {
        let uuid = Uuid::from_u128(1).to_string();
        for bad in [
            json!({"T": {&uuid: {}}}),
            json!({"T": {&uuid: {"insert": {}, "modify": {}}}}),
            json!({"T": {&uuid: {"old": {}}}}),
            json!({"T": {"x": {"insert": {}}}}),
            json!({"T": []}),
            json!([]),
        ] {
            assert!(TableUpdates::from_json(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn decodes_what_it_encodes(updates in updates()) {
            let bytes = serde_json::to_vec(&updates.to_json()).unwrap();
            prop_assert_eq!(TableUpdates::from_json(&serde_json::from_slice(&bytes).unwrap()).unwrap(), updates);
        }
    }
}
