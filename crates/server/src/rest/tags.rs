//! Tags of networks, subnets, ports and security groups: a list under each of them, and filters of their lists.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use model::{NetworkId, PortId, SubnetId};
use serde_json::{Value, json};
use store::{Error, Network, Port, SecurityGroup, Subnet, TagChange, Tagged};
use uuid::Uuid;

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::handlers::read;
use super::kind::Kind;
use super::openapi::schema;
use super::path::Path;
use super::routes::{Operation, Routes};
use super::table::Object;

/// Characters of a tag.
const TAG_MAX: usize = 255;
pub(crate) const TAGS: Kind = Kind::Texts(TAG_MAX);

/// What can have tags.
const TAGGED: &[Of] = &[
    Of { plural: "networks", tagged: |id| Tagged::Network(NetworkId(id)) },
    Of { plural: "subnets", tagged: |id| Tagged::Subnet(SubnetId(id)) },
    Of { plural: "ports", tagged: |id| Tagged::Port(PortId(id)) },
    Of { plural: "security_groups", tagged: Tagged::SecurityGroup },
];

pub(crate) fn routes() -> Routes {
    TAGGED.iter().fold(Routes::default(), |routes, of| one(*of, all(*of, routes)))
}

/// A collection whose objects have tags.
#[derive(Clone, Copy)]
struct Of {
    plural: &'static str,
    tagged: fn(Uuid) -> Tagged,
}

/// `/v2.0/networks/{id}/tags`
fn all(of: Of, routes: Routes) -> Routes {
    let (path, many) = (format!("/v2.0/{}/{{id}}/tags", of.path()), of.plural);
    let show = Operation::get(&path, format!("list_tags_of_{many}"), format!("List the tags of one of {many}"));
    let replace =
        Operation::put(&path, format!("replace_tags_of_{many}"), format!("Replace the tags of one of {many}"));
    let remove = Operation::delete(path, format!("remove_tags_of_{many}"), format!("Remove all tags of one of {many}"));
    let tag = json!({"type": "string", "maxLength": TAG_MAX});
    let tags = schema::object(&json!({"tags": {"type": "array", "items": tag, "uniqueItems": true}}));
    let replace = replace.takes(tags.clone()).gives(tags.clone()).refused(&[404, 503]);
    routes
        .add(
            show.gives(tags).refused(&[404, 503]),
            async move |State(state): State<RestState>, context: Context, Path(id): Path<String>| {
                let tags = of.tags(&state, &context, &id).await?;
                Ok::<_, ApiError>(Json(json!({"tags": tags})))
            },
        )
        .add(
            replace,
            async move |State(state): State<RestState>,
                        context: Context,
                        Path(id): Path<String>,
                        headers: HeaderMap,
                        body: std::result::Result<Bytes, BytesRejection>| {
                let body = read(&headers, body)?;
                let tags = parse(&body)?;
                of.change(&state, &context, &id, TagChange::Replace(tags)).await?;
                // as they came
                Ok::<_, ApiError>(Json(json!({"tags": body.get("tags")})))
            },
        )
        .add(
            remove.refused(&[404, 503]),
            async move |State(state): State<RestState>, context: Context, Path(id): Path<String>| {
                of.change(&state, &context, &id, TagChange::Replace(Vec::new())).await?;
                Ok::<_, ApiError>(StatusCode::NO_CONTENT)
            },
        )
}

