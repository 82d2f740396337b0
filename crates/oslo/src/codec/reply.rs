use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::json::python;
use crate::{Error, Failure, Json};

/// Answers a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The call's `_msg_id`.
    pub message_id: String,
    pub outcome: Result<Json, Box<Failure>>,
    /// It is the last for its call. One that is not says that the call is still being worked on, and has no result.
    pub ending: bool,
    pub unique_id: Option<Uuid>,
}

/// As it is written, in this order.
#[derive(Serialize, Deserialize)]
struct Members {
    /// Absent in a sign of life.
    #[serde(default)]
    result: Json,
    /// The text of a JSON object.
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    ending: bool,
    #[serde(rename = "_msg_id")]
    message_id: String,
    #[serde(rename = "_unique_id", default, skip_serializing_if = "Option::is_none", serialize_with = "simple")]
    unique_id: Option<Uuid>,
}

#[allow(clippy::ref_option, reason = "as serde hands it over")]
fn simple<S: Serializer>(id: &Option<Uuid>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(Uuid::simple).serialize(serializer)
}

impl Reply {
    /// The result as what the method returns.
    pub fn result<T: DeserializeOwned>(&self) -> Result<Result<T, Box<Failure>>, Error> {
        match &self.outcome {
            Ok(result) => Ok(Ok(result.read()?)),
            Err(failure) => Ok(Err(failure.clone())),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Reply, Error> {
        let members: Members = serde_json::from_str(text)?;
        Ok(Reply {
            message_id: members.message_id,
            outcome: members.failure.map_or(Ok(members.result), |failure| Err(Box::new(Failure::parse(&failure)))),
            ending: members.ending,
            unique_id: members.unique_id,
        })
    }

    pub(super) fn text(&self) -> Result<String, Error> {
        let (result, failure) = match &self.outcome {
            Ok(result) => (result.clone(), None),
            Err(failure) => (Json::default(), Some(failure.text()?)),
        };
        let (ending, message_id, unique_id) = (self.ending, self.message_id.clone(), self.unique_id);
        python(&Members { result, failure, ending, message_id, unique_id })
    }
}
