//! What requests and answers may hold in memory, all of them together.
//!
//! A request's body is read whole before its handler starts: in bounded time, within a bound for one body and one for
//! all; one that is long on its way gives way to others. A large answer counts until the peer has taken it. What is
//! heavy takes turns.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header, request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::BODY_LIMIT;
use super::error::{ApiError, Result};
use crate::room::Room;

/// A body or an answer of more bytes is a large one.
const LARGE: usize = 64 << 10;
/// Bytes of a body that are received whatever others send: the bound on requests under way is theirs too.
const SMALL: usize = 8 << 10;
/// KiB of all larger bodies that are being received or worked on.
const BODIES: usize = 8 << 10;
/// KiB of all large answers that their peers have not taken.
const ANSWERS: usize = 16 << 10;
/// Requests with a large body or a whole list for an answer that are worked on at a time: each is held as an object
/// tree, many times the size of its bytes.
const HEAVY: usize = 2;
/// Objects in a page that is not heavy.
const SMALL_PAGE: usize = 1000;

/// The middleware.
pub(crate) async fn bound(State(bounds): State<Bounds>, request: Request, next: Next) -> Response {
    bounds.serve(request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// Shared by all requests.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    bodies: Arc<Room>,
    answers: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    /// The paths of lists that may be long.
    lists: Arc<HashSet<String>>,
    /// Within this a whole body arrives, and what is heavy has its turn.
    timeout: Duration,
}

impl Bounds {
    pub(crate) fn new(timeout: Duration, lists: HashSet<String>) -> Bounds {
        let [answers, heavy] = [ANSWERS, HEAVY].map(|permits| Arc::new(Semaphore::new(permits)));
        Bounds { bodies: Arc::new(Room::new(BODIES)), answers, heavy, lists: Arc::new(lists), timeout }
    }

    async fn serve(&self, request: Request, next: Next) -> Result<Response> {
        let (head, body) = request.into_parts();
        let (body, _held) = match self.read(&head.headers, body).await {
            Ok(read) => read,
            Err(error) => return Ok(([(header::CONNECTION, "close")], error).into_response()),
        };
        let heavy = body.len() > LARGE || self.lists_many(&head);
        let _turn = if heavy { Some(self.turn().await?) } else { None };
        let answer = next.run(Request::from_parts(head, Body::from(body))).await;
        self.hold(answer).await
    }

    /// Whether a request is for a list that may be long, without a `limit` or in large pages.
    fn lists_many(&self, head: &request::Parts) -> bool {
        let mut pairs = head.uri.query().unwrap_or_default().split('&');
        let limit = pairs.find_map(|pair| pair.strip_prefix("limit=")?.parse::<usize>().ok());
        let long = head.method == Method::GET && self.lists.contains(head.uri.path());
        long && !limit.is_some_and(|limit| (1..=SMALL_PAGE).contains(&limit))
    }

    /// Nobody waits longer for a turn than for a client.
    async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        let turn = tokio::time::timeout(self.timeout, self.heavy.acquire()).await;
        turn.ok().and_then(std::result::Result::ok).ok_or_else(ApiError::busy)
    }

    /// The body, and its share of what all bodies may hold. After an error the rest of it is not read, and so nothing that
    /// may follow on the connection.
    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<(Bytes, Option<OwnedSemaphorePermit>)> {
        if body.is_end_stream() {
            return Ok((Bytes::new(), None));
        }
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > BODY_LIMIT) {
            return Err(ApiError::too_large());
        }
        tokio::time::timeout(self.timeout, self.receive(body)).await.map_err(|_| ApiError::timed_out())?
    }

    async fn receive(&self, body: Body) -> Result<(Bytes, Option<OwnedSemaphorePermit>)> {
        let (mut bytes, mut chunks) = (Vec::new(), body.into_data_stream());
        while bytes.len() <= SMALL {
            if !add_next(&mut bytes, &mut chunks).await? {
                return Ok((bytes.into(), None));
            }
        }
        tokio::select! {
            received = self.receive_more(bytes, chunks) => received,
            // by now what was received is dropped
            _leaving = self.bodies.wanted() => Err(ApiError::busy()),
        }
    }

    async fn receive_more(
        &self,
        mut bytes: Vec<u8>,
        mut chunks: BodyDataStream,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>)> {
        let mut held = self.bodies.take(kibibytes(bytes.len())).await;
        while add_next(&mut bytes, &mut chunks).await? {
            let more = kibibytes(bytes.len()) - held.num_permits();
            held.merge(self.bodies.take(more).await);
        }
        Ok((bytes.into(), Some(held)))
    }

    /// The answer; if it is large, with its share of what all answers may hold until it is sent.
    async fn hold(&self, answer: Response) -> Result<Response> {
        let large = answer.body().size_hint().lower() > LARGE as u64;
        if !large {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        // it is one piece already
        let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| ApiError::busy())?;
        // an answer above the bound is sent when it is the only one
        let share = share(&self.answers, kibibytes(bytes.len()).min(ANSWERS))?;
        Ok(Response::from_parts(head, Body::from(Bytes::from_owner(Held { bytes, _share: share }))))
    }
}

/// Bytes that give their share back when they are dropped.
struct Held {
    bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether there was more.
async fn add_next(bytes: &mut Vec<u8>, chunks: &mut BodyDataStream) -> Result<bool> {
    let Some(chunk) = chunks.next().await else { return Ok(false) };
    let chunk = chunk.map_err(|_| ApiError::bad_request("The request body could not be read"))?;
    if bytes.len() + chunk.len() > BODY_LIMIT {
        return Err(ApiError::too_large());
    }
    bytes.extend_from_slice(&chunk);
    Ok(true)
}

fn share(of: &Arc<Semaphore>, kibibytes: usize) -> Result<OwnedSemaphorePermit> {
    let permits = u32::try_from(kibibytes).unwrap_or(u32::MAX);
    Arc::clone(of).try_acquire_many_owned(permits).map_err(|_| ApiError::busy())
}

fn kibibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_that_may_be_long_take_turns() {
        let bounds = Bounds::new(Duration::from_secs(1), HashSet::from(["/v2.0/ports".to_owned()]));
        for (method, address, heavy) in [
            (Method::GET, "/v2.0/ports", true),
            (Method::GET, "/v2.0/ports?name=p&limit=5000", true),
            (Method::GET, "/v2.0/ports?limit=0", true),
            (Method::GET, "/v2.0/ports?name=p&limit=1000", false),
            (Method::POST, "/v2.0/ports", false),
            (Method::GET, "/v2.0/ports/1", false),
            (Method::GET, "/v2.0/extensions", false),
        ] {
            let request = Request::builder().method(&method).uri(address).body(Body::empty()).unwrap();
            assert_eq!(bounds.lists_many(&request.into_parts().0), heavy, "{method} {address}");
        }
    }
}