/// `/v2.0/networks/{id}/tags/{tag}`
fn one(of: Of, routes: Routes) -> Routes {
    let (path, many) = (format!("/v2.0/{}/{{id}}/tags/{{tag}}", of.path()), of.plural);
    let show = Operation::get(&path, format!("has_tag_of_{many}"), format!("Whether one of {many} has a tag"));
    let add = Operation::put(&path, format!("add_tag_to_{many}"), format!("Add a tag to one of {many}"));
    let remove = Operation::delete(path, format!("remove_tag_of_{many}"), format!("Remove a tag of one of {many}"));
    routes
        .add(
            show.succeeds(204).refused(&[400, 404, 503]),
            async move |State(state): State<RestState>, context: Context, Path((id, tag)): Path<(String, String)>| {
                check(&tag)?;
                let tags = of.tags(&state, &context, &id).await?;
                if tags.contains(&tag) {
                    Ok(StatusCode::NO_CONTENT)
                } else {
                    Err(ApiError::from(Error::TagNotFound(tag)))
                }
            },
        )
        .add(
            add.succeeds(201).gives(json!({"type": "null"})).refused(&[400, 404, 503]),
            async move |State(state): State<RestState>, context: Context, Path((id, tag)): Path<(String, String)>| {
                check(&tag)?;
                of.change(&state, &context, &id, TagChange::Add(tag)).await?;
                Ok::<_, ApiError>((StatusCode::CREATED, Json(Value::Null)))
            },
        )
        .add(
            remove.refused(&[400, 404, 503]),
            async move |State(state): State<RestState>, context: Context, Path((id, tag)): Path<(String, String)>| {
                check(&tag)?;
                of.change(&state, &context, &id, TagChange::Remove(tag)).await?;
                Ok::<_, ApiError>(StatusCode::NO_CONTENT)
            },
        )
}

impl Of {
    fn path(self) -> String {
        self.plural.replace('_', "-")
    }

    fn find(self, id: &str) -> Result<Tagged> {
        Uuid::parse_str(id).map(self.tagged).map_err(|_| self.missing(id))
    }

    async fn tags(self, state: &RestState, context: &Context, id: &str) -> Result<Vec<String>> {
        let found = self.find(id)?;
        let tags = async {
            check_owner(state, context, found, true).await?;
            state.store.tags(found).await
        };
        tags.await.map_err(|error| self.explain(error, id))
    }

    async fn change(self, state: &RestState, context: &Context, id: &str, change: TagChange) -> Result<()> {
        let found = self.find(id)?;
        let changed = async {
            check_owner(state, context, found, false).await?;
            state.store.change_tags(found, change).await
        };
        changed.await.map_err(|error| self.explain(error, id))
    }

    fn explain(self, error: Error, id: &str) -> ApiError {
        match error {
            Error::NetworkNotFound(_)
            | Error::SubnetNotFound(_)
            | Error::PortNotFound(_)
            | Error::SecurityGroupNotFound(_) => self.missing(id),
            other => other.into(),
        }
    }

    fn missing(self, id: &str) -> ApiError {
        let message = format!("Resource {} {id} could not be found.", self.plural);
        ApiError::not_found("TagResourceNotFound", message)
    }
}

/// What belongs to others is not there; to look, it may be shared.
async fn check_owner(
    state: &RestState,
    context: &Context,
    of: Tagged,
    to_look: bool,
) -> std::result::Result<(), Error> {
    if context.is_admin {
        return Ok(());
    }
    let (owner, shared, missing) = match of {
        Tagged::Network(id) => {
            let network: Network = state.store.get(id.0).await?;
            let shared = network.attributes.get("shared").and_then(Value::as_bool).unwrap_or_default();
            (network.project_id, shared, Error::NetworkNotFound(id))
        }
        Tagged::Subnet(id) => (state.store.get::<Subnet>(id.0).await?.project_id, false, Error::SubnetNotFound(id)),
        Tagged::Port(id) => (state.store.get::<Port>(id.0).await?.project_id, false, Error::PortNotFound(id)),
        Tagged::SecurityGroup(id) => {
            let group: SecurityGroup = state.store.get(id).await?;
            (group.project_id, false, Error::SecurityGroupNotFound(id))
        }
    };
    if owner == context.project_id || shared && to_look { Ok(()) } else { Err(missing) }
}

fn check(tag: &str) -> Result<()> {
    Kind::Text(TAG_MAX).read(&Value::from(tag)).map(drop).map_err(ApiError::invalid)
}

