//! What is refused before anything is sent, and what a server that cannot serve now is to a script.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn culvert(line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_culvert"));
    command.args(line.split_whitespace()).env_remove("CULVERT_SERVER").stdin(Stdio::null());
    command.output().unwrap()
}

fn fails(line: &str, status: i32) -> String {
    let output = culvert(line);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(status), &b""[..]), "culvert {line}: {error}");
    error
}

#[test]
fn an_attribute_that_there_is_not_is_wrong_usage_and_those_that_there_are_are_named() {
    for (noun, known) in [
        ("network", "provider:segmentation_id"),
        ("subnet", "allocation_pools"),
        ("port", "binding:host_id"),
        ("host", "heartbeat_timestamp"),
    ] {
        for verb in ["list", "show x"] {
            let error = fails(&format!("{noun} {verb} -c name -c foo --server 127.0.0.1:1"), 2);
            assert!(error.contains("'foo'") || noun == "host" && error.contains("'name'"), "{error}");
            assert!(error.contains(known), "{error}");
        }
        // as far as to the server
        fails(&format!("{noun} list -c id -c {known} --server 127.0.0.1:1"), 5);
    }
    // a filter of lists, and shown by none
    fails("subnet list -c shared --server 127.0.0.1:1", 2);
}

#[test]
fn a_server_that_speaks_something_else_is_wrong_usage() {
    let error = fails("port list --server https://127.0.0.1:9696", 2);
    assert!(error.contains("plain HTTP only") && error.contains("ssh -L"), "{error}");
    let error = fails("port list --server http://[::1", 2);
    assert!(error.contains("no URL of a server"), "{error}");
    let by_environment = Command::new(env!("CARGO_BIN_EXE_culvert"))
        .args(["port", "list"])
        .env("CULVERT_SERVER", "https://127.0.0.1:9696")
        .output()
        .unwrap();
    assert_eq!(by_environment.status.code(), Some(2));
}

#[test]
fn a_server_that_cannot_serve_now_is_told_from_one_that_will_not() {
    for (kind, status, hint) in [("HTTPServiceUnavailable", 5, "try again"), ("NoNetworkAvailable", 4, "gre-keys")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).unwrap() > 0);
            let body = format!(r#"{{"NeutronError": {{"type": "{kind}", "message": "Not now.", "detail": ""}}}}"#);
            let length = body.len();
            let head = format!("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: {length}");
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        });
        let error = fails(&format!("network list --server {address}"), status);
        assert!(error.contains(&format!("Not now. ({kind}, HTTP 503)")) && error.contains(hint), "{error}");
        server.join().unwrap();
    }
}
