use std::collections::{BTreeMap, BTreeSet};

use oslo::codec::Message;
use oslo::object::{AddressGroup, Field, Network, Object, Port, SecurityGroup, SecurityGroupRule, Subnet};
use oslo::{Error, Json, Version};
use serde::Deserialize;

use crate::recordings::all;

/// The objects that are pushed in a message, or that are its result.
fn objects(body: &str) -> Vec<Json> {
    #[derive(Deserialize)]
    struct Push {
        resource_list: Vec<Json>,
    }
    match Message::decode(body.as_bytes()).unwrap() {
        Message::Request(request) if request.method == "push" => request.args::<Push>().unwrap().resource_list,
        Message::Request(_) => Vec::new(),
        Message::Reply(reply) => reply.outcome.ok().and_then(|result| result.read().ok()).unwrap_or_default(),
    }
}

/// Read and written again; with changes if it has any, and these ordered: Python has them as a set.
fn again<T: Object>(primitive: &Json) -> (String, String) {
    let (object, version) = T::read(primitive).unwrap();
    let (before, changes) = match primitive.as_str().split_once(r#", "versioned_object.changes": ["#) {
        Some((before, changes)) => (format!("{before}}}"), Some(changes)),
        None => (primitive.as_str().to_owned(), None),
    };
    if let Some(changes) = changes {
        let written = object.write_changes(version).unwrap();
        let (_, ours) = written.as_str().split_once(r#", "versioned_object.changes": ["#).unwrap();
        let sorted = |list: &str| list.trim_end_matches("]}").split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(ours), sorted(changes));
    }
    (object.write(version).unwrap().as_str().to_owned(), before)
}

#[test]
fn what_was_recorded_is_written_byte_for_byte_as_it_was_read() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for recording in all() {
        for primitive in objects(recording.body) {
            let Ok(head) = primitive.read::<BTreeMap<String, serde_json::Value>>() else { continue };
            let Some(name) = head.get("versioned_object.name").and_then(|name| name.as_str()) else { continue };
            let (ours, theirs) = match name {
                "Port" => again::<Port>(&primitive),
                "Network" => again::<Network>(&primitive),
                "Subnet" => again::<Subnet>(&primitive),
                "SecurityGroup" => again::<SecurityGroup>(&primitive),
                "SecurityGroupRule" => again::<SecurityGroupRule>(&primitive),
                _ => continue,
            };
            assert_eq!(ours, theirs, "{}", recording.name);
            *seen.entry(name.to_owned()).or_default() += 1;
        }
    }
    let all = ["Network", "Port", "SecurityGroup", "SecurityGroupRule", "Subnet"];
    assert_eq!(seen.keys().collect::<Vec<_>>(), all, "{seen:?}");
    assert!(seen["Port"] > 8, "{seen:?}");
}

/// What a server says of an object that is gone.
#[test]
fn deleted_objects_are_those_that_were_recorded() {
    fn check<T: Object + PartialEq + std::fmt::Debug>(recording: &str, version: Version, deleted: impl Fn(&T) -> T) {
        let primitive = objects(crate::recordings::named(recording).body).remove(0);
        let (theirs, found) = T::read(&primitive).unwrap();
        let ours = deleted(&theirs).write_changes(version).unwrap();
        assert_eq!((T::read(&ours).unwrap(), found), ((theirs, version), version));
    }
    let version = Version::new;
    check("push.fanout.Port-1.7-deleted", version(1, 7), |it: &Port| Port::deleted(*it.id.value().unwrap()));
    check("push.fanout.Network-1.1-deleted", version(1, 1), |it: &Network| Network::deleted(*it.id.value().unwrap()));
    check("push.fanout.Subnet-1.1-deleted", version(1, 1), |it: &Subnet| Subnet::deleted(*it.id.value().unwrap()));
    check("push.fanout.SecurityGroup-1.5-deleted", version(1, 5), |it: &SecurityGroup| {
        SecurityGroup::deleted(*it.id.value().unwrap())
    });
    check("push.fanout.SecurityGroupRule-1.2-deleted", version(1, 2), |it: &SecurityGroupRule| {
        SecurityGroupRule::deleted(*it.id.value().unwrap())
    });
}

