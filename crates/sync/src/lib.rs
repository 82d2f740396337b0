//! The agent-server protocol: messages, session state machines, gRPC shell
