//! One request and its answer over HTTP. hyper's buffers live no longer than that: a connection that is kept open
//! between two requests takes as little as one that has never spoken.

use std::convert::Infallible;
use std::future::poll_fn;
use std::iter;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Version, header};
use axum::response::Response;
use futures::future::select_all;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::ConnectedTo;
use super::arriving::Arriving;
use super::patient::Patient;
use crate::room::{Leaving, Room, Share};

/// Bytes that are read ahead of a body, and that an answer may be ahead of its peer.
const AHEAD: usize = 16 << 10;

/// Bytes: who takes them is waited for anew. A peer that takes so much within the grace of a [`Room`] is not slow.
const ENOUGH: usize = 256 << 10;

/// What is left of a connection.
#[derive(Debug)]
pub(super) enum After {
    /// Another request may come; some of it may have come already.
    Kept(TcpStream, Vec<u8>),
    /// Nothing more is read, perhaps because another exchange was in need of this one's turn.
    Done(TcpStream, Option<Leaving>),
}

/// Answers the request that begins with `head`, and those that came together with it. Once `stop` is cancelled, no more
/// than that; the connection is then done. While the peer is waited for, it gives way in `turns`, and in the rooms that
/// answers have a share of.
pub(super) async fn exchange(
    stream: TcpStream,
    head: Vec<u8>,
    router: Router,
    timeout: Duration,
    turns: &Room,
    stop: &CancellationToken,
) -> After {
    let progress = Arc::new(Progress::default());
    let (router, seen) = (TowerToHyperService::new(router), Arc::clone(&progress));
    let to = ConnectedTo::of(&stream);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let progress = Arc::clone(&seen);
        let kept = progress.begin(&request);
        if let Some(to) = to {
            request.extensions_mut().insert(to);
        }
        let answer = router.call(request.map(|body| Body::new(Arriving::new(body, Arc::clone(&progress.arriving)))));
        // boxed, so that the connection can be polled by reference
        Box::pin(async move {
            let mut answer = answer.await?;
            progress.end(kept, &mut answer);
            Ok(answer)
        }) as Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>
    });
    let most = head.len().max(AHEAD);
    let stream = Patient::new(stream, head.into(), timeout);
    let peer = stream.peer();
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        // who says no more may still listen; who is gone is known by what cannot be written to it
        .half_close(true)
        .max_buf_size(most)
        .serve_connection(TokioIo::new(stream), service);
    let (mut ending, mut stopped, mut wanted) = (false, false, None);
    let (ended, leaving) = loop {
        let answered = poll_fn(|context| {
            let mut ended = connection.poll_without_shutdown(context);
            if ended.is_pending() && !ending && progress.is_over() {
                // the answer says that the connection stays, and it does; it is hyper that takes no more requests
                ending = true;
                Pin::new(&mut connection).graceful_shutdown();
                ended = connection.poll_without_shutdown(context);
            }
            // to hyper the last answer is over when it has encoded all of it, whether the peer has taken that or not
            if matches!(ended, Poll::Ready(Ok(()))) && peer.is_waited_for() {
                ended = Poll::Pending;
            }
            if let Poll::Ready(ended) = ended {
                return Poll::Ready((Some(ended), None));
            }
            if !progress.waits(peer.is_waited_for()) {
                wanted = None;
                return Poll::Pending;
            }
            if wanted.as_ref().is_some_and(|(taken, _)| peer.taken() - taken >= ENOUGH) {
                wanted = None;
            }
            let (_, wanted) =
                wanted.get_or_insert_with(|| (peer.taken(), Box::pin(wanted_in(turns, progress.rooms()))));
            wanted.as_mut().poll(context).map(|leaving| (None, Some(leaving)))
        });
        tokio::select! {
            ended = answered => break ended,
            () = stop.cancelled(), if !stopped => {
                (ending, stopped) = (true, true);
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let kept = matches!(ended, Some(Ok(()))) && progress.is_kept() && !stopped;
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => debug!(error = &error as &dyn std::error::Error, "a connection to the API ended"),
        None => debug!("a slow client of the API gave way to others"),
    }
    let parts = connection.into_parts();
    let (stream, unread) = parts.io.into_inner().into_parts();
    if kept { After::Kept(stream, [parts.read_buf, unread].concat()) } else { After::Done(stream, leaving) }
}

/// Ready when somebody needs room in one of these.
async fn wanted_in(turns: &Room, rooms: Vec<Arc<Room>>) -> Leaving {
    let rooms = rooms.iter().map(AsRef::as_ref).chain(iter::once(turns));
    select_all(rooms.map(|room| Box::pin(room.wanted()))).await.0
}

/// What has become of the requests.
#[derive(Debug, Default)]
struct Progress {
    begun: AtomicUsize,
    answered: AtomicUsize,
    kept: AtomicBool,
    /// More of a body is waited for.
    arriving: Arc<AtomicBool>,
    /// What the answers have of what all share, until they are sent.
    shares: Mutex<Vec<Share>>,
}

impl Progress {
    /// Whether the client permits that the connection stays.
    fn begin(&self, request: &Request<Incoming>) -> bool {
        self.begun.fetch_add(1, Ordering::Relaxed);
        request.version() == Version::HTTP_11 && !closes(request.headers())
    }

    fn end(&self, permitted: bool, answer: &mut Response) {
        self.shares().extend(answer.extensions_mut().remove::<Share>());
        self.kept.store(permitted && !closes(answer.headers()), Ordering::Relaxed);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// All that has begun is answered, which is the moment to end: hyper has the head of the last answer.
    fn is_over(&self) -> bool {
        let answered = self.answered.load(Ordering::Relaxed);
        answered > 0 && answered == self.begun.load(Ordering::Relaxed)
    }

    /// Whether all that is left to do is the peer's: to send a head or a body, or to take what of an answer is `written`.
    /// An answer of which more is still being made waits for us.
    fn waits(&self, written: bool) -> bool {
        let begun = self.begun.load(Ordering::Relaxed);
        let answered = begun == self.answered.load(Ordering::Relaxed);
        answered && (begun == 0 || written) || self.arriving.load(Ordering::Relaxed)
    }

    fn rooms(&self) -> Vec<Arc<Room>> {
        self.shares().iter().map(Share::room).collect()
    }

    fn shares(&self) -> MutexGuard<'_, Vec<Share>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_kept(&self) -> bool {
        self.is_over() && self.kept.load(Ordering::Relaxed)
    }
}

/// RFC 9112, section 9.6.
fn closes(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}
