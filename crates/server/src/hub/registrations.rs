//! Hosts on their way into the store.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use store::{HostRegistration, Store};
use sync::messages::Hello;
use sync::server::{Closing, ConnectionId};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tracing::warn;

#[derive(Debug, Default)]
pub(super) struct Registrations {
    under_way: JoinSet<Registered>,
    turn: Arc<Mutex<()>>,
}

#[derive(Debug)]
pub(super) struct Registered {
    pub(super) id: ConnectionId,
    hello: Box<Hello>,
    result: Result<(), store::Error>,
}

impl Registrations {
    /// `known`: the store notes it one host after the other; when all agents return at once, writes about ports must not
    /// queue behind them.
    pub(super) fn begin(&mut self, store: Store, id: ConnectionId, hello: Box<Hello>, known: bool) {
        let turn = Arc::clone(&self.turn);
        self.under_way.spawn(async move {
            let _turn = if known { Some(turn.lock().await) } else { None };
            let result = store.register_host(registration(&hello)).await.map(drop);
            Registered { id, hello, result }
        });
    }

    /// The next registration that ended. Pends while there is none.
    pub(super) async fn next(&mut self) -> Option<Registered> {
        match self.under_way.join_next().await {
            Some(Ok(registered)) => Some(registered),
            Some(Err(_)) | None => std::future::pending().await,
        }
    }
}

impl Registered {
    /// Nothing, or why the stream must end.
    pub(super) fn outcome(self) -> Result<(), Closing> {
        let host = &self.hello.host;
        self.result.map_err(|error| match error {
            error @ store::Error::EndpointInUse { .. } => {
                warn!(%host, error = %error, "refused a host");
                Closing::Refused(error.to_string())
            }
            error => {
                warn!(%host, error = &error as &dyn std::error::Error, "cannot register a host");
                Closing::Unavailable("the server's database does not answer".to_owned())
            }
        })
    }
}

fn registration(hello: &Hello) -> HostRegistration {
    let mut configurations = Map::new();
    // The names that Neutron's agents report, so that `openstack network agent show` reads the same.
    let types: Vec<_> = hello.tunnel_types.iter().map(|tunnel_type| tunnel_type.as_str()).collect();
    configurations.insert("tunnel_types".to_owned(), json!(types));
    configurations.insert("tunneling_ip".to_owned(), Value::String(hello.endpoint.to_string()));
    configurations.insert("l2_population".to_owned(), Value::Bool(hello.l2_population));
    configurations.insert("arp_responder_enabled".to_owned(), Value::Bool(hello.arp_responder));
    HostRegistration {
        name: hello.host.clone(),
        endpoint: hello.endpoint,
        tunnel_types: hello.tunnel_types.clone(),
        configurations,
        boot_id: hello.boot_id.clone(),
        software: hello.software.clone(),
    }
}
