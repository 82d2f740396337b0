//! This server's address, as links name it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;

use crate::http::ConnectedTo;

/// `http://127.0.0.1:9696`: as the client calls it (`Host`), else where it has connected to. Empty where neither is known,
/// which leaves links relative to the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Base, Infallible> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
        let named = host.map(|host| format!("http://{host}"));
        let connected = || parts.extensions.get::<ConnectedTo>().map(|to| format!("http://{}", to.0));
        Ok(Base(named.or_else(connected).unwrap_or_default()))
    }
}
