//! Peers that do not behave, and a stand-in for a switch that can do less than the real one.

use std::time::Duration;

use openflow::codec::{decode, encode, split};
use openflow::connection::{Connection, Event, Options, Target};
use openflow::{Error, Features, Flow, FlowFilter, FlowMod, Hello, Match, Message, SwitchError, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Far longer than anything here should take.
const DEADLINE: Duration = Duration::from_secs(20);

fn hasty() -> Options {
    let soon = Duration::from_secs(1);
    Options { connect: soon, answer: soon, keepalive: soon, ..Options::default() }
}

/// A peer that says what `play` makes it say; its address.
async fn peer<F: Future<Output = ()> + Send>(play: impl FnOnce(TcpStream) -> F + Send + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { play(listener.accept().await.unwrap().0).await });
    Target::Tcp(address.to_string())
}

/// A peer that says these bytes, then nothing, and never closes.
async fn says(bytes: Vec<u8>) -> Target {
    peer(async move |mut stream| {
        stream.write_all(&bytes).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await
}

fn bytes(message: &Message, xid: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, Version::V1_4, xid, &mut bytes).unwrap();
    bytes
}

fn hello() -> Vec<u8> {
    bytes(&Message::Hello(Hello { versions: Some(1 << 5) }), 0)
}

fn features() -> Message {
    Message::FeaturesReply(Features { datapath_id: 7, buffers: 0, tables: 254, auxiliary_id: 0, capabilities: 0 })
}

/// A peer that greets, answers what `answer` has an answer to, and is silent otherwise.
async fn answers(mut answer: impl FnMut(u32, Message) -> Option<Vec<u8>> + Send + 'static) -> Target {
    peer(async move |mut stream| {
        stream.write_all(&hello()).await.unwrap();
        let mut buffer = Vec::new();
        while stream.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
            while let Some((frame, taken)) = split(&buffer).unwrap() {
                let reply = match decode(&frame).unwrap() {
                    Message::Hello(_) => None,
                    Message::FeaturesRequest => Some(bytes(&features(), frame.xid)),
                    message => answer(frame.xid, message),
                };
                buffer.drain(..taken);
                if stream.write_all(&reply.unwrap_or_default()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

async fn refused(target: Target) -> String {
    let error = timeout(DEADLINE, Connection::open(&target, hasty())).await.unwrap().unwrap_err();
    error.to_string()
}

#[tokio::test]
async fn no_greeting_is_a_clear_error() {
    let gone = peer(async |mut stream| {
        stream.read_exact(&mut [0; 16]).await.unwrap();
    })
    .await;
    let older = bytes(&Message::Hello(Hello { versions: Some(1 << 1) }), 0);
    for (target, reason) in [
        (says(Vec::new()).await, "did not answer a greeting within 1s"),
        (says(vec![5, 0, 0]).await, "did not answer a greeting within 1s"),
        (says(vec![5, 0, 0, 3, 0, 0, 0, 0]).await, "3 bytes long, which cannot be"),
        (says(vec![5, 0, 0xff, 0xff, 0, 0, 0, 0]).await, "does not greet as an OpenFlow switch does"),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await, "does not greet as an OpenFlow switch does"),
        (says(older).await, "OpenFlow 1.3 or 1.4 is needed"),
        (says(hello()).await, "within 1s"),
        (gone, "closed the connection"),
    ] {
        let error = refused(target).await;
        assert!(error.contains(reason), "{error}, not: {reason}");
    }
    // The same options and a peer that behaves.
    let (connection, _events) = Connection::open(&answers(|_, _| None).await, hasty()).await.unwrap();
    assert_eq!(connection.features().await.unwrap().datapath_id, 7);
}

/// What becomes of a barrier and of the connection if the peer answers it with `reply`.
async fn barrier_answered_with(reply: fn(u32) -> Vec<u8>) -> (Error, String) {
    let target = answers(move |xid, message| match message {
        Message::BarrierRequest => Some(reply(xid)),
        _ => None,
    });
    let (connection, mut events) = Connection::open(&target.await, hasty()).await.unwrap();
    let error = timeout(DEADLINE, connection.barrier()).await.unwrap().unwrap_err();
    let event = timeout(DEADLINE, events.recv()).await.unwrap();
    let Some(Event::Disconnected(reason)) = event else { panic!("{event:?}") };
    assert!(matches!(connection.barrier().await, Err(Error::Lost(_))));
    (error, reason.to_string())
}

#[tokio::test]
async fn garbage_half_a_message_and_silence_end_the_connection_with_a_reason() {
    let (error, reason) = barrier_answered_with(|_| vec![5, 21, 0, 1, 0, 0, 0, 0]).await;
    assert!(matches!(error, Error::Lost(_)), "{error}");
    assert_eq!(reason, "a message says that it is 1 bytes long, which cannot be");
    let (error, reason) = barrier_answered_with(|_| vec![0xff; 70_000]).await;
    assert!(matches!(error, Error::Lost(_)), "{error}");
    assert!(reason.contains("another version than agreed"), "{reason}");
    // Half a message, silence.
    for reply in [|_| vec![5, 21, 0, 8], |_| vec![]] {
        let (error, reason) = barrier_answered_with(reply).await;
        assert!(matches!(error, Error::Timeout { what: "a request", .. } | Error::Lost(_)), "{error}");
        assert!(reason.contains("a sign of life"), "{reason}");
    }
    let (error, reason) =
        barrier_answered_with(|xid| bytes(&Message::BarrierReply, xid).repeat(9).split_off(8 * 9)).await;
    assert!(matches!(error, Error::Timeout { .. } | Error::Lost(_)), "{error}");
    assert!(reason.contains("a sign of life"), "{reason}");
}

#[tokio::test]
async fn signs_of_life_keep_a_quiet_connection_up() {
    let (told, mut echoes) = mpsc::unbounded_channel();
    let target = answers(move |xid, message| match message {
        Message::EchoRequest(body) => {
            told.send(()).unwrap();
            Some(bytes(&Message::EchoReply(body), xid))
        }
        Message::BarrierRequest => Some(bytes(&Message::BarrierReply, xid)),
        _ => None,
    });
    let (connection, _events) = Connection::open(&target.await, hasty()).await.unwrap();
    for _ in 0..3 {
        timeout(DEADLINE, echoes.recv()).await.unwrap().unwrap();
    }
    connection.barrier().await.unwrap();
}

#[tokio::test]
async fn an_echo_request_is_answered() {
    let (told, mut echoes) = mpsc::unbounded_channel();
    let target = answers(move |xid, message| match message {
        Message::BarrierRequest => {
            let asked = bytes(&Message::EchoRequest(b"alive?".to_vec()), 0xdead);
            Some([asked, bytes(&Message::BarrierReply, xid)].concat())
        }
        Message::EchoReply(body) => {
            told.send((xid, body)).unwrap();
            None
        }
        _ => None,
    });
    let (connection, _events) = Connection::open(&target.await, Options::default()).await.unwrap();
    connection.barrier().await.unwrap();
    assert_eq!(timeout(DEADLINE, echoes.recv()).await.unwrap(), Some((0xdead, b"alive?".to_vec())));
}

/// A stand-in for a switch without bundles: each version's "I do not know this".
#[tokio::test]
async fn a_switch_without_bundles_is_still_of_use() {
    let target = answers(|xid, message| match message {
        Message::BundleControl(_) | Message::BundleAdd { .. } => {
            let error = SwitchError { kind: 1, code: 1, experimenter: None, data: Vec::new() };
            Some(bytes(&Message::Error(error), xid))
        }
        Message::BarrierRequest => Some(bytes(&Message::BarrierReply, xid)),
        _ => None,
    });
    let (connection, _events) = Connection::open(&target.await, Options::default()).await.unwrap();
    assert!(!connection.supports_bundles().await.unwrap());
    let flow_mods = [FlowMod::add(Flow::new(0, 0, Match::any()))];
    let error = connection.bundle(&flow_mods).await.unwrap_err();
    assert_eq!(error.to_string(), "the switch cannot do bundles");
    assert!(connection.flow_mods(&flow_mods).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_refused_dump_names_the_refusal_and_leaves_the_connection_up() {
    let target = answers(|xid, message| match message {
        Message::MultipartRequest(_) => {
            let error = SwitchError { kind: 1, code: 5, experimenter: None, data: Vec::new() };
            Some(bytes(&Message::Error(error), xid))
        }
        Message::BarrierRequest => Some(bytes(&Message::BarrierReply, xid)),
        _ => None,
    });
    let (connection, _events) = Connection::open(&target.await, Options::default()).await.unwrap();
    let error = connection.dump_flows(FlowFilter::all(), |_| {}).await.unwrap_err();
    assert_eq!(error.to_string(), "the switch refused: not permitted (OFPBRC_EPERM)");
    connection.barrier().await.unwrap();
}

/// A peer that does not read: the caller is made to wait once the queue is full, and everything ends when the peer
/// shows no life.
#[tokio::test]
async fn a_peer_that_does_not_read_holds_callers_back_and_is_given_up() {
    let target = peer(async |mut stream| {
        stream.write_all(&hello()).await.unwrap();
        let mut header = [0; 24]; // our hello and the header of the question for features
        stream.read_exact(&mut header).await.unwrap();
        let xid = u32::from_be_bytes(*header.last_chunk().unwrap());
        stream.write_all(&bytes(&features(), xid)).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let (connection, mut events) = Connection::open(&target, hasty()).await.unwrap();
    let many = vec![FlowMod::add(Flow::new(0, 0, Match::any())); 400_000];
    let error = timeout(DEADLINE, connection.flow_mods(&many)).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error}");
    let event = timeout(DEADLINE, events.recv()).await.unwrap();
    assert!(matches!(event, Some(Event::Disconnected(_))), "{event:?}");
}
