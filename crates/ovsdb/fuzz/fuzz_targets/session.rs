//! Any bytes from a server, in chunks cut at any place: errors at most.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovsdb::codec::Operation;
use ovsdb::{Cursor, Session};

fuzz_target!(|bytes: &[u8]| {
    let mut session = Session::open("Open_vSwitch", 1 << 16, Cursor::default());
    session.transact(vec![Operation::Comment("x".into())]);
    let (&size, stream) = bytes.split_first().unwrap_or((&1, &[]));
    for chunk in stream.chunks(usize::from(size).max(1)) {
        if session.receive(chunk).is_err() {
            return;
        }
        session.outputs().clear();
        session.written(session.outgoing().len());
    }
});
