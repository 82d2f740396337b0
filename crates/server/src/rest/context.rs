use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Who asks. There are no tokens yet, so everybody is an administrator, as with Neutron's `noauth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    /// Whose what he makes will be.
    pub(crate) project_id: String,
    pub(crate) is_admin: bool,
}

impl Context {
    pub(crate) fn without_token() -> Context {
        Context { project_id: "fake_project_id".to_owned(), is_admin: true }
    }
}

/// The one place where a request says who asks.
impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(_parts: &mut Parts, _state: &S) -> Result<Context, Infallible> {
        Ok(Context::without_token())
    }
}
