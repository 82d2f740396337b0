//! What all stored objects have in common: they are found by a filter, and one of them by its id.

use std::future::Future;

use futures::TryStreamExt as _;
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use crate::db::Connection;
use crate::filter::{Column, Filter};
use crate::types::Stamp;
use crate::write::Write;
use crate::{Error, Result, Store};

/// A kind of objects that the API lists, finds by id, and changes.
pub trait Stored: Sized + Send + 'static {
    /// The table that their ids are in.
    const TABLE: &'static str;

    /// The order when a filter names none.
    const ORDER: Column = Column::CreatedAt;

    /// Those that match, in the filter's order. One statement, so that an object is never seen with the parts of another commit.
    fn select(db: &mut Connection, filter: &Filter) -> impl Future<Output = Result<Vec<Self>>> + Send;

    fn id(&self) -> Uuid;

    /// The error when there is none of this id.
    fn missing(id: Uuid) -> Error;

    /// `None`: it belongs to no project.
    fn project_id(&self) -> Option<&str>;

    /// `None`: its changes are not counted.
    fn stamp(&self) -> Option<Stamp>;
}

impl Store {
    /// The objects that match as of the last commit, in the filter's order.
    pub async fn list<T: Stored>(&self, filter: &Filter) -> Result<Vec<T>> {
        T::select(&mut *self.reader().await?, filter).await
    }

    /// The ids of those that match, in the filter's order, as of one commit.
    pub async fn ids<T: Stored>(&self, filter: &Filter) -> Result<Vec<Uuid>> {
        let mut reader = self.reader().await?;
        let mut query = QueryBuilder::new(format!("SELECT t.id FROM {} t", T::TABLE));
        filter.push_to::<T>(&mut query, "t");
        // one by one: a row takes far more memory than an id
        let mut rows = query.build().fetch(&mut *reader);
        let mut ids = Vec::new();
        while let Some(row) = rows.try_next().await? {
            ids.push(row.try_get(0)?);
        }
        Ok(ids)
    }

    /// Fails with [`Stored::missing`] if there is none.
    pub async fn get<T: Stored>(&self, id: Uuid) -> Result<T> {
        get(&mut *self.reader().await?, id).await
    }
}

impl Write<'_> {
    /// As [`Store::get`], as this write has left it.
    pub async fn get<T: Stored>(&mut self, id: Uuid) -> Result<T> {
        get(self.db().await?, id).await
    }

    /// As [`Store::list`], as this write has left it.
    pub async fn list<T: Stored>(&mut self, filter: &Filter) -> Result<Vec<T>> {
        T::select(self.db().await?, filter).await
    }
}

pub(crate) async fn get<T: Stored>(db: &mut Connection, id: Uuid) -> Result<T> {
    find(db, id).await?.ok_or_else(|| T::missing(id))
}

pub(crate) async fn find<T: Stored>(db: &mut Connection, id: Uuid) -> Result<Option<T>> {
    Ok(T::select(db, &Filter::by_id(id)).await?.pop())
}
