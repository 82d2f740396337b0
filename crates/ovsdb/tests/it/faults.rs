//! What a peer may do to us: an error that says so, the connection closed, and another try.

use std::time::Duration;

use ovsdb::{Endpoint, Error, Options, PortSpec, Transaction};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::follower::{Follower, options};
use crate::proxy::Proxy;
use crate::server::{DEADLINE, SCHEMA, Server};

/// What a stand-in for a server says to a connection; it reads nothing.
#[derive(Debug, Clone, Copy)]
enum Saying {
    /// Then it waits for us to close.
    Bytes(&'static [u8]),
    /// Then it closes.
    BytesAndEnd(&'static [u8]),
    /// One message that does not end, as long as we take it.
    Endless,
}

/// Meets each connection in turn with what is to be said, then leaves the place to the real server. Reports of each
/// connection how many bytes went out until we closed.
fn stand_in(server: &Server, script: Vec<Saying>) -> (Endpoint, mpsc::UnboundedReceiver<usize>) {
    let path = server.dir().join("standin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let real = server.socket();
    let (closed, closed_receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for saying in script {
            let (mut peer, _) = listener.accept().await.unwrap();
            let said = say(&mut peer, saying).await;
            closed.send(said).unwrap();
        }
        while let Ok((mut peer, _)) = listener.accept().await {
            let mut real = UnixStream::connect(&real).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut peer, &mut real).await });
        }
    });
    (Endpoint::Unix(path), closed_receiver)
}

