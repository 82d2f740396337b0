use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::namespace::Inside;
use crate::{Error, Lab};

/// The REST API of the lab's server, asked from within the server's namespace.
#[derive(Debug, Clone)]
pub struct Rest {
    inside: Inside,
    client: Client,
}

/// Where `culvert server` listens unless told otherwise, as its own namespace sees it.
pub(crate) const ENDPOINT: &str = "http://127.0.0.1:9696";

/// How long a request may take: far longer than the server does.
const DEADLINE: Duration = Duration::from_secs(30);

impl Lab {
    /// A client of the server's REST API. There need not be a server yet.
    pub async fn rest(&self) -> Result<Rest, Error> {
        let inside = Inside::enter(self.server().namespace()).await?;
        // A proxy of the surroundings does not know the namespace.
        let client = Client::builder().timeout(DEADLINE).no_proxy().build();
        Ok(Rest { inside, client: client.map_err(|source| Error::Request { source })? })
    }
}

impl Rest {
    /// Creates a `network`, `subnet` or `port`; what it came to be.
    pub async fn create(&self, kind: &str, attributes: Value) -> Result<Value, Error> {
        self.one(Method::POST, kind, &format!("{kind}s"), Some(attributes)).await
    }

    pub async fn show(&self, kind: &str, id: &str) -> Result<Value, Error> {
        self.one(Method::GET, kind, &format!("{kind}s/{id}"), None).await
    }

    pub async fn update(&self, kind: &str, id: &str, changes: Value) -> Result<Value, Error> {
        self.one(Method::PUT, kind, &format!("{kind}s/{id}"), Some(changes)).await
    }

    pub async fn delete(&self, kind: &str, id: &str) -> Result<(), Error> {
        self.good(Method::DELETE, &format!("{kind}s/{id}"), None).await.map(drop)
    }

    /// All objects of a kind (`agent` too) that a query such as `network_id=…` selects; empty for all.
    pub async fn list(&self, kind: &str, query: &str) -> Result<Vec<Value>, Error> {
        let mut answer = self.good(Method::GET, &format!("{kind}s?{query}"), None).await?;
        match answer.get_mut(format!("{kind}s")).map(Value::take) {
            Some(Value::Array(objects)) => Ok(objects),
            _ => Err(Error::Answer { request: format!("GET {kind}s"), answer: answer.to_string() }),
        }
    }

    /// Any request, whatever comes of it: the HTTP status and the body, null if there is none. `path` begins below `/v2.0/`.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<(u16, Value), Error> {
        let mut request = self.client.request(method, format!("{ENDPOINT}/v2.0/{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let exchange = async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            answer.bytes().await.map(|body| (status, body))
        };
        let (status, body) =
            self.inside.run(exchange).await.ok_or(Error::Inside)?.map_err(|source| Error::Request { source })?;
        // What is no JSON is shown as it is.
        let as_text = |_| match body.as_ref() {
            [] => Value::Null,
            text => String::from_utf8_lossy(text).into(),
        };
        let body = serde_json::from_slice(&body).unwrap_or_else(as_text);
        Ok((status, body))
    }

    /// A request about one object, in and out under its kind's name.
    async fn one(&self, method: Method, kind: &str, path: &str, attributes: Option<Value>) -> Result<Value, Error> {
        let request = format!("{method} {path}");
        let mut answer = self.good(method, path, attributes.map(|attributes| json!({ kind: attributes }))).await?;
        match answer.get_mut(kind) {
            Some(object) => Ok(object.take()),
            None => Err(Error::Answer { request, answer: answer.to_string() }),
        }
    }

    /// A request that must succeed.
    async fn good(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Error> {
        let request = format!("{method} {path}");
        let (status, answer) = self.send(method, path, body).await?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let said = answer.pointer("/NeutronError/message").and_then(Value::as_str);
        Err(Error::Refused { request, status, said: said.map_or_else(|| answer.to_string(), ToOwned::to_owned) })
    }
}
