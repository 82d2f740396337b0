use thiserror::Error as ThisError;

use crate::Version;

/// What can be wrong with what a peer sent, or with what it is to be sent.
#[derive(Debug, ThisError)]
pub enum Error {
    #[error("the message is not JSON of the form that oslo.messaging sends")]
    Json(#[from] serde_json::Error),
    #[error("the message has envelope version \"{0}\": only 2.x is known; is the sender an oslo.messaging process?")]
    Envelope(String),
    #[error("\"{0}\" is not a version: two numbers with a dot between them, as in 1.4")]
    Version(String),
    #[error("a {wanted} was awaited, and a {found} came")]
    OtherObject { wanted: &'static str, found: String },
    #[error("{name} {version} is not known here, which speaks 1.{first} to 1.{last}")]
    ObjectVersion { name: &'static str, version: Version, first: u32, last: u32 },
    #[error("field {field} of {name} cannot be read")]
    Field { name: &'static str, field: &'static str, source: Box<Error> },
    #[error("\"{0}\" is no name for a topic or a server: it is empty, has a control character, or more than 200 bytes")]
    Name(String),
}
