use std::collections::BTreeMap;

use oslo::codec::{Context, Message, Reply, ReplyTo, Request};
use oslo::{Error, Failure, Json, Kind, Version};
use serde::{Deserialize, Serialize};

use crate::recordings::{all, named};

fn request(name: &str) -> Request {
    match Message::decode(named(name).body.as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Reply(_) => panic!("{name} is a reply"),
    }
}

fn reply(name: &str) -> Reply {
    match Message::decode(named(name).body.as_bytes()).unwrap() {
        Message::Reply(reply) => reply,
        Message::Request(_) => panic!("{name} is a request"),
    }
}

#[test]
fn what_was_recorded_is_written_byte_for_byte_as_it_was_read() {
    let mut replies = 0;
    for recording in all() {
        let message = Message::decode(recording.body.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(message.encode().unwrap()).unwrap(), recording.body, "{}", recording.name);
        match message {
            Message::Reply(_) => replies += 1,
            Message::Request(request) => {
                assert_eq!(request.reply_to.is_some(), recording.name.contains(".call"), "{}", recording.name);
                assert!(request.unique_id.is_some() && request.version.is_some() && request.namespace.is_none());
                let method = recording.name.split('.').next().unwrap();
                assert_eq!(request.method, method);
            }
        }
    }
    assert_eq!(replies, 34);
}

#[derive(Serialize, Deserialize)]
struct TunnelSync {
    tunnel_ip: String,
    tunnel_type: String,
    host: String,
}

/// Made of nothing but ids and a time that the recording has.
#[test]
fn a_call_of_ours_is_that_of_a_stock_agent() {
    let theirs = request("tunnel_sync.call.vxlan");
    let text = |name: &str| theirs.context.get::<String>(name).unwrap();
    let sync = TunnelSync { tunnel_ip: "10.0.1.31".into(), tunnel_type: "vxlan".into(), host: "compute1".into() };
    let ours = Request {
        method: "tunnel_sync".to_owned(),
        args: Json::of(&sync).unwrap(),
        namespace: None,
        version: Some(Version::new(1, 4)),
        reply_to: Some(ReplyTo {
            queue: "reply_971095a9ee5a49c8a3271d8b5d9bf42e".to_owned(),
            message_id: "dd769eb2b8674c19809ab7d7407594b5".to_owned(),
            monitor: None,
        }),
        unique_id: theirs.unique_id,
        context: Context::of_service(&text("request_id"), &text("timestamp")).unwrap(),
    };
    assert_eq!(ours, theirs);
    let body = Message::Request(ours).encode().unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), named("tunnel_sync.call.vxlan").body);
    assert_eq!(theirs.args::<TunnelSync>().unwrap().host, "compute1");
}

#[derive(Deserialize)]
struct Tunnels {
    tunnels: Vec<BTreeMap<String, serde_json::Value>>,
}

#[test]
fn a_reply_says_what_came_of_a_call() {
    let call = request("tunnel_sync.call.vxlan").reply_to.unwrap();
    let answer = reply("tunnel_sync.call.vxlan.reply");
    assert_eq!((answer.message_id.as_str(), answer.ending), (call.message_id.as_str(), true));
    let tunnels = answer.result::<Tunnels>().unwrap().unwrap().tunnels;
    assert_eq!(tunnels.len(), 3);
    assert_eq!(tunnels[0]["ip_address"], "10.0.1.21");
}

#[test]
fn failures_have_kinds() {
    let failed = |name: &str| reply(name).outcome.unwrap_err();
    let kinds = [
        ("no_such_method.call.reply", Kind::NotOffered),
        ("tunnel_sync.call.nosuch.reply", Kind::InvalidInput),
        ("bulk_pull.call.NoSuch-by-all.reply", Kind::ResourceVersion),
    ];
    for (name, kind) in kinds {
        assert_eq!(failed(name).kind(), kind, "{}", failed(name));
    }
    let text = failed("no_such_method.call.reply").to_string();
    assert_eq!(text, "the other end has failed with NoSuchMethod: Endpoint does not support RPC method no_such_method");
    let kind = |module: &str, class: &str| Failure::new(module, class, "").unwrap().kind();
    assert_eq!(kind("neutron_lib.exceptions", "PortNotFound"), Kind::NotFound);
    assert_eq!(kind("oslo_db.exception", "DBConnectionError"), Kind::Unavailable);
    assert_eq!(kind("builtins", "KeyError"), Kind::Other);
}

/// Oslo.messaging marks an exception that it has from another process, and may raise it again.
#[test]
fn a_failure_that_came_from_further_on_is_the_same() {
    let body = |failure: &str| {
        let message = serde_json::json!({ "failure": failure, "_msg_id": "1", "ending": true });
        serde_json::json!({ "oslo.version": "2.0", "oslo.message": message.to_string() }).to_string()
    };
    let failure = |text: &str| match Message::decode(body(text).as_bytes()).unwrap() {
        Message::Reply(Reply { outcome: Err(failure), .. }) => failure,
        other => panic!("{other:?}"),
    };
    let further = failure(r#"{"class": "NoSuchMethod_Remote", "module": "oslo_messaging.rpc.dispatcher_Remote"}"#);
    assert_eq!((further.kind(), further.class.as_str()), (Kind::NotOffered, "NoSuchMethod"));
    // What is no exception's description is a failure nevertheless.
    let odd = failure("out of cheese");
    assert_eq!((odd.kind(), odd.message.as_str()), (Kind::Other, "out of cheese"));
}

#[test]
fn a_sign_of_life_does_not_end_a_call() {
    let body = br#"{"oslo.version": "2.0", "oslo.message": "{\"_msg_id\": \"7\", \"ending\": false}"}"#;
    let Message::Reply(reply) = Message::decode(body).unwrap() else { panic!() };
    assert!(!reply.ending && reply.outcome == Ok(Json::default()));
}

#[test]
fn what_no_oslo_messaging_process_sends_is_refused() {
    let envelope = |version: &str, message: &str| {
        serde_json::json!({ "oslo.version": version, "oslo.message": message }).to_string()
    };
    let refused = |body: String| Message::decode(body.as_bytes()).unwrap_err();
    assert!(matches!(refused(envelope("1.0", "{}")), Error::Envelope(version) if version == "1.0"));
    let wrong = [
        "",
        "{}",
        r#"{"method": "m"}"#,
        r#"{"method": 7, "args": {}}"#,
        r#"{"method": "m", "args": {}, "_msg_id": "1"}"#,
        r#"{"method": "m", "args": {}, "_reply_q": "q"}"#,
        r#"{"method": "m", "args": {}, "version": "1"}"#,
        r#"{"method": "m", "args": {}, "_unique_id": "x"}"#,
        r#"{"result": 1}"#,
        r#"{"method": "m", "args": {"#,
    ];
    for message in wrong {
        assert!(matches!(refused(envelope("2.0", message)), Error::Json(_)), "{message}");
    }
    assert!(Message::decode(envelope("2.0", r#"{"method": "m", "args": {}}"#).as_bytes()).is_ok(), "the control");
    assert!(Message::decode(b"{\"oslo.version\": \"2.0\", \"oslo.message\": \"\xff\"}").is_err());
    // Deeper than any stack.
    let deep = format!(r#"{{"method": "m", "args": {}}}"#, "[".repeat(1_000_000));
    assert!(matches!(refused(envelope("2.0", &deep)), Error::Json(_)));
}