fn parse(body: &Object) -> Result<Vec<String>> {
    let tags = body.get("tags").ok_or_else(|| ApiError::invalid("Invalid tags body"))?;
    let tags = TAGS.read(tags).map_err(ApiError::invalid)?;
    Ok(tags.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Which tags the objects of a list must have, and must not.
#[derive(Debug, Default)]
pub(crate) struct TagFilter {
    all: Vec<String>,
    any: Vec<String>,
    not_all: Vec<String>,
    not_any: Vec<String>,
}

impl TagFilter {
    /// The parameters of a list, and what each asks for.
    pub(crate) const NAMES: &[(&str, &str)] = &[
        ("tags", "All of these tags, with commas between them"),
        ("tags-any", "Any of these tags"),
        ("not-tags", "Not all of these tags"),
        ("not-tags-any", "None of these tags"),
    ];

    /// Takes a pair of the query, if it is one of its own: tags are listed with commas between them.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> bool {
        let list = match name {
            "tags" => &mut self.all,
            "tags-any" => &mut self.any,
            "not-tags" => &mut self.not_all,
            "not-tags-any" => &mut self.not_any,
            _ => return false,
        };
        list.extend(value.split(',').map(str::to_owned));
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        [&self.all, &self.any, &self.not_all, &self.not_any].iter().all(|tags| tags.is_empty())
    }

    pub(crate) fn holds(&self, object: &Object) -> bool {
        let tags: Vec<&str> =
            object.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let has = |tag: &String| tags.contains(&tag.as_str());
        self.all.iter().all(has)
            && (self.any.is_empty() || self.any.iter().any(has))
            && (self.not_all.is_empty() || !self.not_all.iter().all(has))
            && !self.not_any.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::Hosts;
    use crate::rest::Settings;

    #[tokio::test]
    async fn a_member_tags_what_is_his_and_looks_at_what_is_shared() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::Store::open(&directory.path().join("culvert.db")).await.unwrap();
        let state = RestState { store: store.clone(), hosts: Hosts::default(), settings: Settings::default() };
        let member = Context { project_id: "p1".to_owned(), is_admin: false };
        let networks = TAGGED[0];
        for (owner, shared, looks, tags) in
            [("p1", false, true, true), ("p2", false, false, false), ("p2", true, true, false)]
        {
            let new = store::NewNetwork {
                id: NetworkId(Uuid::new_v4()),
                project_id: owner.to_owned(),
                name: String::new(),
                admin_state_up: true,
                mtu: 1450,
                tunnel_type: model::TunnelType::Vxlan,
                key: store::KeyChoice::From(1..=100),
                attributes: json!({"shared": shared}).as_object().cloned().unwrap(),
            };
            let made = store.write(move |write| Box::pin(async move { Network::create(write, new).await }));
            let id = made.await.unwrap().id.to_string();
            let change = TagChange::Add("red".to_owned());
            assert_eq!(networks.tags(&state, &member, &id).await.is_ok(), looks, "{owner} {shared}");
            assert_eq!(networks.change(&state, &member, &id, change.clone()).await.is_ok(), tags, "{owner} {shared}");
            networks.change(&state, &Context::without_token(), &id, change).await.unwrap();
        }
    }

    #[test]
    fn a_filter_of_tags_means_what_neutrons_means() {
        let holds = |name, value| {
            let mut filter = TagFilter::default();
            assert!(filter.take(name, value));
            filter.holds(json!({"tags": ["blue", "red"]}).as_object().unwrap())
        };
        assert!(holds("tags", "red,blue") && !holds("tags", "red,green"));
        assert!(holds("tags-any", "red,green") && !holds("tags-any", "green"));
        assert!(holds("not-tags", "red,green") && !holds("not-tags", "red,blue"));
        assert!(holds("not-tags-any", "green") && !holds("not-tags-any", "red,green"));
    }
}
