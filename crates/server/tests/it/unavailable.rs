//! The database is not to be had: clients hear so, and nothing is half done.

use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::rest_server::RestServer;

/// Twice as long as a write waits.
const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_database_that_another_process_holds_is_503_until_it_lets_go() {
    let server = RestServer::start().await;
    let before = server.create("network", json!({"name": "before"})).await;
    let mut other = hold(&server).await;
    let begin = Instant::now();
    let refused = async |name: &str| {
        let body = json!({"network": {"name": name}});
        server.refused(Method::POST, "/v2.0/networks", Some(body), 503, "HTTPServiceUnavailable").await
    };
    // the second waits for the first, and no longer than it
    let (message, _) = tokio::join!(refused("first"), refused("second"));
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    assert!(message.contains("database") && message.contains("try again"), "no hint: {message}");
    assert_eq!(server.show("network", &before["id"]).await, before, "what is there can be read meanwhile");

    other.kill().await.unwrap();
    let after = server.create("network", json!({"name": "after"})).await;
    let ids = [&before, &after].map(|network| network["id"].as_str().unwrap().to_owned());
    assert_eq!(server.ids("networks", "").await, ids, "nothing of what was refused");
}

/// Another program, in the midst of a write.
async fn hold(server: &RestServer) -> Child {
    const PROGRAM: &str = "import sqlite3, sys, time\n\
        held = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
        held.execute('BEGIN IMMEDIATE')\n\
        print('held', flush=True)\n\
        time.sleep(600)";
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]).arg(server.database()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut other = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(other.stdout.take().unwrap()).read_line(&mut said).await.unwrap();
    assert_eq!(said, "held\n");
    other
}
