//! The agent's side: what it holds ([`Held`], pure), and the connection that carries messages.

mod connection;
mod held;
mod network;

pub use connection::{Receiver, Sender, connect};
pub use held::{Held, Holding, Received, Update};
