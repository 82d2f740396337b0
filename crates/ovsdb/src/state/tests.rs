use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::codec::row_to_json;

const LIMIT: usize = 1 << 20;

fn schema() -> Value {
    let one = json!({"type": "string"});
    let many = json!({"type": {"key": "uuid", "min": 0, "max": "unlimited"}});
    json!({"version": "1.0.0", "tables": {
        "Open_vSwitch": {"columns": {"bridges": many}},
        "Bridge": {"columns": {"name": one, "ports": many}},
        "Port": {"columns": {"name": one, "interfaces": many}},
        "Interface": {"columns": {"name": one, "ofport": one, "external_ids": many}},
    }})
}

/// What the session has to say.
fn said(session: &mut Session) -> Vec<(Value, String, Value)> {
    let mut framer = Framer::new(LIMIT);
    framer.push(session.outgoing());
    session.written(session.outgoing().len());
    let mut said = Vec::new();
    while let Some(message) = framer.next_message().unwrap() {
        match Message::decode(message).unwrap() {
            Message::Request { id, method, params } => said.push((id, method, params)),
            Message::Reply { id, outcome } => said.push((id, "reply".into(), outcome.unwrap())),
            other @ Message::Notification { .. } => panic!("{other:?}"),
        }
    }
    said
}

fn reply(session: &mut Session, id: &Value, result: Value) -> Result<(), Error> {
    session.receive(&Message::Reply { id: id.clone(), outcome: Ok(result) }.encode())
}

fn notify(session: &mut Session, method: &str, params: Value) -> Result<(), Error> {
    session.receive(&Message::Notification { method: method.into(), params }.encode())
}

/// A session up to the reply to its monitor; with the transaction that it asked from.
fn in_step(cursor: Cursor, found: bool, last: u128) -> (Session, Value) {
    let mut session = Session::open("Open_vSwitch", LIMIT, cursor);
    let opening = said(&mut session);
    let methods: Vec<_> = opening.iter().map(|(_, method, _)| method.as_str()).collect();
    assert_eq!(methods, ["set_db_change_aware", "get_schema"]);
    reply(&mut session, &opening[0].0, json!({})).unwrap();
    reply(&mut session, &opening[1].0, schema()).unwrap();
    let monitor = said(&mut session);
    let [(id, method, params)] = monitor.as_slice() else { panic!("{monitor:?}") };
    assert_eq!(method, "monitor_cond_since");
    reply(&mut session, id, json!([found, Uuid::from_u128(last), {}])).unwrap();
    (session, params[3].clone())
}

fn outputs(session: &mut Session) -> Vec<Output> {
    session.outputs().drain(..).filter(|output| !matches!(output, Output::Missing(_))).collect()
}

#[test]
fn asks_from_the_last_transaction_that_it_was_given() {
    let (mut session, since) = in_step(Cursor::default(), false, 5);
    assert_eq!(since, json!(Uuid::nil()));
    let first = outputs(&mut session);
    assert!(matches!(
        first.as_slice(),
        [Output::InStep { resumed: false }, Output::Update(Update { complete: true, .. })]
    ));

    notify(&mut session, "update3", json!(["culvert", Uuid::from_u128(6), {}])).unwrap();
    let (mut session, since) = in_step(session.cursor().clone(), true, 6);
    assert_eq!(since, json!(Uuid::from_u128(6)));
    let first = outputs(&mut session);
    assert!(matches!(
        first.as_slice(),
        [Output::InStep { resumed: true }, Output::Update(Update { complete: false, .. })]
    ));

    let error = notify(&mut session, "monitor_canceled", json!(["culvert"])).unwrap_err();
    assert!(matches!(error, Error::MonitorCanceled));
    assert_eq!(*session.cursor(), Cursor::default(), "a converted database is a new one");
}

#[test]
fn another_set_of_columns_is_fetched_from_the_beginning() {
    let other = Cursor { last: Uuid::from_u128(5), selection: Selection::default() };
    let (_, since) = in_step(other, false, 5);
    assert_eq!(since, json!(Uuid::nil()));
}

