//! The disk that the database is on: full for a while, or not to be written.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::hardening::{Server, post, status};

/// For what must happen at all.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_full_disk_is_503_until_there_is_room_again() {
    let small = r#"mount -t tmpfs -o size=2m none "$DISK" && exec "$0" "$@""#;
    let server = Server::start_after(&["unshare", "--mount", "sh", "-c", small], PATIENCE, &[]).await;
    let mut made = 0;
    assert_eq!(make(&server).await.0, 201);
    made += 1;

    // the disk as the server sees it
    let root = PathBuf::from(format!("/proc/{}/root", server.process.id()));
    let filler = root.join(server.directory.path().strip_prefix("/").unwrap()).join("filler");
    let filled = std::fs::write(&filler, vec![0; 4 << 20]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let begin = Instant::now();
    let answer = loop {
        // what lies in blocks that are there already still finds room
        let (status, answer) = make(&server).await;
        if status != 201 {
            assert_eq!(status, 503, "{answer}");
            break answer;
        }
        made += 1;
        assert!(begin.elapsed() < PATIENCE, "{made} networks are on a full disk");
    };
    assert!(answer.contains("HTTPServiceUnavailable") && answer.contains("try again"), "{answer}");
    assert_eq!(networks(&server).await, made, "what is there can be read meanwhile, and nothing is half made");

    std::fs::remove_file(&filler).unwrap();
    assert_eq!(make(&server).await.0, 201, "{}", server.log());
    assert_eq!(networks(&server).await, made + 1);
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_named_at_the_start() {
    let mut server = Server::start(&[]).await;
    assert_eq!(make(&server).await.0, 201);
    server.process.kill().unwrap();
    server.process.wait().unwrap();

    let database = server.directory.path().join("culvert.db");
    let read_only = r#"mount --bind "$DISK" "$DISK" && mount -o remount,bind,ro "$DISK" && exec "$0" "$@""#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", read_only, env!("CARGO_BIN_EXE_culvert"), "server", "--database"])
        .arg(&database)
        .args(["--api-listen", &server.address.to_string(), "--agents-listen", "127.0.0.1:0"])
        .env("DISK", server.directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(database.to_str().unwrap()), "{error}");
}

async fn make(server: &Server) -> (u16, String) {
    let body = format!(r#"{{"network": {{"name": "{}"}}}}"#, "x".repeat(255));
    let request = format!("{}{body}", post(&format!("Content-Length: {}", body.len())));
    let answer = server.ask(&request).await;
    (status(&answer), String::from_utf8_lossy(&answer).into_owned())
}

async fn networks(server: &Server) -> usize {
    let answer = server.ask("GET /v2.0/networks?fields=id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    String::from_utf8_lossy(&answer).matches("\"id\":").count()
}
