//! The way of the operator's verbs to the server's REST API, the OpenStack Networking API v2.0.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Map, Value, json};

use super::exit::Failure;

/// What every verb that uses the REST API takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Server {
    /// The server's REST API
    #[arg(long, value_name = "URL", env = "CULVERT_SERVER", default_value = "http://127.0.0.1:9696", value_parser = base)]
    server: String,
}

/// An object of the API: attribute → value.
pub(crate) type Object = Map<String, Value>;

#[derive(Debug)]
pub(crate) struct Rest {
    client: Client,
    base: String,
}

const CONNECT: Duration = Duration::from_secs(5);
/// Far longer than the server takes, for the longest list too.
const ANSWER: Duration = Duration::from_mins(1);

/// What to do about an error, by Neutron's name of it.
const HINTS: [(&str, &str); 14] = [
    ("InvalidInput", "--help says what each option takes"),
    ("HTTPBadRequest", "--help says what each option takes"),
    ("NetworkNotFound", "`culvert network list` shows those that there are"),
    ("SubnetNotFound", "`culvert subnet list` shows those that there are"),
    ("PortNotFound", "`culvert port list` shows those that there are"),
    ("AgentNotFound", "`culvert host list` shows those that there are"),
    ("NetworkInUse", "`culvert port list --network NETWORK` shows its ports"),
    ("SubnetInUse", "`culvert port list --fixed-ip subnet=SUBNET` shows the ports that have an address of it"),
    ("AgentInUse", "stop the agent on that host first; it counts as alive for some seconds after that"),
    ("TunnelIdInUse", "leave --key out to get a free one; `culvert network list` shows which are taken"),
    ("MacAddressInUse", "leave --mac out to get a free one"),
    ("IpAddressAlreadyAllocated", "`culvert port list --fixed-ip ip-address=ADDRESS` shows which port has it"),
    ("IpAddressGenerationFailure", "delete ports, or widen the pools: `culvert subnet set --allocation-pool`"),
    ("NoNetworkAvailable", "the server's settings gre-keys and vxlan-keys say from which keys it chooses"),
];

impl Server {
    pub(crate) fn connect(&self) -> anyhow::Result<Rest> {
        // The server is in the operator's own network: a proxy of the surroundings does not lead to it.
        let client = Client::builder().connect_timeout(CONNECT).timeout(ANSWER).no_proxy().build();
        Ok(Rest { client: client.context("cannot make an HTTP client")?, base: self.server.clone() })
    }
}

/// The URL that the API's paths are appended to.
fn base(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/').trim_end_matches("/v2.0");
    let base = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let parsed = Url::parse(&base).map_err(|error| format!("it is no URL of a server: {error}"))?;
    if parsed.scheme() == "http" {
        return Ok(base);
    }
    Err("the server speaks plain HTTP only: begin the URL with http://, and reach a server on another machine through an \
         encrypted tunnel (`ssh -L 9696:127.0.0.1:9696 MACHINE`)"
        .to_owned())
}

impl Rest {
    /// All objects that the query selects.
    pub(crate) async fn list(&self, plural: &str, query: &[(&str, &str)]) -> anyhow::Result<Vec<Object>> {
        self.page(plural, query).await.map(|(objects, _)| objects)
    }

