//! Connections themselves: how many there are, who keeps one without using it, and how they end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{PATIENCE, Server, post, read_answer, read_some, status, with_body};
use super::{LIST, NETWORK, WHOLE, a_long_list, deaf};

const PLACES: usize = 64;

/// Takes all places and does the same with each connection; then another client comes, and is answered.
async fn others_give_way(begin: impl AsyncFn(&mut TcpStream)) {
    // far more patient than this test
    let server = Server::start_with(Duration::from_mins(10), &["--api-connections", &PLACES.to_string()]).await;
    let mut waiting = Vec::new();
    for _ in 0..PLACES {
        let mut stream = server.connect().await;
        begin(&mut stream).await;
        waiting.push(stream);
    }
    let ended = |stream: &&TcpStream| matches!(stream.try_read(&mut [0; 100]), Ok(0));
    // for longer than silent ones are left alone: there is room for all
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(waiting.iter().filter(ended).count(), 0);
    for _ in 0..3 {
        server.answers().await;
    }
    // which they would not have been, had none of these been closed; one for one of them at most
    let begin = Instant::now();
    while waiting.iter().filter(ended).count() == 0 {
        assert!(begin.elapsed() < PATIENCE, "nobody was closed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let closed = waiting.iter().filter(ended).count();
    assert!(closed <= 3, "{closed} were closed");
    assert!(server.log().contains("api_connections"), "{}", server.log());
}

#[tokio::test]
async fn who_is_silent_gives_way_to_who_comes() {
    others_give_way(async |_| ()).await;
}

#[tokio::test]
async fn who_sends_half_a_head_gives_way_to_who_comes() {
    others_give_way(async |stream| stream.write_all(&WHOLE[..WHOLE.len() - 2]).await.unwrap()).await;
}

#[tokio::test]
async fn who_keeps_a_connection_after_an_answer_gives_way_to_who_comes() {
    others_give_way(async |stream| {
        stream.write_all(WHOLE).await.unwrap();
        assert_eq!(status(&read_answer(stream).await), 200);
    })
    .await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_requests_under_way() {
    let server = Server::start_with(Duration::from_mins(10), &["--api-connections", "2"]).await;
    let mut under_way = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(post("Content-Length: 1000").as_bytes()).await.unwrap();
        under_way.push(stream);
    }
    let mut third = server.connect().await;
    third.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(read_some(&mut third).await.is_none(), "the third is served too");
    drop(under_way.pop());
    assert_eq!(status(&read_answer(&mut third).await), 200);
}

#[tokio::test]
async fn who_says_no_more_still_gets_the_answer() {
    let server = Server::start(&[]).await;
    let half = with_body(NETWORK);
    for (request, expected) in [
        (WHOLE.to_vec(), 200),
        (LIST.as_bytes().to_vec(), 200),
        (with_body(NETWORK), 201),
        // of what is not whole there is no more to come
        (half[..half.len() - 5].to_vec(), 400),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(&request).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert_eq!(status(&answer), expected, "{}", String::from_utf8_lossy(&request));
        assert!(answer.ends_with(b"}"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Also while an answer to it is on its way.
#[tokio::test]
async fn who_is_gone_is_noticed() {
    let server = Server::start_with(Duration::from_mins(10), &[]).await;
    a_long_list(&server, 15_500).await;
    let before = server.sockets();
    let mut clients = Vec::new();
    for number in 0..8 {
        let mut stream = deaf(&server, LIST).await;
        if number % 2 == 0 {
            // as one who still listens
            stream.shutdown().await.unwrap();
        }
        stream.readable().await.unwrap();
        clients.push(stream);
    }
    assert!(server.sockets() >= before + 2, "the answers are on their way");
    drop(clients);
    let begin = Instant::now();
    while server.sockets() > before {
        assert!(begin.elapsed() < PATIENCE, "{} connections to nobody", server.sockets() - before);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn links_name_the_address_that_the_client_has_connected_to() {
    let server = Server::start(&[]).await;
    for _ in 0..2 {
        assert_eq!(status(&server.ask_bytes(&with_body(NETWORK)).await), 201);
    }
    for (head, named) in [
        ("HTTP/1.0\r\n", server.address.to_string()),
        ("HTTP/1.1\r\nConnection: close\r\n", server.address.to_string()),
        ("HTTP/1.1\r\nHost:\r\nConnection: close\r\n", server.address.to_string()),
        ("HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n", "api.example".to_owned()),
    ] {
        for (path, place) in [
            ("/v2.0/networks?limit=1", "/networks_links/0/href"),
            ("/", "/versions/0/links/0/href"),
            ("/v2.0/", "/resources/0/links/0/href"),
            ("/openapi.json", "/servers/0/url"),
        ] {
            let answer = server.json(format!("GET {path} {head}\r\n").as_bytes()).await;
            let link = answer.pointer(place).and_then(serde_json::Value::as_str).unwrap();
            assert!(link.starts_with(&format!("http://{named}")), "{head}{path}: {link}");
        }
    }
}
