//! What requests and answers may hold in memory, all of them together.
//!
//! A request's body is read whole before its handler starts: in bounded time, within a bound for one body and one for
//! all; one that is long on its way gives way to others. What is heavy takes turns. A large answer, and a long list that
//! is read as it is sent, count until the peer has taken them; who does not take them gives way to others.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header, request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::BODY_LIMIT;
use super::error::{ApiError, Result};
use crate::room::{Room, Share};

/// Bytes of a body that are received whatever others send: the bound on requests under way is theirs too.
const SMALL: usize = 8 << 10;
/// KiB of all larger bodies that are being received or worked on.
const BODIES: usize = 8 << 10;
/// An answer of more bytes is a large one; smaller ones are bounded by the requests under way.
const LARGE: usize = 64 << 10;
/// KiB of all large answers that their peers have not taken.
const ANSWERS: usize = 8 << 10;
/// Lists that are read as they are sent, at a time: each holds three parts ([`super::list`]).
const LISTS: usize = 16;
/// Heavy requests that are worked on at a time: what they ask for is held as an object tree, many times the size of its
/// bytes, and their answers may be large.
const HEAVY: usize = 2;
/// Bytes of a body that is not heavy: it creates so few objects that the answer is not a large one.
const LIGHT: usize = 2 << 10;
/// Objects in a page that is not heavy: as large as they may be, they are not a large answer.
const SMALL_PAGE: usize = 4;

/// The middleware.
pub(crate) async fn bound(State(bounds): State<Bounds>, request: Request, next: Next) -> Response {
    bounds.serve(request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// Shared by all requests.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    bodies: Arc<Room>,
    answers: Arc<Room>,
    lists: Arc<Room>,
    heavy: Arc<Semaphore>,
    /// The paths of lists that may be long.
    long: Arc<HashSet<String>>,
    /// Within this a whole body arrives, and what needs room or a turn has it: nobody waits longer for those than for a
    /// client.
    timeout: Duration,
}

impl Bounds {
    pub(crate) fn new(timeout: Duration, long: HashSet<String>) -> Bounds {
        let [bodies, answers, lists] = [BODIES, ANSWERS, LISTS].map(|units| Arc::new(Room::new(units)));
        Bounds { bodies, answers, lists, heavy: Arc::new(Semaphore::new(HEAVY)), long: Arc::new(long), timeout }
    }

    /// Room is taken before a turn, and a turn before room for the answer. Who has the last waits for nobody but its peer:
    /// that is what keeps them from waiting for each other.
    async fn serve(&self, request: Request, next: Next) -> Result<Response> {
        let (head, body) = request.into_parts();
        let (body, _held) = match self.read(&head.headers, body).await {
            Ok(read) => read,
            Err(error) => return Ok(([(header::CONNECTION, "close")], error).into_response()),
        };
        let many = self.lists_many(&head);
        let list = if many { Some(self.in_time(Share::of(&self.lists, 1)).await?) } else { None };
        let heavy = many || body.len() > LIGHT;
        let _turn = if heavy { Some(self.in_time(self.heavy.acquire()).await?) } else { None };
        let mut answer = next.run(Request::from_parts(head, Body::from(body))).await;
        let share = match answer.body().size_hint().exact() {
            // it is read as it is sent
            None => list,
            Some(bytes) if bytes > LARGE as u64 => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                // one above the bound is sent when it is the only one
                Some(self.in_time(Share::of(&self.answers, kibibytes(bytes).min(ANSWERS))).await?)
            }
            Some(_) => None,
        };
        if let Some(share) = share {
            answer.extensions_mut().insert(share);
        }
        Ok(answer)
    }

    /// Whether a request is for a list that may be long, without a `limit` or in large pages.
    fn lists_many(&self, head: &request::Parts) -> bool {
        let mut pairs = head.uri.query().unwrap_or_default().split('&');
        let limit = pairs.find_map(|pair| pair.strip_prefix("limit=")?.parse::<usize>().ok());
        let long = head.method == Method::GET && self.long.contains(head.uri.path());
        long && !limit.is_some_and(|limit| (1..=SMALL_PAGE).contains(&limit))
    }

    async fn in_time<T>(&self, room: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(self.timeout, room).await.map_err(|_| ApiError::busy())
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
            (Method::GET, "/v2.0/ports?limit=5", true),
            (Method::GET, "/v2.0/ports?name=p&limit=4", false),
            (Method::POST, "/v2.0/ports", false),
            (Method::GET, "/v2.0/ports/1", false),
            (Method::GET, "/v2.0/extensions", false),
        ] {
            let request = Request::builder().method(&method).uri(address).body(Body::empty()).unwrap();
            assert_eq!(bounds.lists_many(&request.into_parts().0), heavy, "{method} {address}");
        }
    }
}
