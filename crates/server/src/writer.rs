//! What the hub wants written, and the task that writes it: the hub never waits for the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Backoff, Generation, HostName, PortId, PortStatus};
use store::{Store, WiredReport};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Takes wishes at any time; only the newest for each port is kept, so what waits is bounded by what there is. Cheap to
/// clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Writer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Wishes>,
    wake: Notify,
    wake_lazily: Notify,
}

/// How long a wish without urgency waits for others to go with: longer than a plugged port mostly takes to be wired.
const LAZINESS: Duration = Duration::from_millis(50);

/// What is to be recorded; of each port, and of each of its bindings, the newest.
#[derive(Debug, Default)]
pub struct Wishes {
    pub wired: BTreeMap<(PortId, Generation), WiredReport>,
    pub statuses: BTreeMap<PortId, PortStatus>,
    /// Hosts whose ports of which binding failed can be bound now.
    pub bind: BTreeSet<HostName>,
    /// Hosts that were heard of.
    pub heartbeats: BTreeSet<HostName>,
}

impl Writer {
    pub(crate) fn wired(&self, report: WiredReport) {
        self.wish(|pending| pending.wired.insert((report.port, report.generation), report));
    }

    pub(crate) fn status(&self, port: PortId, status: PortStatus) {
        let wish = |pending: &mut Wishes| pending.statuses.insert(port, status);
        match status {
            // A plugged port is mostly wired a moment later, and that write must not wait for this one.
            PortStatus::Build => self.wish_lazily(wish),
            PortStatus::Down | PortStatus::Active => self.wish(wish),
        }
    }

    /// As [`Writer::status`], but nothing if the store has it and no other wish for the port waits. (One that is being
    /// written just now comes back as a commit, and the hub derives again.)
    pub(crate) fn status_from(&self, recorded: PortStatus, port: PortId, status: PortStatus) {
        if recorded != status || self.pending().statuses.contains_key(&port) {
            self.status(port, status);
        }
    }

    /// The host's ports whose binding failed can be bound now.
    pub(crate) fn bind_pending(&self, host: HostName) {
        self.wish(|pending| pending.bind.insert(host));
    }

    pub fn heartbeats(&self, hosts: impl IntoIterator<Item = HostName>) {
        self.wish(|pending| pending.heartbeats.extend(hosts));
    }

    /// All that waits; it waits no longer.
    pub fn take(&self) -> Wishes {
        std::mem::take(&mut *self.pending())
    }

    pub fn has_wishes(&self) -> bool {
        let Wishes { wired, statuses, bind, heartbeats } = &*self.pending();
        !(wired.is_empty() && statuses.is_empty() && bind.is_empty() && heartbeats.is_empty())
    }

    /// Writes until the token is cancelled, then what still waits, once.
    ///
    /// While the database fails, the wishes stay and are tried again; agents and forwarding do not depend on it.
    pub(crate) async fn run(self, store: Store, shutdown: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            let ending = tokio::select! {
                () = self.woken() => false,
                () = shutdown.cancelled() => true,
            };
            let mut batch = self.take();
            match write(&store, &mut batch).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    error!(error = &error as &dyn std::error::Error, "cannot record the state of ports");
                    self.put_back(batch);
                    tokio::select! {
                        () = tokio::time::sleep(backoff.next(rand::random())) => {}
                        () = shutdown.cancelled() => {}
                    }
                }
            }
            if ending {
                return;
            }
        }
    }

    async fn woken(&self) {
        tokio::select! {
            () = self.0.wake.notified() => {}
            () = self.0.wake_lazily.notified() => {
                let _ = tokio::time::timeout(LAZINESS, self.0.wake.notified()).await;
            }
        }
    }

    fn wish_lazily<T>(&self, wish: impl FnOnce(&mut Wishes) -> T) {
        wish(&mut self.pending());
        self.0.wake_lazily.notify_one();
    }

    fn wish<T>(&self, wish: impl FnOnce(&mut Wishes) -> T) {
        wish(&mut self.pending());
        self.0.wake.notify_one();
    }

    /// What was wished for meanwhile is newer.
    pub fn put_back(&self, batch: Wishes) {
        self.wish(|pending| {
            let newer = std::mem::replace(pending, batch);
            pending.wired.extend(newer.wired);
            pending.statuses.extend(newer.statuses);
            pending.bind.extend(newer.bind);
            pending.heartbeats.extend(newer.heartbeats);
        });
    }

    fn pending(&self) -> MutexGuard<'_, Wishes> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves in the batch what is to be tried again. What makes ports ACTIVE comes first, and nothing holds it up.
async fn write(store: &Store, batch: &mut Wishes) -> Result<(), store::Error> {
    let wired: Vec<WiredReport> = batch.wired.values().copied().collect();
    let statuses: Vec<(PortId, PortStatus)> = batch.statuses.iter().map(|(port, status)| (*port, *status)).collect();
    if !wired.is_empty() || !statuses.is_empty() {
        for stale in store.record(wired, statuses).await? {
            // Ports may be bound anew, or deleted, while the report is on its way.
            warn!(port = %stale.port, generation = %stale.generation, wired = stale.wired, "refused a stale report");
        }
        batch.wired.clear();
        batch.statuses.clear();
    }
    if !batch.heartbeats.is_empty() {
        store.heartbeat(batch.heartbeats.iter().cloned().collect()).await?;
        batch.heartbeats.clear();
    }
    let mut failed = Ok(());
    for host in std::mem::take(&mut batch.bind) {
        match store.bind_pending(host.clone()).await {
            Ok(bound) if bound.is_empty() => {}
            Ok(bound) => info!(%host, ports = bound.len(), "bound ports that waited for this host"),
            Err(error) => {
                batch.bind.insert(host);
                failed = Err(error);
            }
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const PORT: PortId = PortId(Uuid::from_u128(1));

    #[test]
    fn the_newest_wish_counts_also_after_a_failed_write() {
        let writer = Writer::default();
        writer.status(PORT, PortStatus::Build);
        let failed = writer.take();
        writer.status(PORT, PortStatus::Active);
        writer.put_back(failed);
        assert_eq!(writer.pending().statuses[&PORT], PortStatus::Active);
    }

    #[test]
    fn what_the_store_has_is_wished_for_only_to_override_another_wish() {
        let writer = Writer::default();
        writer.status_from(PortStatus::Down, PORT, PortStatus::Down);
        assert!(writer.pending().statuses.is_empty());
        writer.status(PORT, PortStatus::Build);
        writer.status_from(PortStatus::Down, PORT, PortStatus::Down);
        assert_eq!(writer.pending().statuses[&PORT], PortStatus::Down);
    }
}
