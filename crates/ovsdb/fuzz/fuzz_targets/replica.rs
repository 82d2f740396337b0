//! Any updates: the replica applies one as a whole or, refusing it, stays as it was; a complete one of no rows empties it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovsdb::codec::TableUpdates;
use ovsdb::{Replica, Update};

fuzz_target!(|bytes: &[u8]| {
    let mut replica = Replica::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(value) = serde_json::from_slice(line) else { continue };
        let Ok(tables) = TableUpdates::from_json(&value) else { continue };
        for complete in [false, true] {
            let update = Update { complete, tables: tables.clone() };
            let before = replica.clone();
            if replica.apply(&update).is_err() {
                assert_eq!(replica, before);
            }
        }
        let _ = replica.apply(&Update { complete: true, tables: TableUpdates::default() });
        assert_eq!(replica, Replica::new());
    }
});
