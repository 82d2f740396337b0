use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::json::Json;

/// Who asks, and on whose behalf: the members of a request that begin with `_context_`, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context(pub(super) Vec<(String, Json)>);

impl Context {
    /// As a service of Neutron has it that acts for itself (`neutron_lib.context.get_admin_context`, Neutron 21).
    /// `request_id` as in `req-88325e0f-d7a9-4b09-87fc-8292f60a7b56`, `time` as in `2026-11-22 20:42:47.045478`, in UTC.
    pub fn of_service(request_id: &str, time: &str) -> Result<Context, Error> {
        let (text, null) = (|text: &str| Json::of(text), || Ok(Json::default()));
        let fields = [
            ("user", null()),
            ("project_id", null()),
            ("system_scope", null()),
            ("project", null()),
            ("domain", null()),
            ("user_domain", null()),
            ("project_domain", null()),
            ("is_admin", Json::of(&true)),
            ("read_only", Json::of(&false)),
            ("show_deleted", Json::of(&false)),
            ("auth_token", null()),
            ("request_id", text(request_id)),
            ("global_request_id", null()),
            ("resource_uuid", null()),
            ("roles", Json::of::<[&str]>(&[])),
            ("user_identity", text("- - - - -")),
            ("is_admin_project", Json::of(&true)),
            ("user_id", null()),
            ("tenant_id", null()),
            ("timestamp", text(time)),
            ("tenant_name", null()),
            ("project_name", null()),
            ("user_name", null()),
        ];
        let fields = fields.into_iter().map(|(name, value)| Ok((name.to_owned(), value?)));
        Ok(Context(fields.collect::<Result<_, Error>>()?))
    }

    /// None if the field is not there, or of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.0.iter().find(|(field, _)| field == name).and_then(|(_, value)| value.read().ok())
    }

    pub fn set<T: Serialize>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let value = Json::of(value)?;
        match self.0.iter_mut().find(|(field, _)| field == name) {
            Some((_, there)) => *there = value,
            None => self.0.push((name.to_owned(), value)),
        }
        Ok(())
    }
}
