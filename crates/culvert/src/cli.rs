//! What can be typed after `culvert`: one file per verb.

mod admin;
mod agent;
mod explain;
mod lab;
mod server;
mod status;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A control plane for L2 overlay networks on Open vSwitch.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Server(server::Args),
    Agent(agent::Args),
    Status(status::Args),
    Watch(watch::Args),
    #[command(subcommand)]
    Explain(explain::Verb),
    Lab(lab::Args),
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Server(args) => args.run().await,
            Verb::Agent(args) => args.run().await,
            Verb::Status(args) => args.run().await,
            Verb::Watch(args) => args.run().await,
            Verb::Explain(verb) => verb.run().await,
            Verb::Lab(args) => args.run().await,
        }
    }
}
