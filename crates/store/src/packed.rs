//! Several columns as one text, and many rows as one: an object and the rows that hang on it are then one statement, and one
//! row of the engine, whose handing over costs more than what is in it, carries many objects.

use std::net::IpAddr;
use std::str::FromStr;

use model::Mac;
use uuid::Uuid;

use crate::db::{hex, ip_from, mac_from};
use crate::{Error, Result};

/// What the text has of each row, by the SQL that gives it. Each may be NULL.
#[derive(Debug)]
pub(crate) enum Part<'c> {
    Text(&'c str),
    /// Bytes, 16 at most. NULL is as none.
    Bytes(&'c str),
    /// A number, a flag, or a word without a space. NULL is as an empty one.
    Word(&'c str),
    /// A subselect of [`rows`].
    Rows(&'c str),
}

/// An expression for the parts of one row.
pub(crate) fn row(parts: &[Part<'_>]) -> String {
    let parts = parts.iter().map(|part| match part {
        Part::Text(column) => format!("COALESCE(octet_length({column}) || ':' || {column}, '-')"),
        Part::Bytes(column) => format!("{} || ' '", hex(column)),
        Part::Word(column) => format!("COALESCE(CAST({column} AS TEXT), '') || ' '"),
        Part::Rows(select) => format!("({select})"),
    });
    parts.collect::<Vec<_>>().join(" || ")
}

/// An aggregate of rows that are each such an [expression](row), in this order, or as they come.
pub(crate) fn rows(row: &str, order: Option<&str>) -> String {
    let order = order.map(|order| format!(" ORDER BY {order}")).unwrap_or_default();
    format!("COUNT(*) || ' ' || COALESCE(string_agg({row}, ''{order}), '')")
}

/// Reads what [`row`] has put together, part by part in the same order.
#[derive(Debug)]
pub(crate) struct Packed<'t>(&'t str);

impl<'t> Packed<'t> {
    pub(crate) fn new(text: &'t str) -> Packed<'t> {
        Packed(text)
    }

    /// [`Part::Rows`]: `read` gets each.
    pub(crate) fn rows<T>(&mut self, mut read: impl FnMut(&mut Packed<'t>) -> Result<T>) -> Result<Vec<T>> {
        let count: usize = self.number()?;
        (0..count).map(|_| read(self)).collect()
    }

    /// [`Part::Text`]
    pub(crate) fn text(&mut self) -> Result<&'t str> {
        self.text_or_null()?.ok_or_else(unreadable)
    }

    pub(crate) fn text_or_null(&mut self) -> Result<Option<&'t str>> {
        if let Some(rest) = self.0.strip_prefix('-') {
            self.0 = rest;
            return Ok(None);
        }
        let (length, rest) = self.0.split_once(':').ok_or_else(unreadable)?;
        let (text, rest) =
            length.parse().ok().and_then(|length| rest.split_at_checked(length)).ok_or_else(unreadable)?;
        self.0 = rest;
        Ok(Some(text))
    }

    /// [`Part::Word`]
    pub(crate) fn word(&mut self) -> Result<&'t str> {
        let (word, rest) = self.0.split_once(' ').ok_or_else(unreadable)?;
        self.0 = rest;
        Ok(word)
    }

    pub(crate) fn number<T: FromStr>(&mut self) -> Result<T> {
        self.word()?.parse().map_err(|_| unreadable())
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        match self.word()? {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err(unreadable()),
        }
    }

    /// [`Part::Bytes`], of an id.
    pub(crate) fn uuid(&mut self) -> Result<Uuid> {
        self.uuid_or_null()?.ok_or_else(unreadable)
    }

    pub(crate) fn uuid_or_null(&mut self) -> Result<Option<Uuid>> {
        let word = self.word()?;
        let parse = |word| Uuid::try_parse(word).map_err(|_| unreadable());
        if word.is_empty() { Ok(None) } else { parse(word).map(Some) }
    }

    pub(crate) fn mac(&mut self) -> Result<Mac> {
        self.bytes(mac_from)
    }

    pub(crate) fn ip(&mut self) -> Result<IpAddr> {
        self.bytes(ip_from)
    }

    fn bytes<T>(&mut self, read: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        let mut bytes = [0; 16];
        let digits = self.word()?.as_bytes();
        let (pairs, []) = digits.as_chunks::<2>() else { return Err(unreadable()) };
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        read(bytes.get(..pairs.len()).ok_or_else(unreadable)?)
    }
}

fn digit(digit: u8) -> Result<u8> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(unreadable()),
    }
}

fn unreadable() -> Error {
    Error::Corrupt("rows that were put together cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection as _, Row as _};

    use super::*;
    use crate::db::Connection;

    #[tokio::test]
    async fn whatever_a_text_holds_is_read_back() {
        let mut db = Connection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE t (n INTEGER, text TEXT, bytes BLOB)").execute(&mut db).await.unwrap();
        let texts = [Some("5:- 1;"), None, Some(""), Some("Käse\u{1f9c0} \0end"), Some("-")];
        for (n, text) in (0_i64..).zip(texts) {
            let insert = sqlx::query("INSERT INTO t VALUES ($1, $2, $3)").bind(n).bind(text);
            insert.bind([10_u8, 0, 0, 1].as_slice()).execute(&mut db).await.unwrap();
        }
        let inner = format!("SELECT {} FROM t i WHERE i.n < t.n", rows(&row(&[Part::Word("i.n")]), Some("i.n DESC")));
        let parts = [Part::Text("text"), Part::Bytes("bytes"), Part::Rows(&inner), Part::Word("NULL"), Part::Word("n")];
        let select = format!("SELECT {} FROM t", rows(&row(&parts), Some("n")));
        let text: String = sqlx::query(AssertSqlSafe(select)).fetch_one(&mut db).await.unwrap().get(0);
        let read = Packed::new(&text).rows(|packed| {
            let (text, ip) = (packed.text_or_null()?, packed.ip()?);
            let before = packed.rows(Packed::number::<i64>)?;
            Ok((text, ip, before, packed.word()?, packed.number::<i64>()?))
        });
        let ip = IpAddr::from([10, 0, 0, 1]);
        let expected: Vec<_> = (0..).zip(texts).map(|(n, text)| (text, ip, (0..n).rev().collect(), "", n)).collect();
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn what_was_not_put_together_so_is_corrupt() {
        for text in ["", "1", "1 5:abc", "1 x:abc", "9 ", "1 2:Kä"] {
            assert!(Packed::new(text).rows(Packed::text).is_err(), "{text}");
        }
        for text in ["0", "0A 0B", "zz ", "0102030405060708090a0b0c0d0e0f1011 "] {
            assert!(Packed::new(text).ip().is_err(), "{text}");
        }
    }
}
