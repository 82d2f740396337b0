//! Routes, each with what the API's description says of it: there is no other way to serve a path, so nothing is served
//! that is not described.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, get, on};
use serde_json::Value;

use super::RestState;
use super::base::Base;
use super::{if_match, openapi};

#[derive(Default)]
pub(crate) struct Routes {
    router: Router<RestState>,
    pub(super) operations: Vec<Operation>,
    /// By name: what the operations refer to.
    pub(super) schemas: BTreeMap<String, Value>,
}

/// A method of a path.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(super) method: Method,
    /// `/v2.0/ports/{id}`
    pub(super) path: String,
    pub(super) id: String,
    pub(super) summary: String,
    /// Parameters of the query, and headers; those of the path follow from it.
    pub(super) parameters: Vec<Value>,
    /// The schema of the request's body.
    pub(super) body: Option<Value>,
    pub(super) success: u16,
    /// The schema of the success's body.
    pub(super) answer: Option<Value>,
    /// The statuses that it may be refused with.
    pub(super) refusals: Vec<u16>,
    /// Operations on what this one has made: their ids, and where in the answer their `{id}` is.
    pub(super) links: Vec<(String, String)>,
}

impl Routes {
    pub(crate) fn add<H, T>(mut self, mut operation: Operation, handler: H) -> Routes
    where
        H: Handler<T, RestState>,
        T: 'static,
    {
        // each method of ours has a filter
        let filter = MethodFilter::try_from(operation.method.clone()).unwrap_or(MethodFilter::GET);
        let mut route = on(filter, handler);
        if operation.method != Method::GET && !operation.has_parameter("If-Match") {
            route = route.layer(from_fn(if_match::refuse));
            operation = operation.refused(&[400]);
        }
        self.router = self.router.route(&operation.path, route);
        self.operations.push(operation);
        self
    }

    pub(crate) fn schema(mut self, name: impl Into<String>, schema: Value) -> Routes {
        self.schemas.insert(name.into(), schema);
        self
    }

    pub(crate) fn merge(mut self, other: Routes) -> Routes {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self.schemas.extend(other.schemas);
        self
    }

    /// The paths of the lists that are as long as the database has objects: those that come in pages.
    pub(crate) fn long_lists(&self) -> HashSet<String> {
        let in_pages = |operation: &&Operation| operation.has_parameter("limit");
        self.operations.iter().filter(in_pages).map(|operation| operation.path.clone()).collect()
    }

    /// All of it, and its description at `/openapi.json`.
    pub(crate) fn described(mut self) -> Router<RestState> {
        let path = "/openapi.json";
        let this = Operation::get(path, "openapi", "This description").gives(serde_json::json!({"type": "object"}));
        self.operations.push(this);
        let described = Arc::new(openapi::Described { operations: self.operations, schemas: self.schemas });
        let serve = move |Base(base): Base| {
            let document = described.document(&base);
            async move { axum::Json(document) }
        };
        self.router.route(path, get(serve))
    }
}

impl Operation {
    fn new(method: Method, path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
        let path = path.into();
        // what is not UTF-8 in the place of a parameter
        let unfit = path.contains('{').then_some(400);
        // any request may bring a body, and any answer may be one too much
        let refusals = unfit.into_iter().chain([408, 413, 503]).collect();
        Operation {
            method,
            path,
            id: id.into(),
            summary: summary.into(),
            parameters: Vec::new(),
            body: None,
            success: 200,
            answer: None,
            refusals,
            links: Vec::new(),
        }
    }

    pub(crate) fn get(path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
        Operation::new(Method::GET, path, id, summary)
    }

    pub(crate) fn post(path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
        Operation { success: 201, ..Operation::new(Method::POST, path, id, summary) }
    }

    pub(crate) fn put(path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
        Operation::new(Method::PUT, path, id, summary)
    }

    pub(crate) fn delete(path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
        Operation { success: 204, ..Operation::new(Method::DELETE, path, id, summary) }
    }

    /// Takes a body of this schema; what may be wrong with any body comes with it.
    pub(crate) fn takes(mut self, schema: Value) -> Operation {
        self.body = Some(schema);
        self.refused(&[400, 415])
    }

    /// Succeeds with a body of this schema.
    pub(crate) fn gives(mut self, schema: Value) -> Operation {
        self.answer = Some(schema);
        self
    }

    /// Succeeds with this status instead of its method's usual one.
    pub(crate) fn succeeds(mut self, status: u16) -> Operation {
        self.success = status;
        self
    }

    pub(crate) fn refused(mut self, statuses: &[u16]) -> Operation {
        self.refusals.extend(statuses);
        self
    }

    pub(crate) fn parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Operation {
        self.parameters.extend(parameters);
        self
    }

    fn has_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter["name"] == name)
    }

    /// What can be done with what was made.
    pub(crate) fn links(mut self, operations: impl IntoIterator<Item = String>, id: &str) -> Operation {
        self.links.extend(operations.into_iter().map(|operation| (operation, id.to_owned())));
        self
    }
}
