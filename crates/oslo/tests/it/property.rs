use std::collections::BTreeSet;

use oslo::codec::{Context, Message, Reply, ReplyTo, Request};
use oslo::object::{Field, MiscValues, Object, Port, PortBinding, Subnet};
use oslo::{Failure, Json, Version};
use proptest::prelude::*;
use uuid::Uuid;

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn request() -> impl Strategy<Value = Request> {
    let version = (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| Version::new(major, minor));
    let reply_to = (any::<String>(), any::<String>(), prop::option::of(0.0..1e6)).prop_map(
        |(queue, message_id, monitor): (_, _, Option<f64>)| ReplyTo {
            queue,
            message_id,
            monitor: monitor.map(f64::round),
        },
    );
    let context = prop::collection::btree_map("[a-z]{1,8}", json(), 0..4);
    (
        any::<String>(),
        json(),
        prop::option::of(any::<String>()),
        prop::option::of(version),
        prop::option::of(reply_to),
        prop::option::of(id()),
        context,
    )
        .prop_map(|(method, args, namespace, version, reply_to, unique_id, fields)| {
            let mut context = Context::default();
            for (name, value) in &fields {
                context.set(name, value).unwrap();
            }
            Request { method, args: Json::of(&args).unwrap(), namespace, version, reply_to, unique_id, context }
        })
}

fn reply() -> impl Strategy<Value = Reply> {
    let failure = (any::<String>(), any::<String>(), any::<String>())
        .prop_filter("the mark of a remote one is taken off", |(module, class, _)| {
            !module.ends_with("_Remote") && !class.ends_with("_Remote")
        })
        .prop_map(|(module, class, message)| Failure::new(&module, &class, &message).unwrap());
    let outcome = prop_oneof![
        json().prop_map(|result| Ok(Json::of(&result).unwrap())),
        failure.prop_map(|failure| Err(Box::new(failure)))
    ];
    (any::<String>(), outcome, any::<bool>(), prop::option::of(id()))
        .prop_map(|(message_id, outcome, ending, unique_id)| Reply { message_id, outcome, ending, unique_id })
}

fn field<T: std::fmt::Debug + Clone>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Field<T>> {
    prop_oneof![Just(Field::Unset), Just(Field::Null), value.prop_map(Field::Set)]
}

fn port() -> impl Strategy<Value = Port> {
    let profile = json().prop_map(|value| MiscValues(Json::of(&value).unwrap()));
    let binding = (field(any::<String>()), field(profile)).prop_map(|(host, profile)| PortBinding {
        host,
        profile,
        ..PortBinding::default()
    });
    (
        field(id()),
        field(any::<String>()),
        field(any::<bool>()),
        field(prop::collection::vec(binding, 0..3)),
        field(prop::collection::btree_set(id(), 0..3)),
        field(any::<i64>()),
        field(any::<bool>()),
    )
        .prop_map(|(id, name, admin_state_up, bindings, security_group_ids, revision_number, trusted)| Port {
            id,
            name,
            admin_state_up,
            bindings,
            security_group_ids,
            revision_number,
            trusted,
            ..Port::default()
        })
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(request in request()) {
        let message = Message::Request(request);
        let body = message.encode().unwrap();
        prop_assert!(body.is_ascii());
        prop_assert_eq!(Message::decode(&body).unwrap(), message);
    }

    #[test]
    fn a_reply_is_read_as_it_was_written(reply in reply()) {
        let message = Message::Reply(reply);
        let body = message.encode().unwrap();
        prop_assert!(body.is_ascii());
        prop_assert_eq!(Message::decode(&body).unwrap(), message);
    }

    /// At the last version nothing is lost; at an earlier one what came later is.
    #[test]
    fn an_object_is_read_as_it_was_written(port in port(), minor in 4_u32..=11) {
        let version = Version::new(1, minor);
        let (read, at) = Port::read(&port.write(version).unwrap()).unwrap();
        prop_assert_eq!(at, version);
        let trusted = if minor < 10 { Field::Unset } else { port.trusted };
        prop_assert_eq!(read, Port { trusted, ..port });
    }

    #[test]
    fn no_bytes_do_harm(bytes: Vec<u8>, text: String) {
        let _ = Message::decode(&bytes);
        let body = serde_json::json!({ "oslo.version": "2.0", "oslo.message": text }).to_string();
        let _ = Message::decode(body.as_bytes());
    }

    #[test]
    fn no_data_do_harm(data in json(), fields in prop::collection::btree_map("id|cidr|shared|host_routes", json(), 0..4)) {
        for data in [data, serde_json::Value::Object(fields.into_iter().collect())] {
            let primitive = serde_json::json!({
                "versioned_object.name": "Subnet",
                "versioned_object.namespace": "versionedobjects",
                "versioned_object.version": "1.1",
                "versioned_object.data": data,
            });
            if let Ok((subnet, version)) = Subnet::read(&Json::of(&primitive).unwrap()) {
                let again = Subnet::read(&subnet.write(version).unwrap()).unwrap();
                prop_assert_eq!(again, (subnet, version));
            }
        }
    }

    #[test]
    fn ids_are_all_different_to_the_filter(ids in prop::collection::vec(0_u128..40, 0..200)) {
        let mut duplicates = oslo::Duplicates::of_last(64);
        let mut seen = BTreeSet::new();
        for id in ids {
            prop_assert_eq!(duplicates.is_new(Uuid::from_u128(id)), seen.insert(id));
        }
    }
}
