//! Between an agent and a bridge: passes on all bytes and keeps the flow-mods.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use openflow::codec::split;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// OpenFlow messages: a flow-mod, and one that adds a message to a bundle (OpenFlow 1.4 section 7.1, `ofp_type`).
const FLOW_MOD: u8 = 14;
const BUNDLE_ADD: u8 = 34;
/// What goes before the message that is added (OpenFlow 1.4 section 7.3.9.6, `ofp_bundle_add_msg`): id and flags.
const BUNDLE_ADD_FIELDS: usize = 8;

/// Flow-mods as an agent sent them, one after the other, those of bundles taken out of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Recorded>>);

impl Recorder {
    /// Listens at `path` and passes every connection on to `target`.
    pub(crate) fn start(path: PathBuf, target: PathBuf) -> anyhow::Result<Recorder> {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn serve(self, agent: UnixStream, switch: UnixStream) -> std::io::Result<()> {
        let (mut from_agent, mut to_agent) = agent.into_split();
        let (mut from_switch, mut to_switch) = switch.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_switch, &mut to_agent).await });
        let (mut chunk, mut seen) = (vec![0; 64 << 10], Vec::new());
        loop {
            let length = from_agent.read(&mut chunk).await?;
            let Some(read) = chunk.get(..length).filter(|read| !read.is_empty()) else { return Ok(()) };
            seen.extend_from_slice(read);
            let understood = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(&seen);
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
            at += length;
        }
        at
    }
}
