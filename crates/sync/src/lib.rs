//! The agent-server protocol: messages, session state machines, and the gRPC shell around them.

pub mod messages;
