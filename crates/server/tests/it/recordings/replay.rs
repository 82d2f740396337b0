//! Sends the requests of a recording, byte for byte, and takes the answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use server::rest::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::chosen::Choices;
use super::compare::{Difference, Revisions, Shown, compare};
use crate::rest_server::RestServer;

/// A request and Neutron's answer.
#[derive(Deserialize)]
struct Exchange {
    name: String,
    method: String,
    path: String,
    /// As JSON, as text, or in hexadecimal digits.
    body: Option<Value>,
    raw: Option<String>,
    hex: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    /// Name → where the answer has the id that `{name}` stands for from here on.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    status: u16,
    response: Value,
}

impl Exchange {
    /// The body that is sent; null if it is no JSON.
    fn said(&self) -> Value {
        let raw = || self.raw.as_ref().and_then(|raw| serde_json::from_str(raw).ok());
        self.body.clone().or_else(raw).unwrap_or_default()
    }
}

/// Each exchange's name, with the differences. Each file has a server of its own.
pub(super) async fn replay(file: &Path) -> Vec<(String, Vec<Difference>)> {
    let text = std::fs::read_to_string(file).unwrap();
    let exchanges: Vec<Exchange> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let settings = Settings { dns_domain: "example.org".to_owned(), ..Settings::default() };
    let choices = Choices::new(settings.gre_keys.clone(), settings.vxlan_keys.clone());
    let server = RestServer::start_with(settings).await;
    for (host, endpoint) in [("compute1", "10.0.1.31"), ("compute2", "10.0.1.39"), ("network", "10.0.1.21")] {
        server.connect_host(host, endpoint).await;
    }
    let address = server.url.strip_prefix("http://").unwrap();
    let mut ids = BTreeMap::new();
    let mut shown = Shown { revisions: Revisions::default(), choices };
    let mut replayed = Vec::new();
    for exchange in exchanges {
        let (status, body) = send(address, &exchange, &ids).await;
        let answer = match body.as_slice() {
            [] => Value::Null,
            body => serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into()),
        };
        for (name, pointer) in &exchange.keep {
            if let Some(id) = answer.pointer(pointer).and_then(Value::as_str) {
                ids.insert(name.clone(), id.to_owned());
            }
        }
        let request = serde_json::json!([exchange.path, exchange.body, exchange.headers]).to_string();
        let ours = normal(&answer, &ids, address, &request);
        shown.choices.ask(&exchange.said());
        if exchange.response.to_string().contains("fixed_ips") {
            let subnets = server.get("/v2.0/subnets").await;
            shown.choices.subnets(&normal(&subnets, &ids, address, &request));
        }
        let is_ordered = exchange.path.contains("sort_key=");
        let recorded = (exchange.status, &exchange.response);
        replayed.push((exchange.name, compare(recorded, (status, &ours), is_ordered, &mut shown)));
    }
    replayed
}

async fn send(address: &str, exchange: &Exchange, ids: &BTreeMap<String, String>) -> (u16, Vec<u8>) {
    let body = match exchange {
        Exchange { body: Some(body), .. } => Some(fill(&body.to_string(), ids).into_bytes()),
        Exchange { raw: Some(raw), .. } => Some(raw.clone().into_bytes()),
        Exchange { hex: Some(hex), .. } => Some(bytes(hex)),
        _ => None,
    };
    let json = body.is_some().then_some("application/json");
    let mut headers = BTreeMap::from([("Content-Type".to_owned(), json.map(str::to_owned))]);
    headers.extend(exchange.headers.clone());
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n",
        exchange.method,
        fill(&exchange.path, ids)
    );
    for (name, value) in headers {
        head.extend(value.map(|value| format!("{name}: {value}\r\n")));
    }
    let body = body.unwrap_or_default();
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let head_end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer to {}", exchange.name));
    let (head, body) = answer.split_at(head_end + 4);
    let status = String::from_utf8_lossy(head).split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_vec())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn fill(text: &str, ids: &BTreeMap<String, String>) -> String {
    ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
}

/// The answer without what differs from run to run, as `record.py` makes it.
fn normal(answer: &Value, ids: &BTreeMap<String, String>, address: &str, request: &str) -> Value {
    match answer {
        Value::String(text) => {
            let known = ids
                .iter()
                .fold(text.replace(address, "{server}"), |text, (name, id)| text.replace(id, &format!("{{{name}}}")));
            let mut rest = known.as_str();
            let mut normal = String::new();
            while let Some(first) = rest.chars().next() {
                let (name, length) = random(rest)
                    .filter(|(_, length)| !request.contains(&rest[..*length]))
                    .unwrap_or(("", first.len_utf8()));
                normal.push_str(if name.is_empty() { &rest[..length] } else { name });
                rest = &rest[length..];
            }
            normal.into()
        }
        Value::Array(list) => list.iter().map(|item| normal(item, ids, address, request)).collect(),
        Value::Object(object) => {
            object.iter().map(|(name, value)| (name.clone(), normal(value, ids, address, request))).collect()
        }
        other => other.clone(),
    }
}

/// What stands for the random thing that a text begins with, and how long that is.
fn random(text: &str) -> Option<(&'static str, usize)> {
    // h: hexadecimal digit, 9: decimal digit
    let shapes = [
        ("{uuid}", "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"),
        ("{time}", "9999-99-99T99:99:99Z"),
        ("{time}", "9999-99-99T99:99:99"),
        ("{time}", "9999-99-99 99:99:99"),
        ("{mac}", "fa:16:3e:hh:hh:hh"),
    ];
    let fits = |shape: &str| {
        text.len() >= shape.len()
            && shape.bytes().zip(text.bytes()).all(|(shape, byte)| match shape {
                b'h' => byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase(),
                b'9' => byte.is_ascii_digit(),
                exact => byte == exact,
            })
    };
    shapes.into_iter().find(|(_, shape)| fits(shape)).map(|(name, shape)| (name, shape.len()))
}
