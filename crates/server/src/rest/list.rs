//! A list, read and written in parts: what is in memory grows neither with what is listed nor with how slowly a client
//! reads. Which objects it has, and their order, is of one commit; each part shows them as of its own.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, iter};

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use store::{Column, Direction, Filter, Stored as _};
use uuid::Uuid;

use super::RestState;
use super::context::Context;
use super::error::Result;
use super::policy;
use super::query::{Links, Listing, project};
use super::resource::{Resource, show_all};

/// Objects in the first two parts, whose size nothing tells yet.
const FIRST: usize = 8;
/// Objects in one part, and the bytes that it is to have about: the larger the parts, the fewer trips to the database; who
/// does not read holds some of them.
const MOST: usize = 200;
const PART_BYTES: usize = 128 << 10;
/// Parts that are made at a time, while one before them is sent.
const AHEAD: usize = 2;
/// Bytes from which a list is sent while the rest of it is read.
const WHOLE: usize = 64 << 10;
/// Bytes after which a page ends, whatever its limit.
const PAGE_BYTES: usize = 6 << 20;

/// Answers a list.
pub(crate) async fn answer<R: Resource>(
    state: RestState,
    context: Context,
    listing: Listing,
    links: Links,
) -> Result<Response> {
    let mut filter = listing.filter(&R::TABLE, &context);
    if let Some(marker) = listing.marker(&R::TABLE)? {
        state.store.get::<R::Stored>(marker).await?;
        filter.after = Some(marker);
    }
    if listing.is_exact(&R::TABLE, &context) {
        filter.limit = listing.limit;
    }
    let ids = state.store.ids::<R::Stored>(&filter).await?;
    let list = Arc::new(List::<R> { state, context, listing, per_part: AtomicUsize::new(FIRST), _of: PhantomData });
    match list.listing.limit {
        Some(limit) => list.page(ids, limit, &links).await,
        None => list.all(ids).await,
    }
}

/// What is asked for.
struct List<R> {
    state: RestState,
    context: Context,
    listing: Listing,
    /// Objects in the next part, by the size of those before.
    per_part: AtomicUsize,
    _of: PhantomData<fn() -> R>,
}

/// An object, ready to be sent.
struct Item {
    id: Uuid,
    json: Vec<u8>,
}

impl<R: Resource> List<R> {
    async fn page(self: Arc<Self>, ids: Vec<Uuid>, limit: usize, links: &Links) -> Result<Response> {
        let reverse = self.listing.reverse;
        let (mut parts, mut ended) = (Box::pin(self.parts(ids)), false);
        let (mut items, mut bytes) = (Vec::new(), 0);
        while items.len() < limit && bytes < PAGE_BYTES && !ended {
            let part = parts.try_next().await?;
            ended = part.is_none();
            let part = part.unwrap_or_default();
            bytes += part.iter().map(|item: &Item| item.json.len()).sum::<usize>();
            items.extend(part);
        }
        // as Neutron: a full page may be followed, and preceded, by an empty one
        let full = items.len() >= limit || !ended;
        items.truncate(limit);
        if reverse {
            items.reverse();
        }
        let mut around: Vec<Value> = Vec::new();
        if full || reverse {
            around.push(json!({"rel": "next", "href": links.next(items.last().map(|item| item.id))}));
        }
        if full || !reverse {
            around.push(json!({"rel": "previous", "href": links.previous(items.first().map(|item| item.id))}));
        }
        let mut text = opening::<R>();
        text.extend(join(items, false));
        text.extend(format!("], \"{}_links\": {}}}", R::TABLE.plural, Value::from(around)).into_bytes());
        Ok(as_json(text))
    }

    /// A short list is sent whole; of a longer one, the rest is read as the client takes it.
    async fn all(self: Arc<Self>, ids: Vec<Uuid>) -> Result<Response> {
        let mut any = false;
        let mut texts = Box::pin(self.parts(ids).map_ok(move |items| {
            let text = join(items, any);
            any |= !text.is_empty();
            text
        }));
        let mut text = opening::<R>();
        while text.len() < WHOLE {
            let Some(part) = texts.try_next().await? else {
                text.extend(CLOSING);
                return Ok(as_json(text));
            };
            text.extend(part);
        }
        // the status has gone out: all that is left is to cut the answer short
        let rest = texts.map_ok(Bytes::from).map_err(|error| io::Error::other(format!("{error:?}")));
        let [first, last] = [Bytes::from(text), Bytes::from(CLOSING)].map(|text| stream::iter([Ok(text)]));
        Ok(as_json(Body::from_stream(first.chain(rest).chain(last))))
    }

    /// Each part is read and shown by a task of its own: while a client does not read, nothing waits in the midst of it with
    /// one of the database's few connections.
    fn parts(self: Arc<Self>, ids: Vec<Uuid>) -> impl Stream<Item = Result<Vec<Item>>> + Send + 'static {
        let mut rest = ids.into_iter();
        let list = Arc::clone(&self);
        let parts = iter::from_fn(move || {
            let part: Vec<_> = rest.by_ref().take(list.per_part.load(Ordering::Relaxed)).collect();
            (!part.is_empty()).then_some(part)
        });
        let tasks = stream::iter(parts).map(move |part| {
            let task = tokio::spawn(Arc::clone(&self).part(part));
            async move { task.await.map_err(|_| store::Error::Closed)? }
        });
        tasks.buffered(AHEAD)
    }

    async fn part(self: Arc<Self>, ids: Vec<Uuid>) -> Result<Vec<Item>> {
        // in the order in which they lie in the database, which costs nothing
        let filter = Filter {
            conditions: vec![(Column::Id, ids.iter().map(Uuid::to_string).collect())],
            order: vec![(Column::Id, Direction::Ascending)],
            ..Filter::default()
        };
        let mut found = self.state.store.list::<R::Stored>(&filter).await?;
        let order: HashMap<Uuid, usize> = ids.into_iter().zip(0..).collect();
        found.sort_by_key(|stored| order.get(&stored.id()).copied());
        let items = self.show(found).await?;
        let bytes: usize = items.iter().map(|item| item.json.len()).sum();
        if let Some(fit) = (items.len() * PART_BYTES).checked_div(bytes) {
            self.per_part.store(fit.clamp(1, MOST), Ordering::Relaxed);
        }
        Ok(items)
    }

    async fn show(&self, found: Vec<R::Stored>) -> Result<Vec<Item>> {
        let ids: Vec<Uuid> = found.iter().map(R::Stored::id).collect();
        if self.context.is_admin && self.listing.takes_all_as_they_are() {
            let texts = R::texts(&self.state, found).await?;
            return Ok(ids.into_iter().zip(texts).map(|(id, json)| Item { id, json }).collect());
        }
        let shown = show_all::<R>(&self.state, &self.context, found).await?;
        let wanted = ids
            .into_iter()
            .zip(shown)
            .filter(|(_, object)| policy::may_see(&self.context, object) && self.listing.holds(object));
        let item = |(id, object)| {
            let json = serde_json::to_vec(&project(object, &self.listing.fields));
            Ok(Item { id, json: json.map_err(|error| store::Error::Corrupt(error.to_string()))? })
        };
        wanted.map(item).collect()
    }
}

const CLOSING: &[u8] = b"]}";

fn opening<R: Resource>() -> Vec<u8> {
    format!("{{\"{}\": [", R::TABLE.plural).into_bytes()
}

fn join(items: Vec<Item>, after_another: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(items.iter().map(|item| item.json.len() + 2).sum());
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 || after_another {
            text.extend(b", ");
        }
        text.extend(item.json);
    }
    text
}

fn as_json(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}
