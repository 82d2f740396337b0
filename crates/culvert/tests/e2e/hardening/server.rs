//! A real server process, and HTTP spoken to it byte by byte.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes that a server may have had in memory at any time, but for pages of the program's own file.
const BOUND: u64 = 96 << 20;
/// As `--api-timeout-ms`.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// For what must happen at all.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A server process of a test's own, on an address of its own.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) directory: TempDir,
}

impl Server {
    pub(crate) async fn start(options: &[&str]) -> Server {
        Server::start_with(TIMEOUT, options).await
    }

    pub(crate) async fn start_with(timeout: Duration, options: &[&str]) -> Server {
        Server::start_after(&[], timeout, options).await
    }

    /// By another program, which is to become what its last arguments say; `$DISK` is where the database will be.
    pub(crate) async fn start_after(before: &[&str], timeout: Duration, options: &[&str]) -> Server {
        static LAST: AtomicU8 = AtomicU8::new(1);
        let pid = std::process::id().to_be_bytes();
        // each test process has addresses of its own in 127.0.0.0/8
        let host = format!("127.{}.{}.{}", 128 | pid[2] & 0x7f, pid[3], LAST.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let words = [before, &[env!("CARGO_BIN_EXE_culvert")]].concat();
        let process = Command::new(words[0])
            .args(&words[1..])
            .env("DISK", directory.path())
            .args(["server", "--api-timeout-ms", &timeout.as_millis().to_string()])
            .args(["--api-listen", &format!("{host}:9696"), "--agents-listen", &format!("{host}:9690")])
            .arg("--database")
            .arg(directory.path().join("culvert.db"))
            .arg("--run-dir")
            .arg(directory.path())
            .args(options)
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let server = Server { process, address: format!("{host}:9696").parse().unwrap(), directory };
        let begin = Instant::now();
        while !server.log().contains("server is up") {
            assert!(begin.elapsed() < PATIENCE, "the server did not start: {}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request on a connection of its own; its answer, head and body.
    pub(crate) async fn ask(&self, request: &str) -> Vec<u8> {
        self.ask_bytes(request.as_bytes()).await
    }

    pub(crate) async fn ask_bytes(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read_answer(&mut stream).await
    }

    pub(crate) async fn json(&self, request: &[u8]) -> serde_json::Value {
        let answer = self.ask_bytes(request).await;
        let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        serde_json::from_slice(&answer[body..]).unwrap()
    }

    /// Others are served.
    pub(crate) async fn answers(&self) {
        let answer = self.ask("GET /v2.0/networks?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert_eq!(status(&answer), 200);
    }

    /// It never took more memory than its bound. Pages of this unoptimised program's own file do not count: how many of them
    /// one access brings in is the kernel's choice (12 MiB of them on one, 31 on another).
    pub(crate) fn stays_small(&self) {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let size = |name: &str| {
            let size = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
        };
        let peak = size("VmHWM:") - size("RssFile:");
        assert!(peak > 1 << 20 && peak < BOUND, "the server took {} MiB", peak >> 20);
    }

    /// Sockets that it has open, its listeners among them. Not its other files: the database opens some when it has to.
    pub(crate) fn sockets(&self) -> usize {
        let files = std::fs::read_dir(self.proc("fd")).unwrap();
        // one that is closed meanwhile cannot be read
        let names = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
        names.filter(|name| name.to_string_lossy().starts_with("socket:")).count()
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.process.id().to_string()).join(name)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A creation of ports.
pub(crate) fn post_ports(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v2.0/ports HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The head of a creation of networks.
pub(crate) fn post(framing: &str) -> String {
    format!(
        "POST /v2.0/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
    )
}

pub(crate) fn with_body(body: &[u8]) -> Vec<u8> {
    [post(&format!("Content-Length: {}", body.len())).as_bytes(), body].concat()
}

/// All until the server closes.
pub(crate) async fn read_answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
        match read.unwrap_or_else(|_| panic!("no end after {} bytes", answer.len())) {
            Ok(0) | Err(_) => return answer,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
        }
        if keeps_alive_and_is_whole(&answer) {
            return answer;
        }
    }
}

/// An answer on a connection that stays open is whole when its body is.
fn keeps_alive_and_is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    !head.contains("connection: close") && length.is_some_and(|length| answer.len() >= end + 4 + length)
}

/// What is there within a short time: nothing is the end, none is silence.
pub(crate) async fn read_some(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut buffer)).await.ok()?;
    buffer.truncate(read.unwrap_or(0));
    Some(buffer)
}

/// 0 if there is no answer.
pub(crate) fn status(answer: &[u8]) -> u16 {
    let head = String::from_utf8_lossy(&answer[..answer.len().min(64)]);
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
