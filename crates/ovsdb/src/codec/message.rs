use serde_json::{Value, json};

use super::malformed;
use crate::Error;

/// A JSON-RPC 1.0 message (RFC 7047 section 4).
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Request { id: Value, method: String, params: Value },
    Notification { method: String, params: Value },
    Reply { id: Value, outcome: Result<Value, Value> },
}

impl Message {
    /// Reads one whole JSON object.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut value: Value = serde_json::from_slice(bytes)?;
        let Some(members) = value.as_object_mut() else { return Err(malformed("a JSON object", &value)) };
        let id = members.remove("id").unwrap_or_default();
        let message = match (members.remove("method"), id) {
            (Some(Value::String(method)), Value::Null) => {
                Message::Notification { method, params: members.remove("params").unwrap_or_default() }
            }
            (Some(Value::String(method)), id) => {
                Message::Request { id, method, params: members.remove("params").unwrap_or_default() }
            }
            (None, id) if !id.is_null() => {
                // ovsdb-server leaves out whichever of the two is null.
                let error = members.remove("error").unwrap_or_default();
                let result = members.remove("result").unwrap_or_default();
                Message::Reply { id, outcome: if error.is_null() { Ok(result) } else { Err(error) } }
            }
            _ => return Err(malformed("a JSON-RPC message", &value)),
        };
        Ok(message)
    }

    pub fn encode(&self) -> Vec<u8> {
        let value = match self {
            Message::Request { id, method, params } => json!({"id": id, "method": method, "params": params}),
            Message::Notification { method, params } => json!({"id": null, "method": method, "params": params}),
            Message::Reply { id, outcome: Ok(result) } => json!({"id": id, "result": result, "error": null}),
            Message::Reply { id, outcome: Err(error) } => json!({"id": id, "result": null, "error": error}),
        };
        value.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_what_it_encodes() {
        for message in [
            Message::Request { id: json!("echo"), method: "echo".into(), params: json!([1]) },
            Message::Notification { method: "update3".into(), params: json!([]) },
            Message::Reply { id: json!(1), outcome: Ok(json!([{}])) },
            Message::Reply { id: json!(1), outcome: Ok(json!(null)) },
            Message::Reply { id: json!(1), outcome: Err(json!({"error": "x"})) },
        ] {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
    }

    #[test]
    fn refuses_what_is_neither_request_nor_reply() {
        for bad in ["{}", "[]", "1", "{\"method\":1}", "{\"id\":null,\"result\":1}", "{\"id\":1,\"method\":[]}", "{"] {
            assert!(Message::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Message::decode(&bytes);
        }
    }
}
