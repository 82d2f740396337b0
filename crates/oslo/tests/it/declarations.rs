use std::collections::BTreeSet;

use oslo::Version;
use oslo::address::{Addressing, Argument, Destination, ExchangeType, Name, Queue, Subscription};
use oslo::object::{Object, Port};
use uuid::Uuid;

use crate::recordings::all;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn stock() -> Addressing {
    Addressing::new(name("neutron"))
}

fn table(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(|line| line.split('\t').collect())
}

/// The subscription that a queue of this name must have come from.
fn of_queue(queue: &str) -> Subscription {
    let id = |text: &str| Uuid::try_parse(text).ok();
    if let Some(id) = queue.strip_prefix("reply_").and_then(id) {
        return stock().replies(id);
    }
    if let Some((topic, id)) = queue.split_once("_fanout_").and_then(|(topic, text)| Some((topic, id(text)?))) {
        return stock().fanout(&name(topic), id);
    }
    // A host's name may have dots, and the version of an object has one.
    let hosts = ["compute1", "compute2", "network", "controller"];
    match queue.rsplit_once('.').filter(|(_, host)| hosts.contains(host)) {
        Some((topic, host)) => stock().server(&name(topic), &name(host)),
        None => stock().topic(&name(queue)),
    }
}

/// As `rabbitmqctl list_queues` prints them.
fn shown(queue: &Queue) -> Vec<String> {
    let arguments = queue.arguments.iter().map(|(key, value)| match value {
        Argument::Number(number) => format!("{{\"{key}\",{number}}}"),
        Argument::Text(text) => format!("{{\"{key}\",\"{text}\"}}"),
    });
    let arguments = format!("[{}]", arguments.collect::<Vec<_>>().join(","));
    vec![queue.name.clone(), queue.durable.to_string(), queue.auto_delete.to_string(), "false".into(), arguments]
}

#[test]
fn queues_are_those_of_stock_processes() {
    let mut kinds = [0; 3];
    for row in table(include_str!("../data/neutron-21/queues.tsv")) {
        let subscription = of_queue(row[0]);
        assert_eq!(shown(&subscription.queue), row[..5]);
        match subscription.exchange {
            None => kinds[0] += 1,
            Some(exchange) if exchange.exchange_type == ExchangeType::Fanout => kinds[1] += 1,
            Some(_) => kinds[2] += 1,
        }
    }
    assert!(kinds.iter().all(|count| *count > 2), "{kinds:?}");
}

#[test]
fn exchanges_are_those_of_stock_processes() {
    let mut ours = BTreeSet::new();
    for row in table(include_str!("../data/neutron-21/queues.tsv")) {
        ours.extend(of_queue(row[0]).exchange.map(|it| {
            let exchange_type = if it.exchange_type == ExchangeType::Topic { "topic" } else { "fanout" };
            format!("{}\t{exchange_type}\t{}\t{}\tfalse\t[]", it.name, it.durable, it.auto_delete)
        }));
    }
    // Some are published to, and nobody listens.
    let (mut listened, mut all) = (0, 0);
    for row in table(include_str!("../data/neutron-21/exchanges.tsv")) {
        all += 1;
        let found = ours.contains(&row.join("\t"));
        listened += usize::from(found);
        assert!(found || row[0].starts_with("q-agent-notifier-"), "{row:?}");
    }
    assert_eq!(listened, ours.len());
    assert!(all > listened);
}

#[test]
fn bindings_are_those_of_stock_processes() {
    let mut count = 0;
    for row in table(include_str!("../data/neutron-21/bindings.tsv")) {
        let subscription = of_queue(row[2]);
        assert_eq!((subscription.exchange.unwrap().name.as_str(), subscription.routing_key.as_str()), (row[0], row[4]));
        count += 1;
    }
    assert!(count > 50);
}

#[test]
fn messages_go_where_those_of_stock_processes_went() {
    for recording in all() {
        let (exchange, key) = (recording.exchange, recording.routing_key);
        let to = match exchange {
            "" => Destination::Reply(key.to_owned()),
            "neutron" => match key.rsplit_once('.').filter(|_| recording.name.contains(".cast.")) {
                Some((topic, host)) => Destination::Server(name(topic), name(host)),
                None => Destination::Topic(name(key)),
            },
            fanout => Destination::Fanout(name(fanout.strip_suffix("_fanout").unwrap())),
        };
        let publication = stock().publication(&to);
        assert_eq!(publication.exchange.map_or_else(String::new, |exchange| exchange.name), exchange);
        assert_eq!((publication.routing_key.as_str(), publication.mandatory), (key, exchange.is_empty()));
    }
    assert_eq!(Port::topic(Version::new(1, 7)).unwrap(), name("neutron-vo-Port-1.7"));
}

#[test]
fn settings_are_those_of_stock_processes() {
    let quorum = Addressing { quorum: true, quorum_delivery_limit: 3, ..stock() };
    let topic = quorum.topic(&name("q-plugin"));
    assert!(topic.queue.durable && topic.exchange.unwrap().durable, "there are no others");
    let expected = [("x-queue-type", Argument::Text("quorum")), ("x-delivery-limit", Argument::Number(3))];
    assert_eq!(topic.queue.arguments, expected);
    let replies = quorum.replies(Uuid::nil()).queue;
    assert_eq!((replies.durable, replies.arguments), (false, vec![("x-expires", Argument::Number(1_800_000))]));

    let transient = Addressing { transient_quorum: true, transient_ttl: 60, ..stock() };
    let fanout = transient.fanout(&name("t"), Uuid::nil());
    assert!(fanout.queue.durable && fanout.exchange.unwrap().durable);
    let expected = [("x-queue-type", Argument::Text("quorum")), ("x-expires", Argument::Number(60_000))];
    assert_eq!(fanout.queue.arguments, expected);
    assert!(!transient.topic(&name("t")).queue.durable);
    assert_eq!(Addressing { transient_ttl: 0, ..stock() }.replies(Uuid::nil()).queue.arguments, []);
    let durable = Addressing { durable: true, auto_delete: true, ..stock() }.server(&name("t"), &name("h"));
    assert!(durable.queue.durable && durable.queue.auto_delete && durable.exchange.unwrap().auto_delete);
}

#[test]
fn a_name_is_one_that_a_broker_takes() {
    for wrong in ["", "a\nb", &"x".repeat(201)] {
        assert!(Name::new(wrong).is_err());
    }
    assert_eq!(name("q-plugin").to_string(), "q-plugin");
}
