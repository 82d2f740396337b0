use std::path::Path;
use std::sync::{Arc, Mutex};

use ovsdb::Endpoint;
use serde_json::{Deserializer, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

/// Stands between a client and a server and writes down what passes: the observer outside the program.
pub(crate) struct Proxy {
    endpoint: Endpoint,
    connections: Arc<Mutex<Vec<Record>>>,
    /// Connections are let through; a change to `false` cuts those that stand.
    open: watch::Sender<bool>,
}

/// What passed over one connection.
#[derive(Clone, Default)]
pub(crate) struct Record {
    to_client: Arc<Mutex<Vec<u8>>>,
    to_server: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// On a Unix socket in `dir`, towards the server's socket.
    pub(crate) fn unix(dir: &Path, server: &Path) -> Self {
        let path = dir.join("proxy.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (proxy, serving) = Self::new(Endpoint::Unix(path), server);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                serving.serve(client);
            }
        });
        proxy
    }

    /// On a TCP port of the loopback.
    pub(crate) async fn tcp(server: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (proxy, serving) = Self::new(Endpoint::Tcp(address), server);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                serving.serve(client);
            }
        });
        proxy
    }

    fn new(endpoint: Endpoint, server: &Path) -> (Self, Serving) {
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (open, opened) = watch::channel(true);
        let serving = Serving { connections: connections.clone(), opened, server: server.into() };
        (Proxy { endpoint, connections, open }, serving)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Cuts all connections, and new ones as soon as they come.
    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn reopen(&self) {
        self.open.send_replace(true);
    }

    /// The last connection that was let through.
    pub(crate) fn last(&self) -> Record {
        self.connections.lock().unwrap().last().unwrap().clone()
    }
}

impl Record {
    /// Rows that the server sent, in the reply to the monitor and in notifications.
    pub(crate) fn rows(&self) -> usize {
        let rows = |tables: &Value| -> usize {
            tables
                .as_object()
                .into_iter()
                .flatten()
                .map(|(_, rows)| rows.as_object().map_or(0, serde_json::Map::len))
                .sum()
        };
        messages(&self.to_client).iter().map(|message| rows(&message["result"][2]) + rows(&message["params"][2])).sum()
    }

    /// Requests of a method that the client sent.
    pub(crate) fn requests(&self, method: &str) -> usize {
        messages(&self.to_server).iter().filter(|message| message["method"] == method).count()
    }
}

fn messages(bytes: &Mutex<Vec<u8>>) -> Vec<Value> {
    Deserializer::from_slice(&bytes.lock().unwrap()).into_iter().map_while(Result::ok).collect()
}

struct Serving {
    connections: Arc<Mutex<Vec<Record>>>,
    opened: watch::Receiver<bool>,
    server: std::path::PathBuf,
}

impl Serving {
    fn serve(&self, client: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (mut opened, server, connections) = (self.opened.clone(), self.server.clone(), self.connections.clone());
        tokio::spawn(async move {
            if !*opened.borrow_and_update() {
                return;
            }
            let Ok(server) = UnixStream::connect(server).await else { return };
            let record = Record::default();
            connections.lock().unwrap().push(record.clone());
            let (mut from_client, mut to_client) = tokio::io::split(client);
            let (mut from_server, mut to_server) = server.into_split();
            // Whichever ends first ends both.
            tokio::select! {
                () = copy(&mut from_client, &mut to_server, &record.to_server) => {}
                () = copy(&mut from_server, &mut to_client, &record.to_client) => {}
                _ = opened.changed() => {}
            }
        });
    }
}

/// Reads and records however slowly the other side takes it.
async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), record: &Mutex<Vec<u8>>) {
    let (chunks, mut chunks_receiver) = mpsc::unbounded_channel::<Vec<u8>>();
    let reading = async move {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            record.lock().unwrap().extend_from_slice(&chunk[..count]);
            chunks.send(chunk[..count].to_vec()).unwrap();
        }
    };
    let writing = async {
        while let Some(chunk) = chunks_receiver.recv().await {
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}
