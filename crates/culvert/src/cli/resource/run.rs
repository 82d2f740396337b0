//! The verbs, the same for all resources.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Object, Request, Verb, show, value};
use crate::cli::exit::Failure;
use crate::cli::rest::Rest;

/// Between two questions whether a port is ACTIVE.
const ASK_EVERY: Duration = Duration::from_millis(200);

impl Request {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let rest = self.server.connect()?;
        match self.verb {
            Verb::List => self.print_list(&self.list(&rest).await?)?,
            Verb::Show => {
                let shown = rest.show(self.resource.api, &self.id(&rest).await?).await?;
                self.print_one(shown)?;
            }
            Verb::Create => {
                let created = rest.create(self.resource.api, self.object(&rest).await?).await?;
                self.print_one(self.settled(&rest, created).await?)?;
            }
            Verb::Set => {
                let id = self.id(&rest).await?;
                let changed = rest.update(self.resource.api, &id, self.object(&rest).await?).await?;
                self.print_one(self.settled(&rest, changed).await?)?;
            }
            Verb::Delete => self.delete(&rest).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn id(&self, rest: &Rest) -> anyhow::Result<String> {
        self.resource.id(rest, self.names.first().map_or("", String::as_str)).await
    }

    /// The body of a creation or a change.
    async fn object(&self, rest: &Rest) -> anyhow::Result<Object> {
        let mut object = Object::new();
        for given in &self.given {
            object.insert(given.option.attribute.to_owned(), given.value(rest).await?);
        }
        if let (Verb::Create, Some(name)) = (self.verb, self.names.first()) {
            object.insert(self.resource.name.to_owned(), name.as_str().into());
        }
        (self.resource.complete)(&mut object);
        Ok(object)
    }

    async fn list(&self, rest: &Rest) -> anyhow::Result<Vec<Object>> {
        let mut query = Vec::new();
        for given in &self.given {
            let filters = given.filters(rest).await?;
            query.extend(filters.into_iter().map(|filter| (given.option.attribute, filter)));
        }
        query.extend(self.attributes.iter().map(|attribute| ("fields", attribute.clone())));
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let plural = self.resource.api.1;
        let mut objects = match self.limit {
            Some(limit) => rest.list_some(plural, &query, limit).await?,
            None => rest.list(plural, &query).await?,
        };
        let name = |object: &Object| object.get(self.resource.name).and_then(Value::as_str).map(ToOwned::to_owned);
        objects.sort_by_cached_key(|object| (name(object), value::id(object).map(ToOwned::to_owned)));
        Ok(objects)
    }

    /// All names are looked up before the first object goes: a misspelt one deletes nothing.
    async fn delete(&self, rest: &Rest) -> anyhow::Result<()> {
        let mut ids = Vec::new();
        for name in &self.names {
            let id = self.resource.id(rest, name).await?;
            // named twice, or by its name and its id
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let mut deleted = Vec::new();
        let mut outcome = Ok(());
        for id in ids {
            outcome = rest.delete(self.resource.api.1, &id).await;
            if outcome.is_err() {
                break;
            }
            deleted.push(id);
        }
        // For people no news is good news; a program learns what is gone, though the rest could not go.
        self.output.print(&deleted.into(), |_| String::new())?;
        outcome
    }

    /// The object once its status is ACTIVE, if that is to be waited for.
    async fn settled(&self, rest: &Rest, mut object: Object) -> anyhow::Result<Object> {
        let Some(patience) = self.wait else {
            advise(&object);
            return Ok(object);
        };
        let deadline = Instant::now() + patience;
        let id = value::id(&object).context("the server gave an object without an id")?.to_owned();
        while object.get("status").and_then(Value::as_str) != Some("ACTIVE") {
            if Instant::now() >= deadline {
                return Err(self.late(&object, patience).into());
            }
            sleep(ASK_EVERY).await;
            object = rest.show(self.resource.api, &id).await?;
        }
        Ok(object)
    }

    fn late(&self, object: &Object, patience: Duration) -> Failure {
        let text = |name| object.get(name).and_then(Value::as_str).unwrap_or("?");
        let what = format!(
            "{} {} is {} and not ACTIVE after {} s (binding: {})",
            self.resource.noun,
            text("id"),
            text("status"),
            patience.as_secs(),
            text("binding:vif_type"),
        );
        let hint = "it becomes ACTIVE when it is plugged on its host and the others know it; `culvert status` says what is missing";
        Failure::TimedOut { what, hint: Some(hint.to_owned()) }
    }

    fn print_list(&self, objects: &[Object]) -> anyhow::Result<()> {
        let value = serde_json::to_value(objects)?;
        let table = match &self.attributes[..] {
            [] => show::list(self.resource.columns, objects),
            asked => show::list_of(asked, objects),
        };
        self.output.print(&value, |screen| table.render(screen))
    }

    fn print_one(&self, mut object: Object) -> anyhow::Result<()> {
        if !self.attributes.is_empty() {
            object.retain(|name, _| self.attributes.contains(name));
        }
        let table = show::one(&object);
        self.output.print(&object.into(), |screen| table.render(screen))
    }
}

/// What was made is as it was asked for, and still cannot be used: what is missing.
fn advise(object: &Object) {
    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("binding:vif_type") == "binding_failed" {
        let host = text("binding:host_id");
        eprintln!(
            "hint: host {host} has no agent that is alive, enabled and serves this network: `culvert host list` shows those that \
             there are; the port is bound by itself once it has"
        );
    }
}
