//! The connection, on a real RabbitMQ: one for all that is tested here, since it takes seconds to start.

use std::future::Future;
use std::time::Duration;

use oslo::address::{Addressing, Destination, Name, Subscription};
use oslo::codec::{Context, Message, ReplyTo, Request};
use oslo::connection::{Client, Settings, connect};
use oslo::events::Event;
use oslo::transport::Broker;
use oslo::{Error, Failure, Json, Kind, Version};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::broker::{RabbitMq, free_ports};
use crate::proxy::Proxy;

/// For what must happen.
const DEADLINE: Duration = Duration::from_mins(2);
const LIMIT: Duration = Duration::from_mins(1);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn addressing() -> Addressing {
    Addressing::new(name("neutron"))
}

fn request(method: &str, args: &[(&str, i64)]) -> Request {
    let args: serde_json::Map<_, _> = args.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    Request {
        method: method.to_owned(),
        args: Json::of(&args).unwrap(),
        namespace: None,
        version: Some(Version::new(1, 0)),
        reply_to: None,
        unique_id: None,
        context: Context::default(),
    }
}

/// A process: what serves its host's part of a topic.
struct Process {
    client: Client,
    events: mpsc::Receiver<Event>,
}

impl Process {
    async fn start(ports: &[u16], host: &str) -> Self {
        let topic = name("q-test");
        let subscriptions = vec![addressing().server(&topic, &name(host)), addressing().fanout(&topic, Uuid::new_v4())];
        let mut process = Process::consuming(ports, host, subscriptions);
        process.up().await;
        process
    }

