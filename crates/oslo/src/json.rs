use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use serde_json::value::RawValue;

use crate::Error;

/// A JSON value as it is written, order of members and all: what is passed on is passed on as it came.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The value as Python would write it.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Json, Error> {
        Ok(Json(RawValue::from_string(python(value)?)?))
    }

    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_str(self.as_str())?)
    }

    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }
}

impl Default for Json {
    fn default() -> Self {
        Json(RawValue::NULL.to_owned())
    }
}

/// As texts.
impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.as_str() == other.as_str()
    }
}

/// Writes as Python's `json.dumps` does: a space after commas and colons, nothing but printable ASCII. A [`Json`] stays as it is.
pub(crate) fn python<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Python))?;
    // All that was written is text, so nothing is lost.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct Python;

impl Formatter for Python {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = fragment;
        while let Some(at) = plain.find(|c: char| !(' '..='~').contains(&c)) {
            let (before, rest) = plain.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut chars = rest.chars();
            if let Some(other) = chars.next() {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            plain = chars.as_str();
        }
        writer.write_all(plain.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_python_writes_it() {
        // Python 3.11: json.dumps({"a": ["é", "\U0001f600\x7f\x00\t\"\\/"], "b": [1, -2, None, True, {}, [], 1.5, ""]})
        let written =
            r#"{"a": ["\u00e9", "\ud83d\ude00\u007f\u0000\t\"\\/"], "b": [1, -2, null, true, {}, [], 1.5, ""]}"#;
        let value: serde_json::Value = serde_json::from_str(written).unwrap();
        assert_eq!(python(&value).unwrap(), written);
    }

    #[test]
    fn a_value_keeps_the_order_of_its_members() {
        let json: Json = serde_json::from_str(r#"{"z": 1, "a": "é"}"#).unwrap();
        assert_eq!(python(&json).unwrap(), r#"{"z": 1, "a": "é"}"#);
        assert_eq!(json.read::<serde_json::Value>().unwrap()["a"], "é");
        assert!(Json::default().is_null() && !json.is_null());
    }
}