#[test]
fn replies_find_their_requests_in_any_order() {
    let (mut session, _) = in_step(Cursor::default(), false, 0);
    outputs(&mut session);
    let ids = [(); 3].map(|()| session.transact(vec![Operation::Comment("x".into())]));
    reply(&mut session, &json!(ids[2]), json!([{}])).unwrap();
    reply(&mut session, &json!(ids[0]), json!([{"error": "timed out"}])).unwrap();
    let refusal = Message::Reply { id: json!(ids[1]), outcome: Err(json!("unknown method")) };
    session.receive(&refusal.encode()).unwrap();
    let replies = outputs(&mut session);
    let [
        Output::Reply { id: third, result: Ok(_) },
        Output::Reply { id: first, result: Err(Error::Transaction(failure)) },
        Output::Reply { id: second, result: Err(Error::Refused { reason, .. }) },
    ] = replies.as_slice()
    else {
        panic!("{replies:?}")
    };
    assert_eq!([*first, *second, *third], ids);
    assert!(failure.is_conflict());
    assert_eq!(reason, "unknown method");
    assert!(reply(&mut session, &json!(ids[0]), json!([{}])).is_err(), "answered already");
}

#[test]
fn answers_an_echo_with_its_parameters() {
    let (mut session, _) = in_step(Cursor::default(), false, 0);
    let echo = Message::Request { id: json!("echo"), method: "echo".into(), params: json!([1, "x"]) };
    session.receive(&echo.encode()).unwrap();
    assert_eq!(said(&mut session), [(json!("echo"), "reply".into(), json!([1, "x"]))]);
}

#[test]
fn what_came_before_an_error_is_kept() {
    let (mut session, _) = in_step(Cursor::default(), false, 0);
    outputs(&mut session);
    let update = json!({"Port": {Uuid::from_u128(2).to_string(): {"insert": row_to_json(&[].into())}}});
    let update = Message::Notification { method: "update3".into(), params: json!(["culvert", Uuid::nil(), update]) };
    let bytes = [update.encode(), b"garbage".to_vec()].concat();
    assert!(matches!(session.receive(&bytes), Err(Error::Framing(b'g'))));
    assert_eq!(outputs(&mut session).len(), 1);
}

#[test]
fn a_refused_monitor_or_an_odd_schema_is_an_error() {
    for answer in
        [Ok(json!({"tables": {}})), Ok(json!(1)), Err(json!({"error": "unknown database", "details": "none"}))]
    {
        let mut session = Session::open("Open_vSwitch", LIMIT, Cursor::default());
        let id = said(&mut session)[1].0.clone();
        assert!(session.receive(&Message::Reply { id, outcome: answer }.encode()).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8)) {
        let (mut session, _) = in_step(Cursor::default(), false, 0);
        for chunk in chunks {
            let _ = session.receive(&chunk);
        }
    }

    /// As above, but with well-formed messages of the wrong content.
    #[test]
    fn no_message_makes_it_panic(contents in prop::collection::vec((0u64..6, contents()), 0..8)) {
        let (mut session, _) = in_step(Cursor::default(), false, 0);
        let mut fresh = Session::open("Open_vSwitch", LIMIT, Cursor::default());
        session.transact(vec![Operation::Comment("x".into())]);
        for (id, content) in contents {
            let _ = notify(&mut session, "update3", content.clone());
            let _ = reply(&mut session, &json!(id), content.clone());
            let _ = reply(&mut fresh, &json!(id), content);
        }
    }
}

/// JSON made of the words that the protocol knows.
fn contents() -> impl Strategy<Value = Value> {
    let words =
        ["set", "map", "uuid", "modify", "insert", "delete", "tables", "columns", "type", "max", "error", "Port"];
    let key = prop_oneof![prop::sample::select(words.to_vec()).prop_map(str::to_owned), Just(Uuid::nil().to_string())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        key.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}
