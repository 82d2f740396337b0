//! Any text: an error at most; and what was read means the same once printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openflow::Flow;

fuzz_target!(|text: &str| {
    if let Ok(flow) = text.parse::<Flow>() {
        let printed = flow.to_string();
        let again: Flow = printed.parse().unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!((again.key(), again.meaning()), (flow.key(), flow.meaning()), "{printed}");
    }
});