    fn consuming(ports: &[u16], host: &str, subscriptions: Vec<Subscription>) -> Self {
        let brokers = ports.iter().map(|port| format!("guest:guest@127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
        let brokers = Broker::parse_url(&format!("rabbit://{brokers}/")).unwrap();
        let settings = Settings { brokers, addressing: addressing(), name: host.to_owned(), heartbeat: 5 };
        let (client, events) = connect(settings, subscriptions);
        Process { client, events }
    }

    /// The broker that it is connected to; attempts that fail are passed over.
    async fn up(&mut self) -> String {
        loop {
            match soon("up", self.events.recv()).await.unwrap() {
                Event::Up { broker } => return broker,
                Event::Down { .. } => {}
                event => panic!("{event:?}"),
            }
        }
    }

    async fn down(&mut self) -> Error {
        match soon("down", self.events.recv()).await.unwrap() {
            Event::Down { error, .. } => error,
            event => panic!("{event:?}"),
        }
    }

    async fn heard(&mut self) -> Request {
        match soon("a request", self.events.recv()).await.unwrap() {
            Event::Request(request) => request,
            event => panic!("{event:?}"),
        }
    }

    /// Nothing but this has come.
    async fn heard_only(&mut self, method: &str) {
        assert_eq!(self.heard().await.method, method);
    }
}

/// Answers `double` with twice `n`, and fails with everything else. Says when it is up again: a call before that is lost, as the
/// broker does not know its queue.
async fn serve(mut server: Process, up: mpsc::UnboundedSender<()>) {
    while let Some(event) = server.events.recv().await {
        if matches!(event, Event::Up { .. }) {
            let _ = up.send(());
        }
        let Event::Request(request) = event else { continue };
        let Some(to) = &request.reply_to else { continue };
        let n = request.args::<std::collections::BTreeMap<String, i64>>().unwrap().get("n").copied();
        let outcome = match (request.method.as_str(), n) {
            ("double", Some(n)) => Ok(Json::of(&(2 * n)).unwrap()),
            _ => Err(Box::new(Failure::new("oslo_messaging.rpc.dispatcher", "NoSuchMethod", "no").unwrap())),
        };
        let _ = server.client.answer(to, outcome, LIMIT).await;
    }
}

async fn doubles(client: &Client, n: i64) {
    let answer = client.call(&Destination::Topic(name("q-server")), request("double", &[("n", n)]), LIMIT).await;
    assert_eq!(answer.unwrap().read::<i64>().unwrap(), 2 * n);
}

#[tokio::test(flavor = "multi_thread")]
async fn rpc_over_a_real_broker() {
    let mut rabbit = RabbitMq::start();
    let server = [addressing().topic(&name("q-server"))];
    let mut server = Process::consuming(&[rabbit.port], "server", server.into());
    server.up().await;
    let (up, mut server_up) = mpsc::unbounded_channel();
    tokio::spawn(serve(server, up));
    // The first broker of its list is not there.
    let [nobody] = free_ports();
    let mut one = Process::start(&[nobody, rabbit.port], "one").await;
    let proxy = Proxy::start(rabbit.port).await;
    let mut two = Process::start(&[proxy.port], "two").await;

    calls_casts_and_fanouts(&mut one, &mut two).await;
    what_comes_twice_is_taken_once(rabbit.port, &mut one).await;
    a_declaration_that_differs_is_refused_until_it_is_gone(rabbit.port).await;
    an_exchange_that_differs_concerns_nobody_else(rabbit.port, &mut one).await;
    the_network_is_cut(&proxy, &one, &mut two).await;
    the_broker_is_killed(&mut rabbit, &mut one, &mut two, &mut server_up).await;
}

async fn calls_casts_and_fanouts(one: &mut Process, two: &mut Process) {
    let topic = name("q-test");
    for n in 0..20 {
        doubles(&one.client, n).await;
    }
    let wrong = one.client.call(&Destination::Topic(name("q-server")), request("nonsense", &[]), LIMIT).await;
    assert!(matches!(&wrong, Err(Error::Failed(failure)) if failure.kind() == Kind::NotOffered), "{wrong:?}");
    let nobody = Destination::Server(name("q-server"), name("nobody"));
    let limit = Duration::from_millis(300);
    let unheard = one.client.call(&nobody, request("double", &[("n", 1)]), limit).await;
    assert!(matches!(unheard, Err(Error::NoAnswer { .. })), "{unheard:?}");
    let gone = ReplyTo { queue: "reply_gone".to_owned(), message_id: "1".to_owned(), monitor: None };
    let unsaid = one.client.answer(&gone, Ok(Json::default()), LIMIT).await;
    assert!(matches!(unsaid, Err(Error::NoQueue(_))), "{unsaid:?}");

    one.client.cast(&Destination::Server(topic.clone(), name("two")), request("to_two", &[]), LIMIT).await.unwrap();
    two.heard_only("to_two").await;
    one.client.cast(&Destination::Fanout(topic.clone()), request("to_all", &[]), LIMIT).await.unwrap();
    one.heard_only("to_all").await;
    two.heard_only("to_all").await;
    // Nobody listens to it, and the exchange is gone at once: neither is an error.
    for _ in 0..2 {
        one.client.cast(&Destination::Fanout(name("q-nobody")), request("to_nobody", &[]), LIMIT).await.unwrap();
    }
}

async fn what_comes_twice_is_taken_once(port: u16, one: &mut Process) {
    let uri = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
    let connection = lapin::Connection::connect(&uri, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let body = |method: &str, id: u128| {
        let message = Request { unique_id: Some(Uuid::from_u128(id)), ..request(method, &[]) };
        Message::Request(message).encode().unwrap()
    };
    for body in [body("twice", 1), body("twice", 1), b"nonsense".to_vec(), body("after", 2)] {
        let (options, properties) = (lapin::options::BasicPublishOptions::default(), lapin::BasicProperties::default());
        channel.basic_publish("".into(), "q-test.one".into(), options, &body, properties).await.unwrap().await.unwrap();
    }
    one.heard_only("twice").await;
    let odd = soon("what is no message", one.events.recv()).await.unwrap();
    assert!(matches!(&odd, Event::Unreadable { queue, .. } if queue == "q-test.one"), "{odd:?}");
    one.heard_only("after").await;
    // A queue that somebody deletes is made again.
    channel.queue_delete("q-test.one".into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
    let error = one.down().await;
    assert!(matches!(&error, Error::QueueGone(queue) if queue == "q-test.one"), "{error:?}");
    one.up().await;
    one.client.cast(&Destination::Server(name("q-test"), name("one")), request("again", &[]), LIMIT).await.unwrap();
    one.heard_only("again").await;
}

async fn a_declaration_that_differs_is_refused_until_it_is_gone(port: u16) {
    let uri = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
    let connection = lapin::Connection::connect(&uri, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("q-odd".into(), durable, lapin::types::FieldTable::default()).await.unwrap();
    let mut odd = Process::consuming(&[port], "odd", vec![addressing().topic(&name("q-odd"))]);
    let refused = odd.down().await;
    assert!(format!("{refused:?}").contains("PRECONDITION"), "{refused:?}");
    channel.queue_delete("q-odd".into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
    odd.up().await;
}

/// The broker closes the channel on which it is declared; that is no matter of what others publish.
async fn an_exchange_that_differs_concerns_nobody_else(port: u16, one: &mut Process) {
    let uri = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
    let connection = lapin::Connection::connect(&uri, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (options, table) = (lapin::options::ExchangeDeclareOptions::default(), lapin::types::FieldTable::default());
    channel.exchange_declare("q-odd_fanout".into(), lapin::ExchangeKind::Topic, options, table).await.unwrap();
    let (to_odd, to_one) = (Destination::Fanout(name("q-odd")), Destination::Server(name("q-test"), name("one")));
    for n in 0..3 {
        let (odd, plain) = tokio::join!(
            one.client.cast(&to_odd, request("odd", &[]), LIMIT),
            one.client.cast(&to_one, request("plain", &[]), LIMIT),
        );
        assert!(matches!(&odd, Err(Error::Declaration { name, .. }) if name == "q-odd_fanout"), "{odd:?}");
        plain.unwrap();
        one.heard_only("plain").await;
        doubles(&one.client, n).await;
    }
}

/// Nothing says so but the silence.
async fn the_network_is_cut(proxy: &Proxy, one: &Process, two: &mut Process) {
    doubles(&two.client, 1).await;
    proxy.cut(true);
    two.down().await;
    // Its queue is there still, and keeps what it gets.
    one.client.cast(&Destination::Server(name("q-test"), name("two")), request("meanwhile", &[]), LIMIT).await.unwrap();
    let client = two.client.clone();
    let waiting = tokio::spawn(async move { doubles(&client, 2).await });
    proxy.cut(false);
    two.up().await;
    two.heard_only("meanwhile").await;
    soon("the call that waited", waiting).await.unwrap();
}

async fn the_broker_is_killed(
    rabbit: &mut RabbitMq,
    one: &mut Process,
    two: &mut Process,
    server_up: &mut mpsc::UnboundedReceiver<()>,
) {
    rabbit.kill();
    one.down().await;
    two.down().await;
    let client = one.client.clone();
    let waiting = tokio::spawn(async move {
        client.cast(&Destination::Server(name("q-test"), name("one")), request("waited", &[]), DEADLINE).await
    });
    let unheard = two.client.cast(&Destination::Fanout(name("q-test")), request("late", &[]), LIMIT / 60).await;
    assert!(matches!(unheard, Err(Error::NotConnected)), "{unheard:?}");
    // What was said of earlier connections.
    while server_up.try_recv().is_ok() {}
    rabbit.start_again();
    one.up().await;
    two.up().await;
    soon("the cast that waited", waiting).await.unwrap().unwrap();
    one.heard_only("waited").await;
    // All that was declared is there again.
    two.client.cast(&Destination::Fanout(name("q-test")), request("to_all", &[]), LIMIT).await.unwrap();
    one.heard_only("to_all").await;
    two.heard_only("to_all").await;
    soon("the server is up", server_up.recv()).await.unwrap();
    doubles(&one.client, 3).await;
}
