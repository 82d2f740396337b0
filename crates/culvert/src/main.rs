//! The one binary of Culvert: a control plane for L2 overlay networks on Open vSwitch.

mod allocator;
mod cli;
mod logging;
mod open_files;
mod settings;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if cli.is_agent() || cli.is_server() {
        allocator::give_memory_back(cli.is_agent());
    }
    let done = cli.runtime().map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(cli.run()));
    match done {
        Ok(code) => code,
        Err(error) => cli::exit::report(&error),
    }
}
