//! What strangers send to the REST API of a real server process: it stays small, and answers others meanwhile.

mod connections;
mod server;

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use futures::future::{join_all, select_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use server::{PATIENCE, read_answer, read_some, with_body};
pub(crate) use server::{Server, post, post_ports, status};

#[tokio::test]
async fn a_body_of_100_mb_is_refused_and_not_kept() {
    let server = Server::start(&[]).await;
    for framing in ["Content-Length: 104857600", "Transfer-Encoding: chunked"] {
        let mut stream = server.connect().await;
        stream.write_all(post(framing).as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let chunk = if framing.ends_with("chunked") {
            [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat()
        } else {
            vec![b' '; 1 << 20]
        };
        let sender = tokio::spawn(async move {
            let mut sent = 0;
            while sent < 100 && writer.write_all(&chunk).await.is_ok() {
                sent += 1;
            }
        });
        let mut answer = Vec::new();
        // the connection may be reset once the answer is there
        let _ = reader.read_to_end(&mut answer).await;
        assert_eq!(status(&answer), 413, "{framing}");
        sender.await.unwrap();
        server.answers().await;
    }
    // one of 1 MB is taken
    let name = "x".repeat(255);
    let networks = vec![format!(r#"{{"name": "{name}"}}"#); 4000].join(",");
    let body = format!(r#"{{"networks": [{networks}]}}"#);
    assert!(body.len() > 1 << 20);
    let answer = server.ask(&format!("{}{body}", post(&format!("Content-Length: {}", body.len())))).await;
    assert_eq!(status(&answer), 503, "there are not as many segments: {}", String::from_utf8_lossy(&answer));
    server.stays_small();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Server::start(&[]).await;
    let deep = "[".repeat(100_000);
    let long = format!("GET /v2.0/networks?name={} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000));
    let headers = (0..200).fold("GET / HTTP/1.1\r\nHost: x\r\n".to_owned(), |mut head, number| {
        let _ = write!(head, "X-{number}: y\r\n");
        head
    });
    for (request, expected) in [
        (with_body(b"{\"network\": {"), 400),
        (with_body(deep.as_bytes()), 400),
        (with_body(b"{\"network\": {\"name\": \"\xff\"}}"), 400),
        (b"GET /v2.0/networks/%ff HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 400),
        (b"GET /v2.0/networks?name=%ff HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 400),
        (b"FOO /v2.0/networks HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 405),
        (b"GET /nonsense HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 404),
    ] {
        let (head, body) = refusal(&server, &request, expected).await;
        assert!(
            head.contains("x-openstack-request-id: req-") && body.starts_with(r#"{"NeutronError":"#),
            "{head}{body}"
        );
    }
    // below HTTP there is no request yet that could have an id
    for (request, expected) in [
        (b"GET /v2.0/networks/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n".to_vec(), 400),
        (b"no HTTP at all\r\n\r\n".to_vec(), 400),
        (long.into_bytes(), 414),
        (format!("{headers}\r\n").into_bytes(), 431),
    ] {
        let (head, body) = refusal(&server, &request, expected).await;
        assert!(!head.contains("x-openstack-request-id") && body.is_empty(), "{head}{body}");
    }
    server.stays_small();
}

/// The head, in lower case, and the body of an answer that is to have this status.
async fn refusal(server: &Server, request: &[u8], expected: u16) -> (String, String) {
    let mut stream = server.connect().await;
    // a server that has seen enough need not read the rest
    let _ = stream.write_all(request).await;
    let answer = read_answer(&mut stream).await;
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(status(&answer), expected, "{}: {text}", String::from_utf8_lossy(&request[..request.len().min(60)]));
    server.answers().await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up() {
    let server = Server::start(&[]).await;
    // a body that stops, one that drips, and heads that do
    let mut body = server.connect().await;
    body.write_all(format!("{}{{\"network\"", post("Content-Length: 1000")).as_bytes()).await.unwrap();
    let mut dripping_body = server.connect().await;
    dripping_body.write_all(post("Transfer-Encoding: chunked").as_bytes()).await.unwrap();
    let mut head = server.connect().await;
    head.write_all(b"GET /v2.0/networks HTTP/1.1\r\n").await.unwrap();
    let mut dripping_head = server.connect().await;
    dripping_head.write_all(b"GET /v2.0/networks HTTP/1.1\r\n").await.unwrap();

    let begin = Instant::now();
    let (mut ended_body, mut ended_head) = (Vec::new(), false);
    while begin.elapsed() < PATIENCE && (ended_body.is_empty() || !ended_head) {
        let _ = dripping_body.write_all(b"1\r\n \r\n").await;
        let _ = dripping_head.write_all(b"X: y\r\n").await;
        ended_body.extend(read_some(&mut dripping_body).await.unwrap_or_default());
        ended_head |= read_some(&mut dripping_head).await.is_some_and(|read| read.is_empty());
        server.answers().await;
    }
    assert!(ended_head, "headers without end are still being read");
    assert_eq!(status(&ended_body), 408);
    assert_eq!(status(&read_answer(&mut body).await), 408);
    assert_eq!(read_answer(&mut head).await, b"", "closed without an answer");
    server.stays_small();
}

const NETWORK: &[u8] = br#"{"network": {"name": "one"}}"#;

/// More of them than requests are under way at a time.
#[tokio::test]
async fn six_hundred_unfinished_requests_keep_nobody_waiting() {
    // far more patient than this test
    let server = Server::start_with(Duration::from_mins(10), &[]).await;
    for unfinished in [
        format!("{}{{", post("Content-Length: 1000")),
        format!("{}1\r\n{{\r\n", post("Transfer-Encoding: chunked")),
        // a method may begin so, and a head with empty lines
        "get".to_owned(),
        "\r\n\r\n".to_owned(),
    ] {
        let mut waiting = Vec::new();
        for _ in 0..600 {
            let mut stream = server.connect().await;
            stream.write_all(unfinished.as_bytes()).await.unwrap();
            waiting.push(stream);
        }
        server.answers().await;
        assert_eq!(status(&server.ask_bytes(&with_body(NETWORK)).await), 201);
        // which they would have, had some of them not been given up
        let first_given_up = select_all(waiting.iter().map(|stream| Box::pin(stream.readable())));
        let given_up = tokio::time::timeout(PATIENCE, first_given_up).await;
        assert!(given_up.is_ok(), "all of them can wait: {unfinished}");
        let all = waiting.iter().map(|stream| stream.try_read(&mut [0; 100]));
        let given_up = all.filter(|read| !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)).count();
        assert!((1..500).contains(&given_up), "some give way and most can wait: {unfinished}: {given_up}");
    }
    server.stays_small();
}

#[tokio::test]
async fn unfinished_long_heads_give_way_to_others() {
    let server = Server::start_with(Duration::from_mins(10), &[]).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let mut stream = server.connect().await;
        waiting.spawn(async move {
            let _ = stream.write_all(format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(100 << 10)).as_bytes()).await;
            read_answer(&mut stream).await
        });
    }
    // there is not room for all
    assert_eq!(waiting.join_next().await.unwrap().unwrap(), b"", "closed without an answer");
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "y".repeat(8 << 10));
    assert_eq!(status(&server.ask(&long).await), 200);
    server.answers().await;
    server.stays_small();
}

#[tokio::test]
async fn unfinished_bodies_give_way_to_others() {
    const UNFINISHED: usize = 2_089_999;
    let server = Server::start_with(Duration::from_mins(10), &[]).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut stream = server.connect().await;
        waiting.spawn(async move {
            let head = post(&format!("Content-Length: {}", UNFINISHED + 1));
            // the server need not read what it refuses
            let _ = stream.write_all(&[head.as_bytes(), &vec![b' '; UNFINISHED]].concat()).await;
            status(&read_answer(&mut stream).await)
        });
    }
    // there is room for four
    for _ in 0..4 {
        assert_eq!(waiting.join_next().await.unwrap().unwrap(), 503);
    }
    assert_eq!(status(&server.ask_bytes(&with_body(NETWORK)).await), 201);
    // as soon as all that the four have sent is read, a large one finds no room but theirs
    let large = [&vec![b' '; 100 << 10], NETWORK].concat();
    let begin = Instant::now();
    let gave_way = loop {
        assert_eq!(status(&server.ask_bytes(&with_body(&large)).await), 201);
        if let Some(gave_way) = waiting.try_join_next() {
            break gave_way.unwrap();
        }
        assert!(begin.elapsed() < PATIENCE, "the large ones find room, or wait for nobody");
    };
    assert_eq!(gave_way, 503);
    server.answers().await;
    server.stays_small();
}

const MANY: usize = 5000;
const WHOLE: &[u8] = b"GET /v2.0/networks?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn five_thousand_silent_connections_do_not_matter() {
    many_wait(async |_| ()).await;
}

#[tokio::test]
async fn five_thousand_halves_of_a_head_do_not_matter() {
    many_wait(async |stream| stream.write_all(&WHOLE[..WHOLE.len() - 2]).await.unwrap()).await;
}

#[tokio::test]
async fn five_thousand_connections_kept_after_an_answer_do_not_matter() {
    many_wait(async |stream| {
        stream.write_all(WHOLE).await.unwrap();
        assert_eq!(status(&read_answer(stream).await), 200);
    })
    .await;
}

/// Opens many connections, does the same with each, and leaves all of them open at once.
async fn many_wait(begin: impl AsyncFn(&mut TcpStream)) {
    // this process holds the other ends
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    // none is given up before the last is there
    let server = Server::start_with(Duration::from_mins(10), &[]).await;
    let mut waiting = Vec::new();
    while waiting.len() < MANY {
        let mut stream = server.connect().await;
        begin(&mut stream).await;
        waiting.push(stream);
        if waiting.len() % 1000 == 0 {
            server.answers().await;
        }
    }
    let begin = Instant::now();
    while server.sockets() < MANY {
        assert!(begin.elapsed() < PATIENCE, "the server has taken {} connections", server.sockets());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.answers().await;
    server.stays_small();
}

#[tokio::test]
async fn who_waits_too_long_is_given_up() {
    let server = Server::start(&[]).await;
    let (mut silent, mut kept) = (server.connect().await, server.connect().await);
    for _ in 0..2 {
        kept.write_all(WHOLE).await.unwrap();
        assert_eq!(status(&read_answer(&mut kept).await), 200, "another request on the same connection");
    }
    assert_eq!(read_answer(&mut silent).await, b"", "closed without an answer");
    assert_eq!(read_answer(&mut kept).await, b"", "closed without another answer");
    server.stays_small();
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_their_order() {
    let server = Server::start(&[]).await;
    let mut stream = server.connect().await;
    // the second begins with the first, the last is cut
    let paths = ["/", "/nonsense", "/v2.0/networks?limit=1", "/v2.0/nonsense", "/"];
    let requests = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).concat();
    let (most, rest) = requests.split_at(requests.len() - 5);
    stream.write_all(most.as_bytes()).await.unwrap();
    let mut answers = String::new();
    let mut rest = Some(rest);
    while answers.matches("HTTP/1.1 ").count() < paths.len() {
        if answers.matches("HTTP/1.1 ").count() == paths.len() - 1
            && let Some(rest) = rest.take()
        {
            stream.write_all(rest.as_bytes()).await.unwrap();
        }
        let mut piece = vec![0; 1 << 16];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {answers}");
        answers.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200", "404", "200"]);
    assert!(!answers.to_lowercase().contains("connection: close"), "{answers}");
}

const LIST: &str = "GET /v2.0/ports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Makes ports, each with so much to it, until their list is longer than what lies on its way; the list.
async fn a_long_list(server: &Server, profile: usize) -> Vec<u8> {
    let network = server.json(&with_body(br#"{"network": {"provider:network_type": "vxlan"}}"#)).await;
    let id = network["network"]["id"].as_str().unwrap();
    let port = format!(r#"{{"network_id": "{id}", "binding:profile": {{"x": "{}"}}}}"#, "x".repeat(profile));
    let at_once = (1 << 20) / port.len();
    for _ in 0..2000_usize.div_ceil(at_once).min(4) {
        let body = format!(r#"{{"ports": [{}]}}"#, vec![port.as_str(); at_once].join(","));
        assert_eq!(status(&server.ask(&post_ports(&body)).await), 201);
    }
    let whole = server.ask(LIST).await;
    assert!(whole.len() > 1 << 20, "a list of {} bytes", whole.len());
    whole
}

/// Asks and takes next to nothing of the answer.
async fn deaf(server: &Server, request: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn who_does_not_read_keeps_nobody_from_the_database() {
    // far more patient than this test
    let server = Server::start_with(Duration::from_mins(10), &[]).await;
    let whole = a_long_list(&server, 255).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(deaf(&server, LIST).await);
        server.answers().await;
    }
    assert_eq!(server.ask(LIST).await.len(), whole.len());
    server.stays_small();
}

/// More clients than lists are read at a time, none of them fast: who reads keeps its place.
#[tokio::test]
async fn lists_that_are_read_are_whole() {
    // as long as they may wait for each other
    let server = Server::start_with(PATIENCE, &[]).await;
    let whole = a_long_list(&server, 15_500).await;
    let lists = join_all((0..40).map(|_| server.ask(LIST))).await;
    for list in lists {
        assert_eq!(list.len(), whole.len());
    }
    server.stays_small();
}

#[tokio::test]
async fn who_does_not_read_costs_others_nothing() {
    // far more patient than this test: it is not time that gives others their room
    let server = Server::start_with(Duration::from_mins(10), &[]).await;
    // as large as a port may be
    let whole = a_long_list(&server, 15_500).await;
    let page = "GET /v2.0/ports?limit=400 HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(deaf(&server, LIST).await);
        waiting.push(deaf(&server, page).await);
        server.answers().await;
    }
    // while they are still there
    assert_eq!(server.ask(LIST).await.len(), whole.len());
    assert_eq!(status(&server.ask(page).await), 200);
    server.stays_small();
    drop(waiting);
}

/// However late it is read: hyper takes an answer for done once it has encoded it.
#[tokio::test]
async fn an_answer_arrives_whole() {
    let server = Server::start(&[]).await;
    // more than the buffers of two sockets take
    a_long_list(&server, 15_500).await;
    for connection in ["close", "keep-alive"] {
        let page = format!("GET /v2.0/ports?limit=400 HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n");
        let mut stream = deaf(&server, &page).await;
        stream.readable().await.unwrap();
        // meanwhile the server writes what it can
        server.answers().await;
        let mut answer = Vec::new();
        let whole = loop {
            if let Some(whole) = length(&answer) {
                break whole;
            }
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{connection}");
        };
        while answer.len() < whole {
            let read = stream.read_buf(&mut answer).await.unwrap();
            assert_ne!(read, 0, "{connection}: {} of {whole} bytes", answer.len());
        }
        assert!(whole > 4 << 20, "an answer of {whole} bytes");
    }
}

/// Bytes of an answer, by its head, once that is there.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(answer.get(..head)?).to_lowercase();
    let body: usize = text.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    Some(head + body)
}

#[tokio::test]
async fn a_long_list_is_sent_as_it_is_read() {
    const PORTS: usize = 10_000;
    let server = Server::start(&[]).await;
    let network = server.json(&with_body(br#"{"network": {"provider:network_type": "vxlan"}}"#)).await;
    let id = network["network"]["id"].as_str().unwrap();
    let ports = async |count: usize, profile: usize| {
        let profile = "x".repeat(profile);
        let port = format!(r#"{{"network_id": "{id}", "binding:profile": {{"x": "{profile}"}}}}"#);
        let body = format!(r#"{{"ports": [{}]}}"#, vec![port.as_str(); count].join(","));
        let answer = server.ask(&post_ports(&body)).await;
        (status(&answer), answer)
    };
    for _ in 0..PORTS / 1000 {
        assert_eq!(ports(1000, 200).await.0, 201);
    }
    // as large as a port may be, and larger
    for _ in 0..4 {
        assert_eq!(ports(100, 15_500).await.0, 201);
    }
    let (refused, answer) = ports(1, 17_000).await;
    assert_eq!(refused, 400, "{}", String::from_utf8_lossy(&answer));

    let lists = ["", "?limit=1000000", "?sort_key=name&sort_dir=desc"].map(|query| {
        let request = format!("GET /v2.0/ports{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let server = &server;
        async move {
            let begin = Instant::now();
            loop {
                let answer = server.ask(&request).await;
                // two have a turn; a third may have to try again
                if status(&answer) != 503 || begin.elapsed() > PATIENCE {
                    return (query, answer);
                }
            }
        }
    });
    let (lists, ()) = tokio::join!(futures::future::join_all(lists), server.answers());
    for (query, answer) in lists {
        assert_eq!(status(&answer), 200, "{query}");
        let text = String::from_utf8_lossy(&answer);
        let found = text.matches("\"id\":").count();
        assert_eq!(found, if query.contains("limit") { 5000 } else { PORTS + 400 }, "{query}");
    }
    server.stays_small();
}
