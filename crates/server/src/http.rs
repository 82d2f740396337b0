//! The HTTP/1.1 listener that strangers may reach: what one of them, or all of them together, may cost is bounded.
//!
//! A connection that sends no complete request head in time, or does not take its answer, is closed; beyond the bound
//! on connections new ones wait in the listen queue. Requests and answers are bounded in [`crate::rest`].

mod patient;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use patient::Patient;

/// Bytes of a request head, and of what is read ahead of a body.
const BUFFER: usize = 64 << 10;
/// What a peer still sends after its last answer is read for this long: closing at once would reset the connection, and
/// the answer ("too large") would be lost.
const LINGER: Duration = Duration::from_secs(2);

/// What connections may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// At a time.
    pub(crate) connections: usize,
    /// For a request head, the first or the next one; and for the peer to take some of its answer.
    pub(crate) timeout: Duration,
}

/// Serves until `stop` is cancelled; then no new requests, and those under way are answered.
pub(crate) async fn serve(mut listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let max = limits.connections;
    let slots = Arc::new(Semaphore::new(max));
    let mut connections = JoinSet::new();
    let mut full = false;
    loop {
        match slots.available_permits() {
            0 if !full => {
                full = true;
                warn!(max, "no new connections to the API until others end: see the setting api_connections");
            }
            free if free > max / 8 => full = false,
            _ => {}
        }
        let accept = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            // waits and tries again by itself when there is no file descriptor
            (slot, Listener::accept(&mut listener).await.0)
        };
        tokio::select! {
            (slot, stream) = accept => {
                let connection = serve_connection(stream, router.clone(), limits.timeout, stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_connection(stream: TcpStream, router: Router, timeout: Duration, stop: CancellationToken) {
    let begun = tokio::select! {
        begun = tokio::time::timeout(timeout, first_byte(&stream)) => begun,
        () = stop.cancelled() => return,
    };
    if matches!(begun, Ok(Ok(()))) {
        // boxed: a silent connection does not have what one that speaks takes
        Box::pin(speak_http(stream, router, timeout, stop)).await;
    }
}

async fn speak_http(stream: TcpStream, router: Router, timeout: Duration, stop: CancellationToken) {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let answer = router.call(request.map(Body::new));
        // boxed, so that the connection can be polled by reference
        Box::pin(answer) as Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Patient::new(stream, timeout)), service);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    match ended {
        Ok(()) if stopping => {}
        Ok(()) => linger(connection.into_parts().io.into_inner().into_inner()).await,
        Err(error) => debug!(error = &error as &dyn std::error::Error, "a connection to the API ended"),
    }
}

/// Waits for the first byte outside of HTTP, whose buffers a silent connection then does not have.
async fn first_byte(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.readable().await
}

async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let drain = async {
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    };
    // either way the connection is closed
    let _ = tokio::time::timeout(LINGER, drain).await;
}
