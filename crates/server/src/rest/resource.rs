use std::future::Future;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{Counted, Stamp, Stored, Write};

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::table::{Object, Table};
use super::{policy, time};

/// What a resource adds to its table: its rules, and how its objects become the store's and back.
///
/// Objects come in parsed by the table. What makes, changes and deletes runs in the one transaction of the request: what
/// it reads there stays true until the commit, and an error undoes all of it.
pub(crate) trait Resource: 'static {
    const TABLE: Table;

    type Stored: Stored;

    /// What its own rules may refuse a request with.
    const REFUSED: Refused;

    /// What quotas count it as.
    const COUNTED: Option<Counted> = None;

    /// What of a project's must be there before somebody looks.
    fn before_list(_state: &RestState, _project: &str) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// What follows from a change once it is committed.
    fn after_update(_state: &RestState, _after: &Self::Stored) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Makes all of them, in their order.
    fn create(
        write: &mut Write<'_>,
        state: &RestState,
        context: &Context,
        objects: Vec<Object>,
    ) -> impl Future<Output = Result<Vec<Self::Stored>>> + Send;

    fn update(
        write: &mut Write<'_>,
        state: &RestState,
        context: &Context,
        before: Self::Stored,
        changes: Object,
    ) -> impl Future<Output = Result<Self::Stored>> + Send;

    fn delete(
        write: &mut Write<'_>,
        state: &RestState,
        before: Self::Stored,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Each as the API shows it; attributes left out have their defaults.
    fn show(state: &RestState, stored: Vec<Self::Stored>) -> impl Future<Output = Result<Vec<Object>>> + Send;

    /// As [`Resource::show`], all attributes of each as JSON. Where lists are long it is worth its own way.
    fn texts(state: &RestState, stored: Vec<Self::Stored>) -> impl Future<Output = Result<Vec<Vec<u8>>>> + Send {
        async {
            let shown = Self::show(state, stored).await?.into_iter();
            let texts = shown.map(|object| serde_json::to_vec(&Self::TABLE.complete(object)));
            Ok(texts.collect::<serde_json::Result<_>>().map_err(|error| store::Error::Corrupt(error.to_string()))?)
        }
    }
}

/// Statuses, beside those that every such request may be refused with.
pub(crate) struct Refused {
    pub(crate) create: &'static [u16],
    pub(crate) update: &'static [u16],
    pub(crate) delete: &'static [u16],
}

/// The objects as the caller may see them.
pub(crate) async fn show_all<R: Resource>(
    state: &RestState,
    context: &Context,
    stored: Vec<R::Stored>,
) -> Result<Vec<Object>> {
    let shown = R::show(state, stored).await?.into_iter();
    Ok(shown.map(|object| policy::hide(&R::TABLE, context, R::TABLE.complete(object))).collect())
}

/// Reads a parsed object as a typed one. The table has checked every value, so an error here is one that only the
/// typed form knows of, such as a host name.
pub(crate) fn typed<T: DeserializeOwned>(object: Object) -> Result<T> {
    serde_json::from_value(Value::Object(object)).map_err(ApiError::invalid)
}

/// Takes `project_id`, which `tenant_id` is an older name of; the caller's own if there is none.
pub(crate) fn take_project(context: &Context, object: &mut Object) -> Result<String> {
    let mut take = |name| object.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    match (take("project_id"), take("tenant_id")) {
        (Some(project), Some(tenant)) if project != tenant => {
            Err(ApiError::bad_request("'project_id' and 'tenant_id' do not match"))
        }
        (project, tenant) => Ok(project.or(tenant).unwrap_or_else(|| context.project_id.clone())),
    }
}

/// What every stored object shows: whose it is, its stamp, and its tags, if it has any.
pub(crate) fn show_common(object: &mut Object, project: &str, stamp: Stamp) {
    for name in ["project_id", "tenant_id"] {
        object.insert(name.to_owned(), project.into());
    }
    object.entry("tags").or_insert_with(|| Value::Array(Vec::new()));
    object.insert("created_at".to_owned(), time::zulu(stamp.created_at).into());
    object.insert("updated_at".to_owned(), time::zulu(stamp.updated_at).into());
    object.insert("revision_number".to_owned(), stamp.revision_number.into());
}

/// Tells `null` (`Some(None)`) from absent (`None`).
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> std::result::Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
