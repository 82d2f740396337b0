//! Starting everything and ending it cleanly.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use store::{Counted, Limits, Store};
use sync::server::Event;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::hosts::Hosts;
use crate::rest::{self, RestState};
use crate::writer::Writer;
use crate::{Error, Settings, admin, http, hub};

/// Peers that keep a request open get this long at the end.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs a server until `shutdown` is cancelled.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<(), Error> {
    let server = Server::start(settings).await?;
    shutdown.cancelled().await;
    server.end().await;
    Ok(())
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    api: SocketAddr,
    agents: SocketAddr,
    admin: PathBuf,
    store: Store,
    /// Ends what takes requests and streams; the hub follows.
    stop: CancellationToken,
    fronts: JoinSet<()>,
    /// Ends the writer, once nobody wishes anything any more.
    stop_writer: CancellationToken,
    writer: JoinSet<()>,
}

impl Server {
    pub async fn start(settings: Settings) -> Result<Server, Error> {
        settings.check()?;
        let admin_socket = settings.admin_socket();
        let admin_listener = admin::listen(&admin_socket).await?;
        let (api_listener, api) = listen("api_listen", settings.api_listen).await?;
        let (agents_listener, agents) = listen("agents_listen", settings.agents_listen).await?;
        let store = open(&settings.database).await?;

        let (stop, stop_writer) = (CancellationToken::new(), CancellationToken::new());
        let (mut fronts, mut writer_task) = (JoinSet::new(), JoinSet::new());
        let writer = Writer::default();
        writer_task.spawn(writer.clone().run(store.clone(), stop_writer.clone()));

        let hosts = Hosts::default();
        let (task, hub, events) = hub::start(&settings, store.clone(), hosts.clone(), writer).await?;
        fronts.spawn(task.run(stop.clone()));
        fronts.spawn(serve_agents(agents_listener, events, stop.clone()));
        fronts.spawn(serve_admin(admin_listener, admin::router(hub, store.clone()), stop.clone()));
        let rest = RestState { store: store.clone(), hosts, settings: rest_settings(&settings) };
        let router = rest::router(rest);
        let limits = http::Limits { connections: settings.api_connections, timeout: settings.api_timeout() };
        fronts.spawn(http::serve(api_listener, router, limits, stop.clone()));

        let (epoch, revision) = (store.epoch(), store.revision());
        let (database, socket) = (settings.database.display(), admin_socket.display());
        info!(%api, %agents, admin = %socket, %database, %epoch, %revision, "server is up");
        Ok(Server { api, agents, admin: admin_socket, store, stop, fronts, stop_writer, writer: writer_task })
    }

    /// Where the REST API listens.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// Where agents connect.
    pub fn agents(&self) -> SocketAddr {
        self.agents
    }

    pub fn admin_socket(&self) -> &Path {
        &self.admin
    }

    /// Ends streams with a status that says so, takes no more requests, writes what is known, closes the database.
    pub async fn end(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(PATIENCE, join(&mut self.fronts)).await.is_err() {
            warn!("some peers did not let go: their connections are cut");
            self.fronts.shutdown().await;
        }
        self.stop_writer.cancel();
        join(&mut self.writer).await;
        self.store.close().await;
        // Already gone is as good.
        let _ = std::fs::remove_file(&self.admin);
        info!("server has ended");
    }
}

async fn join(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            warn!(error = &error as &dyn std::error::Error, "a part of the server did not end well");
        }
    }
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { setting, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    // Differs from what was asked for if that was port 0.
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn open(path: &Path) -> Result<Store, Error> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|source| Error::DatabaseDirectory { path: directory.to_owned(), source })?;
    }
    Store::open(path).await.map_err(|source| Error::OpenStore { path: path.to_owned(), source })
}

/// Only who may open the socket comes here: nothing is bounded.
async fn serve_admin(listener: UnixListener, router: Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        warn!(error = &error as &dyn std::error::Error, "the admin listener failed");
    }
}

async fn serve_agents(listener: TcpListener, events: mpsc::Sender<Event>, stop: CancellationToken) {
    if let Err(error) = sync::server::serve(listener, events, stop.cancelled_owned()).await {
        warn!(error = &error as &dyn std::error::Error, "the listener for agents failed");
    }
}

fn rest_settings(settings: &Settings) -> rest::Settings {
    rest::Settings {
        default_type: settings.default_tunnel_type,
        gre_keys: settings.gre_keys.first..=settings.gre_keys.last,
        vxlan_keys: settings.vxlan_keys.first..=settings.vxlan_keys.last,
        underlay_mtu: settings.underlay_mtu,
        dns_domain: settings.dns_domain.clone(),
        quotas: Limits::from([
            (Counted::Network, settings.quota_network),
            (Counted::Subnet, settings.quota_subnet),
            (Counted::Port, settings.quota_port),
            (Counted::SecurityGroup, settings.quota_security_group),
            (Counted::SecurityGroupRule, settings.quota_security_group_rule),
        ]),
        timeout: settings.api_timeout(),
    }
}
