//! Any bytes from a queue, as a body and as the message in an envelope: an error, or a message that is the same once it was written
//! and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oslo::codec::Message;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    if let Ok(message) = str::from_utf8(bytes) {
        let envelope = serde_json::json!({ "oslo.version": "2.0", "oslo.message": message });
        check(envelope.to_string().as_bytes());
    }
});

fn check(body: &[u8]) {
    let Ok(message) = Message::decode(body) else { return };
    if let Message::Reply(reply) = &message
        && let Err(failure) = &reply.outcome
    {
        let _ = (failure.kind(), failure.to_string());
    }
    let Ok(body) = message.encode() else { return };
    assert_eq!(Message::decode(&body).unwrap(), message);
}
