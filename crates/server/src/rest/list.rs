//! A list, read and written in pieces: what is in memory grows neither with what is listed nor with how slowly a client
//! reads. Which objects it has, and their order, is of one commit; each piece shows them as of its own.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::marker::PhantomData;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::future;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use store::{Column, Direction, Filter};
use uuid::Uuid;

use super::RestState;
use super::context::Context;
use super::error::Result;
use super::policy;
use super::query::{Links, Listing, project};
use super::resource::{Resource, show_all};
use super::table::Object;

/// Objects in one piece.
const PIECE: usize = 200;
/// Bytes after which a page ends, whatever its limit.
const PAGE_BYTES: usize = 8 << 20;

/// Objects of a piece that are read at a time: while some are made into text, the next are read.
const PART: usize = 50;

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
    let ids = state.store.ids::<R::Stored>(&filter).await?.into();
    let pieces = Pieces::<R> { state, context, listing, ids, progress: Progress::Begin, _of: PhantomData };
    match pieces.listing.limit {
        Some(limit) => pieces.page(limit, &links).await,
        None => pieces.all().await,
    }
}

/// Bytes of an object, as most ports are.
const EXPECTED: usize = 1024;

/// What is still to be written.
struct Pieces<R> {
    state: RestState,
    context: Context,
    listing: Listing,
    ids: VecDeque<Uuid>,
    progress: Progress,
    _of: PhantomData<fn() -> R>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Begin,
    /// An object has been written.
    Within,
    End,
}

/// An object, ready to be sent.
struct Item {
    id: String,
    json: Vec<u8>,
}

impl<R: Resource> Pieces<R> {
    async fn page(mut self, limit: usize, links: &Links) -> Result<Response> {
        let mut items = Vec::new();
        let mut bytes = 0;
        while items.len() < limit && bytes < PAGE_BYTES && !self.ids.is_empty() {
            let more = self.next().await?;
            bytes += more.iter().map(|item| item.json.len()).sum::<usize>();
            items.extend(more);
        }
        items.truncate(limit);
        if self.listing.reverse {
            items.reverse();
        }
        let (first, last) = (items.first().map(|item| item.id.as_str()), items.last().map(|item| item.id.as_str()));
        // as Neutron: a full page may be followed, and preceded, by an empty one
        let full = items.len() >= limit || !self.ids.is_empty();
        let mut around: Vec<Value> = Vec::new();
        if full || self.listing.reverse {
            around.push(json!({"rel": "next", "href": links.next(last)}));
        }
        if full || !self.listing.reverse {
            around.push(json!({"rel": "previous", "href": links.previous(first)}));
        }
        let mut text = opening::<R>();
        text.extend(join(items, false));
        text.extend(format!("], \"{}_links\": {}}}", R::TABLE.plural, Value::from(around)).into_bytes());
        Ok(as_json(text))
    }

    /// A list of one piece is sent whole; of a longer one, the rest is read as the client takes it.
    async fn all(mut self) -> Result<Response> {
        let first = self.text().await?;
        if self.progress == Progress::End {
            return Ok(as_json(first));
        }
        let rest = stream::try_unfold(self, |mut pieces| async move {
            if pieces.progress == Progress::End {
                return Ok(None);
            }
            // the status has gone out: all that is left is to cut the answer short
            let text = pieces.text().await.map_err(|error| io::Error::other(format!("{error:?}")))?;
            Ok(Some((Bytes::from(text), pieces)))
        });
        let first = stream::iter([Ok::<_, io::Error>(Bytes::from(first))]);
        Ok(as_json(Body::from_stream(first.chain(rest))))
    }

    /// The next part of the whole list's text.
    async fn text(&mut self) -> Result<Vec<u8>> {
        let mut text = if self.progress == Progress::Begin { opening::<R>() } else { Vec::new() };
        let items = self.next().await?;
        let any = !items.is_empty();
        text.extend(join(items, self.progress == Progress::Within));
        if self.ids.is_empty() {
            text.extend(b"]}");
            self.progress = Progress::End;
        } else if any {
            self.progress = Progress::Within;
        }
        Ok(text)
    }

    async fn next(&mut self) -> Result<Vec<Item>> {
        let piece: Vec<Uuid> = self.ids.drain(..PIECE.min(self.ids.len())).collect();
        let mut items = Vec::with_capacity(piece.len());
        let mut found = Vec::new();
        for part in piece.chunks(PART) {
            // the first is begun first, and goes on in the database's thread
            let (next, shown) = future::join(self.read(part), self.show(found)).await;
            items.extend(shown?);
            found = next?;
        }
        items.extend(self.show(found).await?);
        let order: HashMap<String, usize> = piece.iter().map(Uuid::to_string).zip(0..).collect();
        items.sort_by_key(|item| order.get(&item.id).copied());
        Ok(items)
    }

    /// In the order in which they lie in the database, which costs nothing.
    async fn read(&self, part: &[Uuid]) -> Result<Vec<R::Stored>> {
        let ids = part.iter().map(Uuid::to_string).collect();
        let filter = Filter {
            conditions: vec![(Column::Id, ids)],
            order: vec![(Column::Id, Direction::Ascending)],
            ..Filter::default()
        };
        Ok(self.state.store.list(&filter).await?)
    }

    async fn show(&self, found: Vec<R::Stored>) -> Result<Vec<Item>> {
        let shown = show_all::<R>(&self.state, &self.context, found).await?;
        let wanted =
            shown.into_iter().filter(|object| policy::may_see(&self.context, object) && self.listing.holds(object));
        wanted.map(|object| Item::new(object, &self.listing.fields)).collect()
    }
}

impl Item {
    fn new(object: Object, fields: &[String]) -> Result<Item> {
        let id = object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut json = Vec::with_capacity(EXPECTED);
        let written = serde_json::to_writer(&mut json, &project(object, fields));
        written.map_err(|error| store::Error::Corrupt(error.to_string()))?;
        Ok(Item { id, json })
    }
}

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
