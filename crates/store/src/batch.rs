//! Many rows with few statements, and several statements with one trip, as far as the engine permits: a trip to its thread
//! and back takes longer than most statements.

use std::mem;

use futures::TryStreamExt as _;
use sqlx::query_builder::Separated;
use sqlx::{Either, Executor as _, QueryBuilder};

use crate::Result;
use crate::db::{Connection, Engine, Row, TOGETHER};

/// Rows that one statement inserts. Few sizes, so that the engine has met the statement before.
const SIZES: [usize; 3] = [64, 8, 1];

/// Values that one statement compares with; as few sizes, for the same reason.
const COMPARED: [usize; 3] = [1, 16, 256];

/// These values in parts for as many statements, from the first on again where a part is too short.
pub(crate) fn parts<T>(values: &[T]) -> impl Iterator<Item = impl Iterator<Item = &T>> {
    let [.., most] = COMPARED;
    values.chunks(most).map(|part| {
        let size = COMPARED.into_iter().find(|size| *size >= part.len());
        part.iter().cycle().take(size.unwrap_or(part.len()))
    })
}

/// The values of a row, one `push_bind` for each.
pub(crate) type Values<'q> = Separated<'q, Engine, &'static str>;

/// Statements that need nothing of each other's results. They run in their order.
pub(crate) struct Batch {
    /// Short statements that make one trip.
    together: usize,
    full: Vec<QueryBuilder<Engine>>,
    /// Statements with a semicolon between two.
    trip: QueryBuilder<Engine>,
    /// How many more may come along with it.
    room: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Batch { together: TOGETHER, full: Vec::new(), trip: QueryBuilder::default(), room: 0 }
    }
}

impl Batch {
    /// Another statement of few rows, to be filled in.
    pub(crate) fn statement(&mut self) -> &mut QueryBuilder<Engine> {
        self.begin(self.together)
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
                let query = self.begin(if size == 1 { self.together } else { 1 });
                query.push(into).push(" ").push_values(some, &mut bind).push(conflict);
                rows = rest;
            }
        }
    }

    /// Runs what there is and leaves nothing.
    pub(crate) async fn run(&mut self, db: &mut Connection) -> Result<()> {
        self.fetch(db).await.map(drop)
    }

    /// As [`Batch::run`]; the rows that each statement returns.
    pub(crate) async fn fetch(&mut self, db: &mut Connection) -> Result<Vec<Vec<Row>>> {
        self.close();
        self.room = 0;
        let mut answers = Vec::new();
        for mut trip in mem::take(&mut self.full) {
            let mut rows = Vec::new();
            // to its end: what is not asked for is not run
            let mut answer = db.fetch_many(trip.build());
            while let Some(next) = answer.try_next().await? {
                match next {
                    Either::Right(row) => rows.push(row),
                    Either::Left(_) => answers.push(mem::take(&mut rows)),
                }
            }
        }
        Ok(answers)
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

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Row as _};

    use super::*;

    /// As on an engine that takes one statement at a time.
    #[tokio::test]
    async fn one_statement_at_a_time_writes_the_same() {
        let mut written = Vec::new();
        for together in [1, TOGETHER] {
            let mut db = Connection::connect("sqlite::memory:").await.unwrap();
            let table = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL)";
            sqlx::query(table).execute(&mut db).await.unwrap();
            let mut batch = Batch { together, ..Batch::default() };
            let rows: Vec<i64> = (0..100).collect();
            let into = "INSERT INTO t (a, b)";
            batch.insert(
                into,
                &rows,
                |mut row, a| {
                    row.push_bind(*a).push_bind(a.to_string());
                },
                "",
            );
            let trips = batch.full.len();
            batch.statement().push("UPDATE t SET b = 'x' || b WHERE a = ").push_bind(7);
            batch.statement().push("DELETE FROM t WHERE a = ").push_bind(8);
            assert_eq!(batch.full.len() > trips + 1, together == 1);
            batch.statement().push("SELECT count(*), group_concat(b) FROM t");
            let answers = batch.fetch(&mut db).await.unwrap();
            let row = &answers.last().unwrap()[0];
            written.push((row.get::<i64, _>(0), row.get::<String, _>(1)));
        }
        assert_eq!(written[0], written[1]);
        assert_eq!(written[0].0, 99);
        assert!(written[0].1.contains("6,x7,9,"), "{}", written[0].1);
    }
}
