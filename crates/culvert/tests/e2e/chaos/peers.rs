//! "A peer sends garbage, half a message, 1 GiB, or nothing: clear error, connection closed, everything else goes on."

use std::io;

use lab::{Inside, SERVER_ADDRESS};
use model::TunnelType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::rig::Rig;

/// What an HTTP/2 client says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_talk_nonsense_to_the_server_are_hung_up_on_and_disturb_nobody() {
    let rig = Rig::up("c_peers", TunnelType::Vxlan).await;
    let inside = rig.at("compute1").enter().await.unwrap();
    let server = rig.server().process("server").unwrap().unwrap();
    let before = peak_memory(server.pid());
    let mut peers = JoinSet::new();
    let run = rig.during("peers that talk nonsense", async |probes| {
        for said in [
            Vec::new(),
            PREFACE[..10].to_vec(),
            PREFACE.to_vec(),
            vec![0xa5; MIB],
            [PREFACE, &[0xff; 64]].concat(),
            [PREFACE, &settings(), &headers(), &data(&[0, 0, 0, 0, 9, 1, 2])].concat(),
            [PREFACE, &settings(), &headers(), &data(&[0, 0, 0, 0, 3, 0xff, 0xff, 0xff])].concat(),
        ] {
            peers.spawn(peer(inside.clone(), said, 1));
        }
        // A message that claims to be of 1 GiB, and what it claims to hold, as far as the server will have it.
        let claim = [PREFACE, &settings(), &headers(), &data(&[0, 0x40, 0, 0, 0])].concat();
        peers.spawn(peer(inside.clone(), claim, 1024));

        let port = rig.add_vm(&rig.network, "amid", "compute2", "10.7.1.1").await;
        rig.until_reaches("vm1", &port).await;
        rig.settle().await;
        rig.pass(probes, 500).await;
        let first = peers.join_next().await.unwrap();
        assert!(first.unwrap(), "the server must hang up");
    });
    let run = run.await;
    run.loses_nothing();
    // Those that say nothing more are given some time, in which there is nothing to see.
    while let Some(ended) = peers.join_next().await {
        assert!(ended.unwrap(), "the server must hang up");
    }
    rig.settle().await;
    let grown = peak_memory(server.pid()) - before;
    assert!(grown < 32 << 10, "the server's memory has grown by {grown} KiB");
    run.with("server_grew_kib", grown).record();
    rig.check_control().unwrap();
}

/// Says this, and then a MiB of zeros as often as the server takes it; whether the server hung up.
async fn peer(inside: Inside, said: Vec<u8>, times: usize) -> bool {
    let talk = async move {
        let mut stream = TcpStream::connect((SERVER_ADDRESS, 9690)).await.unwrap();
        let _ = stream.write_all(&said).await;
        if times > 1 {
            for _ in 0..times {
                // In frames of a size that every HTTP/2 peer takes.
                for _ in 0..64 {
                    if stream.write_all(&data(&[0; 16 << 10])).await.is_err() {
                        return true;
                    }
                }
            }
        }
        ended(stream).await
    };
    inside.run(talk).await.unwrap()
}

/// Waits, well beyond all of the server's own bounds, until it closes the connection.
async fn ended(mut stream: TcpStream) -> bool {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_mins(1), stream.read_to_end(&mut answer)).await;
    matches!(read, Ok(Ok(_))) || matches!(read, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset)
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[])
}

/// Opens the agents' stream; each header as a literal (RFC 7541, section 6.2.2).
fn headers() -> Vec<u8> {
    let literal = |(name, value): (&str, &str)| {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        [vec![0], text(name), text(value)].concat()
    };
    let all = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/culvert.sync.v1.Sync/Session"),
        (":authority", "server"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    frame(1, 4, 1, &all.map(literal).concat())
}

fn data(payload: &[u8]) -> Vec<u8> {
    frame(0, 0, 1, payload)
}

/// The most memory that the process ever held, in KiB.
fn peak_memory(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
