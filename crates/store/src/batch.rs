//! Many rows with few statements, and several statements with one trip: a trip to the engine's thread and back takes
//! longer than most statements.

use std::mem;

use sqlx::QueryBuilder;
use sqlx::query_builder::Separated;

use crate::Result;
use crate::db::{Connection, Engine, Row};

/// Rows that one statement inserts. Few sizes, so that the engine has met the statement before.
const SIZES: [usize; 3] = [64, 8, 1];

/// Short statements that make one trip. More would be more texts than the engine remembers. Several in one text are of
/// SQLite alone, and sqlx may end it (its issue 3108): 1 does the same with more trips.
const TOGETHER: usize = 8;

/// The values of a row, one `push_bind` for each.
pub(crate) type Values<'q> = Separated<'q, Engine, &'static str>;

/// Writes that need nothing of each other's results. They run in their order.
#[derive(Default)]
pub(crate) struct Batch {
    full: Vec<QueryBuilder<Engine>>,
    /// Statements with a semicolon between two.
    trip: QueryBuilder<Engine>,
    /// How many more may come along with it.
    room: usize,
}

impl Batch {
    /// Another statement of few rows, to be filled in.
    pub(crate) fn statement(&mut self) -> &mut QueryBuilder<Engine> {
        self.begin(TOGETHER)
    }

    /// Inserts rows: `into` names the table and its columns, `bind` gives the values of a row, `conflict` ends the
    /// statement.
    pub(crate) fn insert<T>(
        &mut self,
        into: &str,
        mut rows: &[T],
        mut bind: impl FnMut(Values<'_>, &T),
        conflict: &str,
    ) {
        for size in SIZES {
            while let Some((some, rest)) = rows.split_at_checked(size) {
                let query = self.begin(if size == 1 { TOGETHER } else { 1 });
                query.push(into).push(" ").push_values(some, &mut bind).push(conflict);
                rows = rest;
            }
        }
    }

    /// Runs what there is and leaves nothing; how many rows were written.
    pub(crate) async fn run(&mut self, db: &mut Connection) -> Result<u64> {
        self.close();
        self.room = 0;
        let mut written = 0;
        for mut trip in mem::take(&mut self.full) {
            written += trip.build().execute(&mut *db).await?.rows_affected();
        }
        Ok(written)
    }

    /// Runs all of it; the first row that the statements of the last trip return.
    pub(crate) async fn fetch_one(mut self, db: &mut Connection) -> Result<Row> {
        let mut last = mem::take(&mut self.trip);
        self.run(db).await?;
        Ok(last.build().fetch_one(db).await?)
    }

    /// A statement, on its way with those before it if there is room for so many together.
    fn begin(&mut self, together: usize) -> &mut QueryBuilder<Engine> {
        if together > 1 && self.room > 0 {
            self.room -= 1;
            self.trip.push("; ");
        } else {
            self.close();
            self.room = together - 1;
        }
        &mut self.trip
    }

    fn close(&mut self) {
        let trip = mem::take(&mut self.trip);
        if !trip.sql().as_str().is_empty() {
            self.full.push(trip);
        }
    }
}
