use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use ovsdb::Endpoint;
use pipeline::Bridge;
use sync::messages::ToServer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::events::{Command, Event, Level};
use crate::io::checkpoint::Disk;
use crate::io::{admin, database, file, neutron, server, switch};
use crate::settings::Source;
use crate::static_feed::StaticFile;
use crate::{Config, Error, HostState};

/// Events that wait for the state. Who brings more waits: memory stays bounded, and so do the peers' queues.
const EVENTS: usize = 1024;
/// Events taken in before the state is settled: what has come together is compared once.
const TOGETHER: usize = 1024;
/// Messages that wait for the server. The state says each thing once, so only a dead peer fills this.
const MESSAGES: usize = 16 << 10;
/// How soon what the database refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Runs the agent until `shutdown` is cancelled. It leaves all flows and ports as they are: forwarding goes on.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    info!(host = %config.host, local_ip = %config.local_ip, "agent {} starts", env!("CARGO_PKG_VERSION"));
    if UdpSocket::bind((config.local_ip, 0)).is_err() {
        warn!(local_ip = %config.local_ip, "no interface of this host has this address (yet): tunnels need it");
    }
    let mut state = HostState::new(config.clone(), boot_id())?;
    let mut disk = Disk::new(config.checkpoint());
    disk.restore(&mut state);
    let (sender, mut events) = mpsc::channel(EVENTS);
    let (messages, outgoing) = mpsc::channel(MESSAGES);
    let hang_up = Arc::new(Notify::new());
    let link = match config.source.clone() {
        Source::Server(address) => server::start(address, sender.clone(), outgoing, hang_up.clone()),
        Source::Neutron(to) => neutron::start(&config, to, sender.clone(), outgoing, hang_up.clone())?,
        Source::StaticFile(path) => {
            let content = StaticFile::read(&path)?;
            let reload = signal(SignalKind::hangup()).map_err(|source| Error::Signal("SIGHUP", source))?;
            file::start(path, content, reload, sender.clone(), outgoing)
        }
    };
    let socket = |bridge: &str| config.ovs_rundir.join(format!("{bridge}.mgmt"));
    let mut outside = Outside {
        database: database::start(Endpoint::Unix(config.ovsdb.clone()), sender.clone()),
        integration: switch::start(Bridge::Integration, socket(&config.integration_bridge), sender.clone()),
        tunnel: switch::start(Bridge::Tunnel, socket(&config.tunnel_bridge), sender.clone()),
        messages: Some(messages),
        hang_up,
    };

    let mut questions = admin::start(&config.run_dir);

    let mut retry = interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // At another moment than the other hosts, whatever makes them start together.
    let first = config.review_interval.mul_f64(rand::random_range(0.5..1.5));
    let mut review = interval_at(Instant::now() + first, config.review_interval);
    review.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(event) = events.recv() => event,
            Some(answer) = questions.recv() => {
                // Who asked may be gone by now.
                let _ = answer.send(state.status());
                continue;
            }
            () = disk.written() => continue,
            _ = retry.tick() => Event::Retry,
            _ = review.tick() => Event::Review,
        };
        // What has come together is compared once; but an order is carried out before what comes behind it, which may be
        // all entries of a network, is taken in.
        let mut urgent = event.is_order();
        state.handle(event);
        for _ in 1..TOGETHER {
            if urgent {
                break;
            }
            let Ok(event) = events.try_recv() else { break };
            urgent = event.is_order();
            state.handle(event);
        }
        loop {
            let commands = state.settle();
            if commands.is_empty() {
                break;
            }
            for command in commands {
                outside.execute(command);
            }
            // What was asked for is on its way while the rest is made ready.
            tokio::task::yield_now().await;
        }
        disk.save(&mut state);
    }
    disk.finish(&mut state).await;
    info!("agent ends; flows and ports stay as they are");
    outside.messages = None;
    drop(events);
    // The stream is closed with a goodbye, unless the peer is dead.
    let _ = tokio::time::timeout(RETRY, link).await;
    Ok(())
}

/// Where commands go.
struct Outside {
    database: mpsc::UnboundedSender<database::Order>,
    integration: mpsc::UnboundedSender<switch::Order>,
    tunnel: mpsc::UnboundedSender<switch::Order>,
    messages: Option<mpsc::Sender<ToServer>>,
    hang_up: Arc<Notify>,
}

impl Outside {
    /// Never waits: the state must stay free to take in what comes.
    fn execute(&mut self, command: Command) {
        match command {
            Command::Transact { id, operations } => self.database(database::Order::Transact { id, operations }),
            Command::Refetch => self.database(database::Order::Refetch),
            Command::Dump { bridge, session } => self.switch(bridge, switch::Order::Dump { session }),
            Command::Apply { bridge, session, flow_mods, way } => {
                self.switch(bridge, switch::Order::Apply { session, flow_mods, way });
            }
            Command::Send(message) => {
                let full = self.messages.as_ref().is_some_and(|messages| messages.try_send(message).is_err());
                if full {
                    // What is lost with this message is said again on the next stream.
                    error!("the server takes no messages: beginning another stream");
                    self.hang_up.notify_one();
                }
            }
            Command::HangUp { reason } => {
                error!(reason, "what the server sent is of no use: beginning another stream");
                self.hang_up.notify_one();
            }
            Command::Say(Level::Info, text) => info!("{text}"),
            Command::Say(Level::Warn, text) => warn!("{text}"),
            Command::Say(Level::Error, text) => error!("{text}"),
        }
    }

    fn database(&self, order: database::Order) {
        // A task that is gone has been dropped with the runtime.
        let _ = self.database.send(order);
    }

    fn switch(&self, bridge: Bridge, order: switch::Order) {
        let _ = match bridge {
            Bridge::Integration => self.integration.send(order),
            Bridge::Tunnel => self.tunnel.send(order),
        };
    }
}

/// The kernel's; tells a restarted agent from a rebooted host.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The host's own name, for when the settings do not give one.
pub fn own_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
