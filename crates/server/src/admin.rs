//! The admin socket: HTTP over `server.sock` in the run directory, for the operator's verbs.
//!
//! `GET /status`; `GET /watch?host=X`, a stream of JSON lines in Neutron's form; `GET /ports/ID/propagation`;
//! `POST /explain/drop`. Whoever may open
//! the socket may ask: it is the file's permissions (0600) that guard it.

use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::StreamExt as _;
use futures::stream;
use model::{HostName, PortId};
use serde::Deserialize;
use store::Store;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::ReceiverStream;

use crate::Error;
use crate::hub::{Hub, Refused};
use crate::neutron_form::{Notification, View};
use report::{ExplainDrop, Explanation, Propagation, Refusal, Status};

pub mod report;

/// A host that is asked must answer within this.
const ANSWER_BOUND: Duration = Duration::from_secs(5);

pub(crate) fn router(hub: Hub, store: Store) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/watch", get(watch))
        .route("/ports/{id}/propagation", get(propagation))
        .route("/explain/drop", post(explain_drop))
        .with_state(Admin { hub, store })
}

/// Listens at this path. A socket file that a dead server left behind is replaced; a live server's is not.
pub(crate) async fn listen(path: &std::path::Path) -> Result<UnixListener, Error> {
    let failed = |source| Error::AdminSocket { path: path.to_owned(), source };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(Error::AlreadyRunning(path.to_owned()));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

#[derive(Debug, Clone)]
struct Admin {
    hub: Hub,
    store: Store,
}

async fn status(State(admin): State<Admin>) -> Result<Json<Status>, Problem> {
    let mut status = admin.hub.overview().await?;
    named::fill(&mut status, &admin.store).await?;
    Ok(Json(status))
}

mod named;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchQuery {
    host: HostName,
}

async fn watch(State(admin): State<Admin>, Query(query): Query<WatchQuery>) -> Result<Response, Problem> {
    let watch = admin.hub.watch(query.host).await?;
    let mut view = View::default();
    for (info, entries) in watch.known {
        view.seed(&info, entries);
    }
    let lines = ReceiverStream::new(watch.messages)
        .flat_map(move |message| stream::iter(view.on_message(&message)))
        .map(|notification| Ok::<_, Infallible>(line(&notification)));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

async fn propagation(State(admin): State<Admin>, Path(id): Path<PortId>) -> Result<Json<Propagation>, Problem> {
    Ok(Json(admin.hub.propagation(id).await?))
}

fn line(notification: &Notification) -> Bytes {
    let mut line = serde_json::to_vec(notification).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

async fn explain_drop(
    State(admin): State<Admin>,
    Json(question): Json<ExplainDrop>,
) -> Result<Json<Explanation>, Problem> {
    let host = question.host.clone();
    match tokio::time::timeout(ANSWER_BOUND, admin.hub.explain(question)).await {
        Ok(answer) => Ok(Json(Explanation { explanation: answer? })),
        Err(_) => Err(Refused::Silent(host).into()),
    }
}

/// Why a question got no answer, as HTTP has it.
#[derive(Debug)]
enum Problem {
    Refused(Refused),
    Store(store::Error),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Problem::Refused(refused)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Problem::Store(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Problem::Refused(refused) => (refused.status(), refused.to_string()),
            Problem::Store(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        };
        (status, Json(Refusal { error })).into_response()
    }
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Refused::UnknownHost(_) | Refused::UnknownPort(_) => StatusCode::NOT_FOUND,
            Refused::NotConnected(_) => StatusCode::CONFLICT,
            Refused::Silent(_) => StatusCode::GATEWAY_TIMEOUT,
            Refused::Ending => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
