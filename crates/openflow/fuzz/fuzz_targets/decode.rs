//! Any bytes from a switch: errors at most; and what was understood is understood the same once written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openflow::codec::{decode, encode, split};
use openflow::{Message, MultipartReply, Version};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((frame, length))) = split(rest) {
        rest = &rest[length..];
        let (Ok(message), Some(version)) = (decode(&frame), Version::from_wire(frame.version)) else { continue };
        if let Message::MultipartReply { part: MultipartReply::Flows(flows), .. } = &message {
            for stats in flows {
                let normal = stats.flow.normalised();
                assert_eq!((normal.key(), normal.meaning()), (stats.flow.key(), stats.flow.meaning()));
                let _ = stats.flow.to_string();
            }
        }
        let mut once = Vec::new();
        // What Open vSwitch abbreviates may be too long when it is written out.
        if encode(&message, version, frame.xid, &mut once).is_err() {
            continue;
        }
        let (again, _) = split(&once).expect("what was written").expect("it whole");
        let mut twice = Vec::new();
        encode(&decode(&again).expect("understood before"), version, frame.xid, &mut twice).expect("written before");
        assert_eq!(once, twice);
    }
});
