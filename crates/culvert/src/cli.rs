//! What can be typed after `culvert`: one file per verb.

mod lab;

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
    Lab(lab::Args),
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Lab(args) => args.run().await,
        }
    }
}
