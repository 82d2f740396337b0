//! A server, its REST API, and a place for its files.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use server::{Server, Settings};
use store::{Attributes, FixedIpChoice, NewPort, Port, Store};
use tempfile::TempDir;

use super::agent::Agent;

/// Generous: a loaded machine must not fail a test, and no test waits for as long unless it fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) struct World {
    pub(crate) server: Option<Server>,
    settings: Settings,
    client: Client,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> World {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            api_listen: "127.0.0.1:0".parse().unwrap(),
            agents_listen: "127.0.0.1:0".parse().unwrap(),
            database: directory.path().join("culvert.db"),
            run_dir: directory.path().join("run"),
            // Nothing but a test of the bound itself may depend on it.
            propagation_bound_ms: 60_000,
            ..Settings::default()
        };
        change(&mut settings);
        let server = Some(Server::start(settings.clone()).await.unwrap());
        World { server, settings, client: Client::new(), _directory: directory }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Ends the server and starts another on the same database, at the same addresses.
    pub(crate) async fn restart(&mut self) {
        self.restart_after(|_| {}).await;
    }

    /// The same; something happens between.
    pub(crate) async fn restart_after(&mut self, deed: impl FnOnce(&mut Settings)) {
        let (api, agents) = (self.server().api(), self.server().agents());
        self.server.take().unwrap().end().await;
        deed(&mut self.settings);
        (self.settings.api_listen, self.settings.agents_listen) = (api, agents);
        self.server = Some(Server::start(self.settings.clone()).await.unwrap());
    }

    pub(crate) fn admin_socket(&self) -> &Path {
        self.server().admin_socket()
    }

    /// The reference scenario's hosts, connected.
    pub(crate) async fn hosts(&self) -> [Agent; 3] {
        let mut agents = [
            Agent::new("compute1", "10.0.1.31"),
            Agent::new("compute2", "10.0.1.39"),
            Agent::new("network", "10.0.1.21"),
        ];
        for agent in &mut agents {
            agent.connect(self.server().agents()).await;
        }
        agents
    }

    /// A network with one subnet; returns its id.
    pub(crate) async fn network(&self, tunnel_type: &str, key: u32, cidr: &str) -> String {
        let network = json!({"name": "n", "provider:network_type": tunnel_type, "provider:segmentation_id": key});
        let network = self.create("network", network).await;
        let id = network["id"].as_str().unwrap().to_owned();
        self.create("subnet", json!({"network_id": id, "ip_version": 4, "cidr": cidr})).await;
        id
    }

    /// A port bound to a host; returns its id.
    pub(crate) async fn port(&self, network: &str, host: &str, mac: &str, ips: &[&str]) -> String {
        let fixed_ips: Vec<_> = ips.iter().map(|ip| json!({"ip_address": ip})).collect();
        let port = json!({"network_id": network, "binding:host_id": host, "mac_address": mac, "fixed_ips": fixed_ips});
        self.create("port", port).await["id"].as_str().unwrap().to_owned()
    }

    /// A port with an id of the caller's own, bound to no host, made past the server.
    pub(crate) async fn port_in_the_database(&self, id: &str, network: &str, mac: &str, ip: &str) {
        let port = NewPort {
            id: id.parse().unwrap(),
            network_id: network.parse().unwrap(),
            project_id: String::new(),
            name: String::new(),
            mac: Some(mac.parse().unwrap()),
            admin_state_up: true,
            device_id: String::new(),
            device_owner: String::new(),
            fixed_ips: Some(vec![FixedIpChoice::Exactly(ip.parse().unwrap(), None)]),
            host: None,
            security_groups: None,
            attributes: Attributes::new(),
        };
        let store = Store::open(&self.settings.database).await.unwrap();
        let made: Result<_, store::Error> =
            store.write(|write| Box::pin(Port::create(write, vec![port], &|_, _| false))).await;
        made.unwrap();
        store.close().await;
    }

    pub(crate) async fn create(&self, resource: &str, body: Value) -> Value {
        let (status, answer) = self.send(Method::POST, &format!("{resource}s"), Some(json!({resource: body}))).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer[resource].clone()
    }

    pub(crate) async fn set(&self, port: &str, attributes: Value) {
        let (status, answer) =
            self.send(Method::PUT, &format!("ports/{port}"), Some(json!({"port": attributes}))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    pub(crate) async fn delete(&self, port: &str) {
        let (status, answer) = self.send(Method::DELETE, &format!("ports/{port}"), None).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }

    pub(crate) async fn show(&self, port: &str) -> Value {
        self.send(Method::GET, &format!("ports/{port}"), None).await.1["port"].clone()
    }

    pub(crate) async fn status(&self, port: &str) -> String {
        self.show(port).await["status"].as_str().unwrap().to_owned()
    }

    /// Waits until REST shows the port like this.
    pub(crate) async fn until(&self, port: &str, attribute: &str, value: &str) {
        let begun = Instant::now();
        loop {
            let shown = self.show(port).await;
            if shown[attribute] == value {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{attribute} never became {value}: {shown}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the port is ACTIVE, which it is once all interested hosts have confirmed it.
    pub(crate) async fn active(&self, port: &str) {
        self.until(port, "status", "ACTIVE").await;
    }

    /// Everything that was to be sent to this host so far has reached it. Its answer to a question comes after all
    /// that was sent before the question; the second question goes out when the first batch, with whatever was due when
    /// the first was asked, is through.
    pub(crate) async fn fence(&self, agent: &Agent) {
        for _ in 0..2 {
            let question = json!({"host": agent.name, "tunnel_type": "gre", "key": 1});
            let (status, answer) = self.admin(Method::POST, "/explain/drop", Some(question)).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
    }

    pub(crate) async fn until_alive(&self, host: &str, alive: bool) {
        self.until_host(host, "alive", alive).await;
    }

    pub(crate) async fn until_connected(&self, host: &str, connected: bool) {
        self.until_host(host, "connected", connected).await;
    }

    async fn until_host(&self, host: &str, attribute: &str, value: bool) {
        let begun = Instant::now();
        loop {
            let (_, status) = self.admin(Method::GET, "/status", None).await;
            let hosts = status["hosts"].as_array().unwrap();
            if hosts.iter().any(|shown| shown["name"] == host && shown[attribute] == value) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{host} never had {attribute} = {value}: {status}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A second server with the same settings, but for the ports.
    pub(crate) async fn start_another(&self) -> Result<Server, server::Error> {
        Server::start(self.settings.clone()).await
    }

    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let client = Client::builder().unix_socket(self.admin_socket()).build().unwrap();
        request(&client, method, format!("http://culvert{path}"), body).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("http://{}/v2.0/{path}", self.server().api());
        request(&self.client, method, url, body).await
    }
}

async fn request(client: &Client, method: Method, url: String, body: Option<Value>) -> (StatusCode, Value) {
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}
