//! The one binary of Culvert: a control plane for L2 overlay networks on Open vSwitch.

mod cli;
mod logging;
mod open_files;
mod settings;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => cli::exit::report(&error),
    }
}
