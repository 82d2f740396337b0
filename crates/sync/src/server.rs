//! The server's side: one [`Session`] per agent (pure), and the listener that carries their messages.

mod beginning;
mod cursor;
mod effects;
mod interfaces;
mod listener;
mod session;

use std::time::Duration;

pub use effects::{Effect, Refusal};
pub use listener::{Closing, ConnectionId, Event, Outbound, serve};
pub use session::{Drained, Session};

/// Both sides; bytes that may be under way unread. See `agent::connect` on why they are as large and never adaptive.
pub(crate) const CONNECTION_WINDOW: u32 = 4 << 20;
pub(crate) const STREAM_WINDOW: u32 = 2 << 20;
/// The largest message that is read: the inventory of a host with 65,279 interfaces (the most a bridge of OVS can have)
/// under ids of 36 bytes is 4 MiB.
pub(crate) const MOST_MESSAGE_BYTES: usize = 16 << 20;
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(10);
/// A stream that says nothing is not kept open.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
