//! The way of the operator's verbs to the server: HTTP over its admin socket.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use server::admin::report::Refusal;

use super::exit::Failure;

/// What every verb that asks the server takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Socket {
    /// The server's admin socket, in its run directory
    #[arg(long, value_name = "PATH", env = "CULVERT_SOCKET", default_value = "/run/culvert/server.sock")]
    socket: PathBuf,
}

impl Socket {
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Response> {
        self.send(|client| client.get(url(path)).query(query)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl serde::Serialize) -> anyhow::Result<Response> {
        self.send(|client| client.post(url(path)).json(body)).await
    }

    async fn send(&self, request: impl FnOnce(&Client) -> RequestBuilder) -> anyhow::Result<Response> {
        let client =
            Client::builder().unix_socket(self.socket.clone()).build().context("cannot make an HTTP client")?;
        let sent = request(&client).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Err(self.unreachable().into()),
            Err(error) => return Err(error).context("the server did not answer"),
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        match answer.json::<Refusal>().await {
            Ok(Refusal { error }) => match status {
                StatusCode::NOT_FOUND => Err(Failure::NotFound { what: error, hint: None }.into()),
                StatusCode::CONFLICT => Err(Failure::Refused { why: error, hint: None }.into()),
                StatusCode::GATEWAY_TIMEOUT => Err(Failure::TimedOut { what: error, hint: None }.into()),
                _ => bail!("{error}"),
            },
            Err(_) => bail!("the server answered {status}: is this its admin socket?"),
        }
    }

    fn unreachable(&self) -> Failure {
        let hint =
            "start one with `culvert server`, or name its socket with --socket; it takes the server's user or root";
        let what = format!("no server answers at {}", self.socket.display());
        Failure::Unavailable { what, hint: Some(hint.to_owned()) }
    }
}

/// The host part of the address means nothing on a Unix socket.
fn url(path: &str) -> String {
    format!("http://culvert{path}")
}