/// Fields of a primitive's data.
fn fields(primitive: &Json) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Primitive {
        #[serde(rename = "versioned_object.data")]
        data: BTreeMap<String, serde_json::Value>,
    }
    primitive.read::<Primitive>().unwrap().data.into_keys().collect()
}

#[test]
fn an_object_is_written_at_the_version_that_is_spoken() {
    let port = Port {
        name: Field::Set("p".to_owned()),
        hints: Field::Null,
        trusted: Field::Set(true),
        pvlan_type: Field::Null,
        numa_affinity_policy: Field::Null,
        ..Port::default()
    };
    let at = |minor| fields(&port.write(Version::new(1, minor)).unwrap()).into_iter().collect::<Vec<_>>();
    assert_eq!(at(4), ["name"]);
    assert_eq!(at(7), ["name", "numa_affinity_policy"]);
    assert_eq!(at(10), ["hints", "name", "numa_affinity_policy", "trusted"]);
    assert_eq!(at(11).len(), 5);
    for version in [Version::new(1, 3), Version::new(1, 12), Version::new(2, 7)] {
        let refused = port.write(version).unwrap_err();
        assert!(matches!(refused, Error::ObjectVersion { name: "Port", first: 4, last: 11, .. }), "{refused}");
    }
}

#[derive(Deserialize)]
struct Rules {
    rules: Vec<Json>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(rename = "versioned_object.data")]
    data: Rules,
}

/// The rules of a group are at the version that went with the group's.
#[test]
fn objects_in_objects_are_at_the_version_of_their_time() {
    let rule = SecurityGroupRule {
        direction: Field::Set("ingress".to_owned()),
        remote_address_group_id: Field::Null,
        normalized_cidr: Field::Null,
        belongs_to_default_sg: Field::Set(false),
        ..SecurityGroupRule::default()
    };
    let group = SecurityGroup { rules: Field::Set(vec![rule]), ..SecurityGroup::default() };
    for (minor, rules_minor, count) in [(0, 0, 1), (2, 0, 1), (3, 1, 2), (4, 2, 3), (5, 2, 3), (6, 3, 4)] {
        let written = group.write(Version::new(1, minor)).unwrap();
        let rule = written.read::<Group>().unwrap().data.rules.remove(0);
        let (_, version) = SecurityGroupRule::read(&rule).unwrap();
        assert_eq!((version, fields(&rule).len()), (Version::new(1, rules_minor), count), "group 1.{minor}");
    }
}

#[test]
fn another_object_and_a_field_of_another_type_are_named() {
    let network = Network { mtu: Field::Set(1450), ..Network::default() }.write(Network::latest()).unwrap();
    let other = AddressGroup::read(&network).unwrap_err();
    assert_eq!(other.to_string(), "a AddressGroup was awaited, and a versionedobjects.Network came");
    let wrong = serde_json::from_str::<Json>(&network.as_str().replace("1450", "\"much\"")).unwrap();
    let refused = Network::read(&wrong).unwrap_err();
    assert!(matches!(refused, Error::Field { name: "Network", field: "mtu", .. }), "{refused}");
    let newer = serde_json::from_str::<Json>(&network.as_str().replace("\"1.3\"", "\"1.4\"")).unwrap();
    assert!(matches!(Network::read(&newer), Err(Error::ObjectVersion { .. })));
    // What a vendor adds is passed over.
    let more = network.as_str().replace("{\"mtu\"", "{\"vendor\": [], \"mtu\"");
    assert_eq!(Network::read(&serde_json::from_str(&more).unwrap()).unwrap().0.mtu, Field::Set(1450));
}
