//! REST API and agent sessions: joins store and directory