async fn say(peer: &mut UnixStream, saying: Saying) -> usize {
    match saying {
        Saying::BytesAndEnd(bytes) => {
            // Reads first: a socket closed with bytes unread would break ours with a reset instead of an end.
            let _ = peer.read(&mut [0; 4096]).await;
            peer.write_all(bytes).await.unwrap();
            bytes.len()
        }
        Saying::Bytes(bytes) => {
            peer.write_all(bytes).await.unwrap();
            let mut heard = [0; 4096];
            while let Ok(1..) = peer.read(&mut heard).await {}
            bytes.len()
        }
        Saying::Endless => {
            peer.write_all(b"{\"x\":\"").await.unwrap();
            let mut said = 6;
            while let Ok(count) = peer.write(&[b'x'; 4096]).await {
                said += count;
            }
            said
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_no_ovsdb_server_is_left_and_tried_again() {
    const LIMIT: usize = 100_000;
    let script = vec![
        Saying::Bytes(b"SSH-2.0-OpenSSH_9.2"),
        Saying::Bytes(b"{\"id\":0,,}"),
        Saying::Bytes(b"{\"id\":77,\"result\":{}}"),
        Saying::Bytes(b"{\"id\":1,\"result\":{\"tables\":{}},\"error\":null}"),
        Saying::BytesAndEnd(b"{\"id\":1,\"result\":{\"tab"),
        Saying::Bytes(b"{\"id\":1,\"result\":{\"tab"),
        Saying::Bytes(b""),
        Saying::Endless,
    ];
    let server = Server::standalone();
    let (endpoint, mut closed) = stand_in(&server, script.clone());
    let options = Options { probe_interval: Duration::from_millis(300), message_limit: LIMIT, ..options() };
    let mut follower = Follower::new(endpoint, options);
    follower.until("the real server", |follower| follower.replica.root().is_some()).await;

    let shown = format!("{:#?}", follower.errors);
    assert!(
        matches!(
            follower.errors.as_slice(),
            [
                Error::Framing(b'S'),
                Error::Json(_),
                Error::Malformed(_),
                Error::Schema(_),
                Error::Closed,
                Error::Silent(_),
                Error::Silent(_),
                Error::TooLong { limit: LIMIT },
            ]
        ),
        "{shown}"
    );
    let mut said = 0;
    for _ in &script {
        said = closed.recv().await.unwrap();
    }
    // What we read, plus what the kernel's socket buffers swallow at both ends.
    assert!((LIMIT..LIMIT + (2 << 20)).contains(&said), "took {said} bytes of an endless message");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_given_up_and_found_again() {
    let server = Server::standalone();
    let probing = Options { probe_interval: Duration::from_millis(200), ..options() };
    let mut follower = Follower::new(server.endpoint(), probing);
    follower.until("the first copy", |follower| follower.replica.root().is_some()).await;
    server.signal("-STOP");
    follower.until("an error", |follower| !follower.errors.is_empty()).await;
    assert!(matches!(follower.errors.as_slice(), [Error::Silent(_)]), "{:?}", follower.errors);
    server.signal("-CONT");
    follower.reconnected().await;
}

/// The positive control of the test above: an idle connection to a server that is well stays, by its answers to our probes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_stays() {
    let server = Server::standalone();
    let proxy = Proxy::unix(server.dir(), &server.socket());
    let probing = Options { probe_interval: Duration::from_millis(100), ..options() };
    let mut follower = Follower::new(proxy.endpoint(), probing);
    follower.until("the first copy", |follower| follower.replica.root().is_some()).await;
    let record = proxy.last();
    follower.until_seen("probes", || record.requests("echo") >= 5).await;
    follower.catch_up().await;
    assert_eq!((follower.connected.len(), follower.errors.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_under_way_when_the_server_is_killed_has_an_unknown_outcome() {
    let mut server = Server::standalone();
    server.vsctl(&["add-br", "br0"]);
    let proxy = Proxy::unix(server.dir(), &server.socket());
    let mut follower = Follower::started(proxy.endpoint()).await;
    let (bridge, _) = follower.replica.bridge_by_name("br0").unwrap();
    let add = |name: &str| {
        let mut transaction = Transaction::new();
        transaction.add_ports(&bridge.into(), &[PortSpec::internal(name)]);
        transaction
    };

    // A server that stands still has it, but has not answered.
    server.signal("-STOP");
    let (client, transaction, record) = (follower.client.clone(), add("p0"), proxy.last());
    let call = tokio::spawn(async move { client.commit(transaction).await });
    follower.until_seen("the transaction on the wire", || record.requests("transact") == 1).await;
    server.kill();
    let result = call.await.unwrap();
    assert!(matches!(result, Err(Error::OutcomeUnknown(_))), "{result:?}");
    assert!(result.unwrap_err().to_string().contains("outcome is unknown"));

    // With no server there is nothing to wait for.
    follower.until("an error", |follower| !follower.errors.is_empty()).await;
    let result = follower.client.commit(add("p1")).await;
    assert!(matches!(result, Err(Error::NotConnected)), "{result:?}");

    // The next connection tells: it was not done.
    server.start();
    follower.reconnected().await;
    assert_eq!(follower.replica.ports_of(bridge).count(), 1);
    follower.client.commit(add("p0")).await.unwrap();
    assert_eq!(server.vsctl(&["list-ports", "br0"]), "p0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_without_an_answer_ends_in_time() {
    let server = Server::standalone();
    let hasty = Options { request_timeout: Duration::from_millis(200), ..options() };
    let mut follower = Follower::new(server.endpoint(), hasty);
    follower.until("the first copy", |follower| follower.replica.root().is_some()).await;
    server.signal("-STOP");
    let mut transaction = Transaction::new();
    transaction.next_cfg();
    let result = follower.client.commit(transaction).await;
    server.signal("-CONT");
    assert!(matches!(result, Err(Error::OutcomeUnknown(_))), "{result:?}");
    // Its late answer does no harm.
    follower.until("its effect", |follower| follower.root().next_cfg == 1).await;
    assert_eq!(follower.errors.len(), 0);
}

/// What waits for the consumer is bounded: who takes nothing is sent no more, and finds everything when he comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_pauses_loses_nothing() {
    let server = Server::standalone();
    server.vsctl(&["add-br", "br0"]);
    // The pause is longer than the silence after which a server is given up.
    let narrow = Options { backlog: 1, probe_interval: Duration::from_millis(100), ..options() };
    let mut follower = Follower::new(server.endpoint(), narrow);
    follower.until("the first copy", |follower| follower.replica.root().is_some()).await;
    for tag in 0..60 {
        server.vsctl(&["set", "port", "br0", &format!("tag={tag}")]);
    }
    follower.catch_up().await;
    assert_eq!(follower.replica.ports().values().next().unwrap().tag, Some(59));
    assert_eq!((follower.connected.len(), follower.errors.len()), (1, 0));
}

/// A stand-in for a server that has endless news; says how much of it we take while nobody takes it from us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_consumer_is_bounded() {
    const BACKLOG: usize = 1 << 20;
    const STALL: Duration = Duration::from_secs(1);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("standin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let options = Options { backlog: BACKLOG, ..options() };
    let (_client, mut events) = ovsdb::Client::connect(Endpoint::Unix(path), options);
    let (mut peer, _) = listener.accept().await.unwrap();

    let schema = std::fs::read_to_string(SCHEMA).unwrap();
    let zero = uuid::Uuid::nil();
    let opening =
        format!(r#"{{"id":0,"result":{{}}}}{{"id":1,"result":{schema}}}{{"id":2,"result":[false,"{zero}",{{}}]}}"#);
    peer.write_all(opening.as_bytes()).await.unwrap();
    let news = format!(r#"{{"id":null,"method":"update3","params":["culvert","{zero}",{{}}]}}"#).repeat(50);

    let mut taken = 0;
    while let Ok(result) = timeout(STALL, peer.write_all(news.as_bytes())).await {
        result.unwrap();
        taken += news.len();
        assert!(taken < 32 * BACKLOG, "we take without end");
    }
    // What the sockets hold is not counted as ours.
    assert!((BACKLOG..BACKLOG + (2 << 20)).contains(&taken), "took {taken} bytes");

    // The positive control: what is taken from us makes room. (Half a message may be out: any bytes will do.)
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    timeout(DEADLINE, peer.write_all(news.as_bytes())).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_ends_with_its_last_handle() {
    let server = Server::standalone();
    let mut follower = Follower::started(server.endpoint()).await;
    let second = follower.client.clone();
    drop(second);
    follower.catch_up().await;
    let Follower { client, mut events, .. } = follower;
    drop(client);
    let end = timeout(DEADLINE, events.recv()).await.unwrap();
    assert!(end.is_none(), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_is_not_there_is_tried_until_it_is() {
    let mut server = Server::standalone();
    server.kill();
    std::fs::remove_file(server.socket()).unwrap();
    let mut follower = Follower::new(server.endpoint(), options());
    follower.until("two tries", |follower| follower.errors.len() >= 2).await;
    assert!(follower.errors.iter().all(|error| matches!(error, Error::Connect { .. })), "{:?}", follower.errors);
    server.start();
    follower.reconnected().await;
}
