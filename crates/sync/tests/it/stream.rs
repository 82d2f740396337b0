//! Over real TCP, with what crosses it counted by a proxy.

use std::net::IpAddr;

use directory::NetworkView;
use model::{Change, Mac, Port, PortId, TunnelType};
use sync::Error;
use sync::messages::{Question, QuestionKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::facts::{a_port, host, network};
use crate::hub::{Agent, Hub, eventually};
use crate::proxy::Proxy;

/// Many wired ports of network 0 on a host; `variant` changes their addresses.
fn crowd(on: u8, range: std::ops::Range<u16>, variant: u8) -> Vec<Change> {
    let ports = range.map(|n| {
        let [high, low] = n.to_be_bytes();
        let id = PortId(Uuid::from_u128(0xc0_0000 + u128::from(n)));
        let (mac, ips) = (Mac([2, 1, 0, 0, high, low]), vec![IpAddr::from([10, 9 + variant, high, low])]);
        Change::Port(Port { id, mac, ips, ..a_port(0, on, true) })
    });
    ports.collect()
}

async fn settled(hub: &Hub, agent: &Agent, on: u8) {
    eventually("the agent has all entries, and the server knows", || {
        let hub = hub.lock();
        let revision = hub.directory.view(network(0), &host(on)).map(NetworkView::revision);
        let known = revision.is_some_and(|revision| {
            hub.session(&host(on))
                .is_some_and(|session| session.is_complete() && session.confirmed(network(0), revision))
        });
        let expected = hub.facts.entries_for(on, 0);
        let agent = agent.lock();
        known && agent.complete && agent.entries.get(&network(0)) == Some(&expected)
    })
    .await;
}

#[tokio::test]
async fn two_hosts_learn_of_each_other() {
    let hub = Hub::start().await;
    hub.lock().commit(vec![Change::Port(a_port(0, 0, false)), Change::Port(a_port(1, 1, false))]);
    let agents = [Agent::new(0, [0]), Agent::new(1, [1])];
    for (on, agent) in (0..).zip(&agents) {
        agent.run(hub.address);
        settled(&hub, agent, on).await;
    }
    settled(&hub, &agents[0], 0).await;
    let known: Vec<_> = agents.iter().map(|agent| agent.lock().entries[&network(0)].len()).collect();
    assert_eq!(known, [1, 1], "each was wired, published, and told to the other");
}

#[tokio::test]
async fn who_comes_back_gets_what_it_missed_and_no_more() {
    let hub = Hub::start().await;
    hub.lock().commit(crowd(1, 0..2000, 0));
    hub.lock().commit(vec![Change::Port(a_port(0, 0, false))]);
    let proxy = Proxy::start(hub.address).await;
    let agent = Agent::new(0, [0]);
    agent.run(proxy.address);
    settled(&hub, &agent, 0).await;
    let whole = proxy.bytes();
    assert!(agent.lock().kinds["snapshot"] > 2, "in parts: {:?}", agent.lock().kinds);
    assert!(whole > 80_000, "the control: {whole} bytes for a snapshot of 2,000 entries");

    proxy.cut();
    eventually("the stream breaks", || agent.lock().error.is_some() && hub.lock().streams.is_empty()).await;
    assert_eq!(agent.lock().entries[&network(0)].len(), 2000, "nothing is removed");
    hub.lock().commit(crowd(1, 0..20, 1));
    let before = proxy.bytes();
    agent.run(proxy.address);
    settled(&hub, &agent, 0).await;
    let kinds = agent.lock().kinds.clone();
    assert_eq!((kinds.get("snapshot"), kinds.get("delta")), (None, Some(&1)), "{kinds:?}");
    let missed = proxy.bytes() - before;
    assert!(missed < 4_000, "{missed} bytes for 20 entries, {whole} for all");
}

#[tokio::test]
async fn a_host_without_interest_gets_not_one_byte() {
    let hub = Hub::start().await;
    hub.lock().commit(vec![Change::Port(a_port(0, 0, false)), Change::Port(a_port(2, 2, false))]);
    let proxy = Proxy::start(hub.address).await;
    let (interested, other) = (Agent::new(0, [0]), Agent::new(2, []));
    interested.run(hub.address);
    other.run(proxy.address);
    settled(&hub, &interested, 0).await;
    eventually("the other is complete", || other.lock().complete).await;

    // A question and its answer come after all that was sent before, so the bytes between two questions are exact.
    let kind = QuestionKind::ExplainDrop { tunnel_type: TunnelType::Gre, key: 1, from: None };
    let ask = async |question| {
        let before = proxy.bytes();
        hub.lock().ask(&host(2), &Question { question, kind: kind.clone() });
        let question = usize::try_from(question).unwrap();
        eventually("the question is answered", || hub.lock().answers.len() == question).await;
        (before, proxy.bytes() - before)
    };
    let (_, cost) = ask(1).await;
    let (_, again) = ask(2).await;
    assert_eq!(cost, again, "a question costs the same each time");
    let before = proxy.bytes();
    for n in 0..50 {
        hub.lock().commit(crowd(1, n..n + 1, 0));
    }
    settled(&hub, &interested, 0).await;
    assert_eq!(interested.lock().entries[&network(0)].len(), 50);
    let (until, cost) = ask(3).await;
    assert_eq!((until - before, cost), (0, again));

    // The control: with a port there it learns.
    other.plug(2);
    settled(&hub, &other, 2).await;
    assert!(proxy.bytes() - before > 50 * 40);
}

#[tokio::test]
async fn an_agent_that_does_not_read_gets_fewer_and_larger_messages() {
    let hub = Hub::start().await;
    hub.lock().commit(vec![Change::Port(a_port(0, 0, false))]);
    let agent = Agent::new(0, [0]);
    agent.run(hub.address);
    settled(&hub, &agent, 0).await;
    let before = agent.lock().kinds.get("delta").copied().unwrap_or_default();

    let not_reading = agent.reading.clone().lock_owned().await;
    for n in 0..20_000_u16 {
        hub.lock().commit(crowd(1, n % 500..n % 500 + 1, u8::from(n >= 10_000)));
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(not_reading);
    settled(&hub, &agent, 0).await;
    let messages = agent.lock().kinds["delta"] - before;
    assert!(messages < 600, "{messages} messages for 20,000 changes");
    assert!(agent.lock().error.is_none(), "the stream has held");
}

#[tokio::test]
async fn a_refusal_reaches_the_agent_as_a_sentence() {
    let hub = Hub::start().await;
    hub.lock().refuse = Some("the tunnel endpoint 10.0.0.1 belongs to host-7".to_owned());
    let agent = Agent::new(0, []);
    agent.run(hub.address);
    eventually("the agent is refused", || agent.lock().error.is_some()).await;
    let state = agent.lock();
    let Some(Error::Refused(reason)) = &state.error else { panic!("{:?}", state.error) };
    assert_eq!(reason, "the tunnel endpoint 10.0.0.1 belongs to host-7");
}

#[tokio::test]
async fn a_peer_that_sends_garbage_disturbs_nobody() {
    let hub = Hub::start().await;
    hub.lock().commit(vec![Change::Port(a_port(0, 0, false)), Change::Port(a_port(1, 1, true))]);
    let agent = Agent::new(0, [0]);
    agent.run(hub.address);
    settled(&hub, &agent, 0).await;

    let mut peer = TcpStream::connect(hub.address).await.unwrap();
    // The server may hang up before it has read all.
    let _ = peer.write_all(&vec![0x5a; 1 << 20]).await;
    let mut answer = Vec::new();
    let _ = peer.read_to_end(&mut answer).await;
    drop(peer);
    // Half a connection preface, and nothing more.
    let mut silent = TcpStream::connect(hub.address).await.unwrap();
    silent.write_all(b"PRI * HTTP").await.unwrap();

    hub.lock().commit(crowd(1, 0..1, 0));
    settled(&hub, &agent, 0).await;
    assert!(agent.lock().error.is_none());
    assert!(hub.lock().closed.is_empty(), "no stream was ever opened for garbage");
}

#[tokio::test]
async fn no_server_is_an_error_that_says_where_it_was_sought() {
    let hub = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hub.local_addr().unwrap();
    drop(hub);
    let agent = Agent::new(0, []);
    agent.run(address);
    eventually("the agent gives up", || agent.lock().error.is_some()).await;
    let error = agent.lock().error.take().unwrap().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

/// A server of another major version has another service: it answers that it does not know ours.
#[tokio::test]
async fn an_agent_says_that_the_server_is_of_another_major_version() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let other = tonic::transport::Server::builder().add_routes(tonic::service::Routes::default());
    tokio::spawn(other.serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)));
    let error = sync::agent::connect(&address.to_string(), crate::facts::hello(0)).await.unwrap_err();
    assert!(matches!(error, Error::OtherMajor(_)), "{error:?}");
    assert!(error.to_string().contains("culvert.sync.v1"), "{error}");
}