    /// The first objects that the query selects, in as many pages as the server gives them in.
    pub(crate) async fn list_some(
        &self,
        plural: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> anyhow::Result<Vec<Object>> {
        let text = limit.to_string();
        let (mut objects, mut next) = self.page(plural, &[query, &[("limit", text.as_str())]].concat()).await?;
        while let Some(query) = next.take().filter(|_| objects.len() < limit) {
            let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let page = self.page(plural, &query).await?;
            next = page.1.filter(|_| !page.0.is_empty());
            objects.extend(page.0);
        }
        objects.truncate(limit);
        Ok(objects)
    }

    /// A list, and the query of the page after it.
    async fn page(
        &self,
        plural: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<(Vec<Object>, Option<Vec<(String, String)>>)> {
        let mut answer = self.send(Method::GET, plural, query, None).await?;
        let unfit = || format!("{} gave no list of {plural}", self.base);
        let objects = answer.get_mut(plural).map(Value::take).unwrap_or_default();
        let objects = serde_json::from_value(objects).with_context(unfit)?;
        let links = answer.get(format!("{plural}_links")).and_then(Value::as_array).into_iter().flatten();
        let next = links.into_iter().find(|link| link.get("rel").is_some_and(|rel| rel == "next"));
        let Some(href) = next.and_then(|link| link.get("href")?.as_str()) else { return Ok((objects, None)) };
        let next = Url::parse(href).with_context(unfit)?;
        Ok((objects, Some(next.query_pairs().into_owned().collect())))
    }

    pub(crate) async fn show(&self, (singular, plural): (&str, &str), id: &str) -> anyhow::Result<Object> {
        self.one(Method::GET, singular, &format!("{plural}/{id}"), None).await
    }

    pub(crate) async fn create(&self, (singular, plural): (&str, &str), object: Object) -> anyhow::Result<Object> {
        self.one(Method::POST, singular, plural, Some(object)).await
    }

    pub(crate) async fn update(
        &self,
        (singular, plural): (&str, &str),
        id: &str,
        changes: Object,
    ) -> anyhow::Result<Object> {
        self.one(Method::PUT, singular, &format!("{plural}/{id}"), Some(changes)).await
    }

    pub(crate) async fn delete(&self, plural: &str, id: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, &format!("{plural}/{id}"), &[], None).await.map(drop)
    }

    /// About one object, in and out under its kind's name.
    async fn one(&self, method: Method, singular: &str, path: &str, body: Option<Object>) -> anyhow::Result<Object> {
        let body = body.map(|object| json!({ singular: object }));
        let mut answer = self.send(method, path, &[], body).await?;
        let object = answer.get_mut(singular).map(Value::take).unwrap_or_default();
        serde_json::from_value(object).with_context(|| format!("{} gave no {singular}", self.base))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let mut request = self.client.request(method, format!("{}/v2.0/{path}", self.base)).query(query);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let exchange = async {
            let answer = request.send().await?;
            let status = answer.status();
            answer.bytes().await.map(|body| (status, body))
        };
        let (status, body) = exchange.await.map_err(|error| self.lost(&error))?;
        if status.is_success() && body.is_empty() {
            return Ok(Value::Null);
        }
        let Ok(body) = serde_json::from_slice::<Value>(&body) else {
            bail!("{} answered {status} and no JSON: is this the REST API of a Culvert server?", self.base);
        };
        if status.is_success() { Ok(body) } else { Err(self.refusal(status, &body)) }
    }

    fn lost(&self, error: &reqwest::Error) -> anyhow::Error {
        let why = if error.is_timeout() { "has not answered in time" } else { "cannot be reached" };
        let hint =
            "name the server with --server or CULVERT_SERVER; `culvert server` starts one, on loopback unless told";
        let failure =
            Failure::Unavailable { what: format!("the server at {} {why}", self.base), hint: Some(hint.to_owned()) };
        // The innermost cause says it; those around it only name the request.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        anyhow::anyhow!(cause.to_string()).context(failure)
    }

    /// The server's own words, what Neutron calls the error, and what to do about it.
    fn refusal(&self, status: StatusCode, body: &Value) -> anyhow::Error {
        let Some(error) = body.get("NeutronError") else {
            return anyhow::anyhow!("{} answered {status}: is this the REST API of a Culvert server?", self.base);
        };
        let text = |name| error.get(name).and_then(Value::as_str).unwrap_or("?");
        let (kind, message) = (text("type"), text("message"));
        let why = format!("{message} ({kind}, HTTP {})", status.as_u16());
        let hint = HINTS.iter().find(|(name, _)| *name == kind).map(|(_, hint)| (*hint).to_owned());
        match status {
            // Not an object is missing there, but the whole kind of them.
            StatusCode::NOT_FOUND if kind == "HTTPNotFound" => {
                anyhow::anyhow!("{why}: is {} the REST API of a Culvert server?", self.base)
            }
            StatusCode::NOT_FOUND => Failure::NotFound { what: why, hint }.into(),
            StatusCode::SERVICE_UNAVAILABLE if kind == "HTTPServiceUnavailable" => {
                let hint = Some("try again; the server's log says what it lacks".to_owned());
                Failure::Unavailable { what: why, hint }.into()
            }
            StatusCode::INTERNAL_SERVER_ERROR => anyhow::anyhow!("{why}: the server's log says more"),
            _ => Failure::Refused { why, hint }.into(),
        }
    }
}
