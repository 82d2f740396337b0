//! Between an agent and a bridge: passes on all bytes and keeps the flow-mods.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lab::Host;
use openflow::codec::split;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// OpenFlow messages: a flow-mod, and one that adds a message to a bundle (OpenFlow 1.4 section 7.1, `ofp_type`).
const FLOW_MOD: u8 = 14;
const BUNDLE_ADD: u8 = 34;
/// A request for many things, and the kind that asks for flows (`ofp_multipart_type`).
const MULTIPART_REQUEST: u8 = 18;
const FLOWS: [u8; 2] = [0, 1];
/// What goes before the message that is added (OpenFlow 1.4 section 7.3.9.6, `ofp_bundle_add_msg`): id and flags.
const BUNDLE_ADD_FIELDS: usize = 8;

/// Flow-mods as an agent sent them, one after the other, those of bundles taken out of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: usize,
    /// Requests for all flows.
    pub(crate) dumps: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder {
    recorded: Arc<Mutex<Recorded>>,
    cuts: watch::Sender<()>,
}

impl Recorder {
    /// Makes a run directory for an agent, in which the way to `br-tun` leads through the recorder.
    pub(crate) fn between(host: &Host, directory: &Path) -> anyhow::Result<Recorder> {
        let via = |bridge: &str| (directory.join(bridge), host.rundir().join(bridge));
        let (path, target) = via("br-int.mgmt");
        symlink(target, path)?;
        let (path, target) = via("br-tun.mgmt");
        Recorder::start(path, target)
    }

    /// Listens at `path` and passes every connection on to `target`.
    fn start(path: PathBuf, target: PathBuf) -> anyhow::Result<Recorder> {
        let listener = UnixListener::bind(path)?;
        let recorder = Recorder::default();
        let ours = recorder.clone();
        tokio::spawn(async move {
            while let Ok((agent, _)) = listener.accept().await {
                // As long as there is no bridge the agent tries again.
                if let Ok(switch) = UnixStream::connect(&target).await {
                    tokio::spawn(ours.clone().serve(agent, switch));
                }
            }
        });
        Ok(recorder)
    }

    /// What was recorded so far.
    pub(crate) fn recorded(&self) -> Recorded {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes every connection; the agent opens them anew.
    pub(crate) fn cut(&self) {
        self.cuts.send_replace(());
    }

    async fn serve(self, agent: UnixStream, switch: UnixStream) {
        let mut cut = self.cuts.subscribe();
        let (from_agent, mut to_agent) = agent.into_split();
        let (mut from_switch, to_switch) = switch.into_split();
        tokio::select! {
            _ = self.pass_on(from_agent, to_switch) => {}
            _ = tokio::io::copy(&mut from_switch, &mut to_agent) => {}
            _ = cut.changed() => {}
        }
    }

    async fn pass_on(&self, mut from_agent: OwnedReadHalf, mut to_switch: OwnedWriteHalf) -> std::io::Result<()> {
        let (mut chunk, mut seen) = (vec![0; 64 << 10], Vec::new());
        loop {
            let length = from_agent.read(&mut chunk).await?;
            let Some(read) = chunk.get(..length).filter(|read| !read.is_empty()) else { return Ok(()) };
            seen.extend_from_slice(read);
            let understood = self.recorded.lock().unwrap_or_else(PoisonError::into_inner).take(&seen);
            seen.drain(..understood);
            to_switch.write_all(read).await?;
        }
    }
}

impl Recorded {
    /// Keeps the flow-mods among these messages; how many bytes were whole messages.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(Ok(Some((frame, length)))) = bytes.get(at..).map(split) {
            let message = match frame.kind {
                FLOW_MOD => bytes.get(at..at + length),
                BUNDLE_ADD => frame.body.get(BUNDLE_ADD_FIELDS..),
                _ => None,
            };
            if let Some(message) = message {
                self.bytes.extend_from_slice(message);
                self.count += 1;
            }
            self.dumps += usize::from(frame.kind == MULTIPART_REQUEST && frame.body.starts_with(&FLOWS));
            at += length;
        }
        at
    }
}
