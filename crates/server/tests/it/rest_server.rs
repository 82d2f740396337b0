//! A server of the REST API alone, on a real socket, with a real database in a directory of its own.

use std::path::PathBuf;

use model::{HostName, TunnelType};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use server::hosts::{HostState, Hosts};
use server::rest::{RestState, Settings, router};
use store::{HostRegistration, Store};
use tempfile::TempDir;

const DATABASE: &str = "culvert.db";

pub(crate) struct RestServer {
    pub(crate) url: String,
    pub(crate) store: Store,
    hosts: Hosts,
    client: Client,
    directory: TempDir,
}

impl RestServer {
    pub(crate) async fn start() -> RestServer {
        RestServer::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> RestServer {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join(DATABASE)).await.unwrap();
        let hosts = Hosts::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = router(RestState { store: store.clone(), hosts: hosts.clone(), settings });
        tokio::spawn(async move { axum::serve(listener, app).await });
        RestServer { url, store, hosts, client: Client::new(), directory }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join(DATABASE)
    }

    /// Registers a host and has it alive, as the hub does when an agent connects.
    pub(crate) async fn connect_host(&self, name: &str, endpoint: &str) {
        self.connect_host_of(name, endpoint, &TunnelType::ALL).await;
    }

    /// As [`RestServer::connect_host`], with these tunnel types.
    pub(crate) async fn connect_host_of(&self, name: &str, endpoint: &str, tunnel_types: &[TunnelType]) {
        let name: HostName = name.parse().unwrap();
        let tunnel_types = tunnel_types.to_vec();
        let registration = HostRegistration {
            name: name.clone(),
            endpoint: endpoint.parse().unwrap(),
            tunnel_types: tunnel_types.clone(),
            configurations: json!({"datapath_type": "netdev"}).as_object().cloned().unwrap(),
            boot_id: "boot".to_owned(),
            software: "culvert test".to_owned(),
        };
        self.store.register_host(registration).await.unwrap();
        self.hosts.set(name.clone(), HostState { alive: true, tunnel_types });
        self.store.bind_pending(name).await.unwrap();
    }

    pub(crate) fn lose_host(&self, name: &str) {
        let state = HostState { alive: false, tunnel_types: TunnelType::ALL.to_vec() };
        self.hosts.set(name.parse().unwrap(), state);
    }

    /// One request; the body of the answer is null if it has none.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(response.headers().contains_key("x-openstack-request-id"), "{path}: no request id");
        let bytes = response.bytes().await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        (status, body)
    }

    /// Creates one object; returns it.
    pub(crate) async fn create(&self, singular: &str, body: Value) -> Value {
        let (status, answer) = self.send(Method::POST, &collection(singular), Some(&json!({singular: body}))).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer[singular].clone()
    }

    pub(crate) async fn update(&self, singular: &str, id: &Value, body: Value) -> Value {
        let (status, answer) = self.send(Method::PUT, &path(singular, id), Some(&json!({singular: body}))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer[singular].clone()
    }

    pub(crate) async fn show(&self, singular: &str, id: &Value) -> Value {
        self.get(&path(singular, id)).await[singular].clone()
    }

    pub(crate) async fn delete(&self, singular: &str, id: &Value) {
        let (status, answer) = self.send(Method::DELETE, &path(singular, id), None).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.send(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// The ids that a list holds.
    pub(crate) async fn ids(&self, plural: &str, query: &str) -> Vec<String> {
        let answer = self.get(&format!("/v2.0/{}?{query}", plural.replace('_', "-"))).await;
        answer[plural].as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
    }

    /// A request that is refused with this status and error type; returns the message.
    pub(crate) async fn refused(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        status: u16,
        kind: &str,
    ) -> String {
        let (got, answer) = self.send(method, path, body.as_ref()).await;
        let error = &answer["NeutronError"];
        assert_eq!((got.as_u16(), error["type"].as_str()), (status, Some(kind)), "{path}: {body:?}: {answer}");
        assert_eq!(error["detail"], "", "{answer}");
        error["message"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn path(singular: &str, id: &Value) -> String {
    format!("{}/{}", collection(singular), id.as_str().unwrap())
}

pub(crate) fn collection(singular: &str) -> String {
    format!("/v2.0/{}s", singular.replace('_', "-"))
}
