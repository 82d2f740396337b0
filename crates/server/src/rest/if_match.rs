//! `If-Match: revision_number=7`: a change of nothing but what the client has seen.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use store::Stamp;

use super::error::{ApiError, Result};

/// The revision number that the request insists on, if any. Other tags than revision numbers mean nothing here.
pub(crate) fn wanted(headers: &HeaderMap) -> Result<Option<i64>> {
    let bad = |message| Err(ApiError::bad("BadRequest", format!("Bad if-match request: {message}.")));
    let Some(value) = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    // `"a", "b"`, or one tag without quotes
    let tags: Vec<&str> =
        if value.contains('"') { value.split('"').skip(1).step_by(2).collect() } else { vec![value.trim()] };
    let mut numbers = tags.into_iter().filter_map(|tag| tag.strip_prefix("revision_number="));
    match (numbers.next(), numbers.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => bad("Multiple revision_number etags are not supported"),
        (Some(number), None) => match number.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => bad("Revision number etag must be in the format of revision_number=<int>"),
        },
    }
}

/// Refuses if the object has another revision number, or none.
pub(crate) fn check(wanted: Option<i64>, stamp: Option<Stamp>) -> Result<()> {
    match (wanted, stamp.map(|stamp| stamp.revision_number)) {
        (Some(_), None) => Err(ApiError::bad("BadRequest", "Revision matching not supported for this resource.")),
        (Some(wanted), Some(current)) if wanted != current => Err(ApiError::revision_mismatch(wanted, current)),
        _ => Ok(()),
    }
}

/// For operations that mind no revision number: a request that insists on one is refused, as it would be done all the same.
pub(crate) async fn refuse(request: Request, next: Next) -> Response {
    match wanted(request.headers()).and_then(|wanted| check(wanted, None)) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_revision_number_is_found_with_and_without_quotes() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
            wanted(&headers).ok()
        };
        assert_eq!(read("revision_number=7"), Some(Some(7)));
        assert_eq!(read("\"revision_number=7\", \"other\""), Some(Some(7)));
        assert_eq!(read("\"other\""), Some(None));
        assert_eq!(read("*"), Some(None));
        assert_eq!(read("revision_number=x"), None);
        assert_eq!(read("\"revision_number=1\", \"revision_number=2\""), None);
    }
}
