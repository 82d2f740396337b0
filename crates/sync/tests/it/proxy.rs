//! A TCP proxy between an agent and the server that counts what the server sends, and can cut the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    to_agent: Arc<AtomicU64>,
    cut: Arc<Notify>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Proxy { address, to_agent: Arc::default(), cut: Arc::default() };
        let ours = proxy.clone();
        tokio::spawn(async move {
            while let Ok((agent, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                tokio::spawn(ours.clone().pass(agent, server));
            }
        });
        proxy
    }

    /// Bytes that the server has sent through this proxy.
    pub(crate) fn bytes(&self) -> u64 {
        self.to_agent.load(Ordering::SeqCst)
    }

    /// Breaks the connection.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }

    async fn pass(self, agent: TcpStream, server: TcpStream) {
        agent.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (mut from_agent, mut to_agent) = agent.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let down = async {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                self.to_agent.fetch_add(count as u64, Ordering::SeqCst);
                if to_agent.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            () = down => {}
            _ = copy(&mut from_agent, &mut to_server) => {}
            () = self.cut.notified() => {}
        }
    }
}
