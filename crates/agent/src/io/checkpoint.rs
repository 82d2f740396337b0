use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::server::text;
use crate::HostState;
use crate::state::Restored;

/// Writes follow each other no sooner than this, nor than so many times as long as the last one took.
const EVERY: Duration = Duration::from_secs(1);
const SHARE: u32 = 20;

/// The file on which the state is kept, written behind.
#[derive(Debug)]
pub(crate) struct Disk {
    /// `None`: nothing is kept.
    path: Option<PathBuf>,
    writing: Option<JoinHandle<(io::Result<()>, Duration)>>,
    next: Instant,
    /// Why the last write failed, as the log was told.
    said: Option<String>,
}

impl Disk {
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Disk { path, writing: None, next: Instant::now(), said: None }
    }

    /// Hands the state what the last process left. What is of no use is set aside, for a person to look at.
    pub(crate) fn restore(&self, state: &mut HostState) {
        let Some(path) = &self.path else { return };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                warn!(path = %path.display(), %error, "the checkpoint cannot be read; the server will say all again");
                return;
            }
        };
        match state.restore(&bytes) {
            Ok(Restored { ports, networks, entries, rebooted }) => {
                info!(path = %path.display(), ports, networks, entries, rebooted, "goes on from the checkpoint");
            }
            Err(error) => {
                let aside = path.with_extension("refused");
                let reason = text(&error);
                warn!(path = %path.display(), reason, aside = %aside.display(), "the checkpoint is set aside");
                // If that fails it is written over.
                let _ = fs::rename(path, aside);
            }
        }
    }

    /// Begins to write if there is something new and it is time. Cheap: call it often.
    pub(crate) fn save(&mut self, state: &mut HostState) {
        let Some(path) = self.path.clone() else { return };
        let now = Instant::now();
        if now < self.next || self.writing.is_some() || !state.is_unsaved() {
            return;
        }
        let Some(bytes) = state.checkpoint() else { return };
        self.writing = Some(tokio::task::spawn_blocking(move || (write(&path, &bytes), now.elapsed())));
    }

    /// Ends when the write that is under way has; never if there is none.
    pub(crate) async fn written(&mut self) {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let outcome = writing.await;
        self.writing = None;
        let took = outcome.as_ref().map_or(EVERY, |(_, took)| *took);
        self.next = Instant::now() + EVERY.max(took * SHARE);
        let failure = outcome.ok().and_then(|(written, _)| written.err()).map(|error| error.to_string());
        if let (Some(path), Some(error)) = (&self.path, &failure)
            && self.said.as_ref() != Some(error)
        {
            warn!(path = %path.display(), error, "the checkpoint cannot be written: a restart without a server would know less");
        }
        self.said = failure;
    }

    /// Writes what is still to be written.
    pub(crate) async fn finish(mut self, state: &mut HostState) {
        if self.writing.is_some() {
            self.written().await;
        }
        self.next = Instant::now();
        self.save(state);
        if self.writing.is_some() {
            self.written().await;
        }
    }
}

/// As a whole or not at all, also should the power fail.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}
