//! The way to agents: where the streams end that the state knows by number, and who watches.

use std::collections::HashMap;

use model::HostName;
use sync::messages::ToAgent;
use sync::server::{Closing, ConnectionId, Outbound};
use tokio::sync::mpsc;
use tracing::debug;

/// Messages that wait for someone who watches; who is slower than that is let go.
const WATCHED: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Streams {
    outbounds: HashMap<ConnectionId, Outbound>,
    watchers: HashMap<HostName, Vec<mpsc::Sender<ToAgent>>>,
}

impl Streams {
    pub(super) fn opened(&mut self, id: ConnectionId, outbound: Outbound) {
        self.outbounds.insert(id, outbound);
    }

    pub(super) fn closed(&mut self, id: ConnectionId) {
        self.outbounds.remove(&id);
    }

    pub(super) fn close(&mut self, id: ConnectionId, closing: Closing) {
        if let Some(outbound) = self.outbounds.remove(&id) {
            outbound.close(closing);
        }
    }

    pub(super) fn send(&mut self, id: ConnectionId, host: &HostName, messages: Vec<ToAgent>) {
        self.show(host, &messages);
        let Some(outbound) = self.outbounds.get(&id) else { return };
        if !outbound.send(messages) {
            debug!(%host, "the stream is gone: what was to be sent waits for the next");
        }
    }

    pub(super) fn watch(&mut self, host: HostName) -> mpsc::Receiver<ToAgent> {
        let (sender, receiver) = mpsc::channel(WATCHED);
        self.watchers.entry(host).or_default().push(sender);
        receiver
    }

    fn show(&mut self, host: &HostName, messages: &[ToAgent]) {
        let Some(watching) = self.watchers.get_mut(host) else { return };
        watching.retain(|watcher| messages.iter().all(|message| watcher.try_send(message.clone()).is_ok()));
        if watching.is_empty() {
            self.watchers.remove(host);
        }
    }
}
