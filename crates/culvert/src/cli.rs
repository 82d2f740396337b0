//! What can be typed after `culvert`: one file per verb.

mod admin;
mod agent;
mod completion;
pub(crate) mod exit;
mod explain;
mod import;
mod lab;
mod man;
mod output;
mod resource;
mod rest;
mod server;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod wait;
mod watch;
mod yaml;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

/// A control plane for L2 overlay networks on Open vSwitch.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 120,
    after_help = "\
Begin here:
  culvert lab run                    a look at it all on this machine: three hosts, networks, VMs (needs root)

A deployment, step by step:
  culvert server                     on one machine; takes agents on loopback unless told more
  culvert agent --local-ip ADDRESS   on each host with Open vSwitch
  culvert network create n1
  culvert subnet create s1 --network n1 --cidr 198.51.100.0/24
  culvert port create p1 --network n1 --host HOST
  culvert status                     what is there, and what is missing

Examples of every verb are at the end of its --help. Exit status: 0 done, 1 failed, 2 wrong usage, 3 no such object,
4 refused, 5 no server, 6 not in time."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Server(server::Args),
    Agent(agent::Args),
    #[command(flatten)]
    Resource(resource::Request),
    Status(status::Args),
    Wait(wait::Args),
    Watch(watch::Args),
    #[command(subcommand)]
    Explain(explain::Verb),
    #[command(subcommand)]
    Import(import::Verb),
    Lab(lab::Args),
    Completion(completion::Args),
    Man(man::Args),
}

impl Cli {
    pub(crate) fn is_agent(&self) -> bool {
        matches!(self.verb, Verb::Agent(_))
    }

    pub(crate) fn is_server(&self) -> bool {
        matches!(self.verb, Verb::Server(_))
    }

    /// What the verb runs on.
    pub(crate) fn runtime(&self) -> std::io::Result<Runtime> {
        // An agent is one state and what feeds it: more threads would only wake each other.
        let mut builder = if self.is_agent() { Builder::new_current_thread() } else { Builder::new_multi_thread() };
        builder.enable_all().build()
    }

    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Server(args) => args.run().await,
            Verb::Agent(args) => args.run().await,
            Verb::Resource(request) => request.run().await,
            Verb::Status(args) => args.run().await,
            Verb::Wait(args) => args.run().await,
            Verb::Watch(args) => args.run().await,
            Verb::Explain(verb) => verb.run().await,
            Verb::Import(verb) => verb.run().await,
            Verb::Lab(args) => args.run().await,
            Verb::Completion(args) => Ok(args.run()),
            Verb::Man(args) => args.run(),
        }
    }
}
