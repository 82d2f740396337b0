//! Signals that ask this process to end: the first asks for a clean end, the second ends at once.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first signal cancels. After that signal the next one exits the process with 128 + its number.
pub(crate) fn shutdown() -> anyhow::Result<CancellationToken> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        let name = next(&mut terminate, &mut interrupt).await.0;
        tracing::info!(signal = name, "ending: a second signal ends at once");
        shutdown.cancel();
        let (_, number) = next(&mut terminate, &mut interrupt).await;
        std::process::exit(128 + number);
    });
    Ok(token)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
    }
}

/// What asks a command to end that runs at a terminal.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Stop {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn next(&mut self) -> &'static str {
        self.signal().await.0
    }

    /// Cleaning up has begun: another signal ends it where it is.
    pub(crate) fn exit_at_next(mut self) {
        tokio::spawn(async move {
            let (name, number) = self.signal().await;
            eprintln!("ended by {name} while cleaning up: `culvert lab down` removes what is left");
            std::process::exit(128 + number);
        });
    }

    async fn signal(&mut self) -> (&'static str, i32) {
        let (name, kind) = tokio::select! {
            _ = self.interrupt.recv() => ("Ctrl-C", SignalKind::interrupt()),
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate()),
            _ = self.hangup.recv() => ("SIGHUP", SignalKind::hangup()),
        };
        (name, kind.as_raw_value())
    }
}
