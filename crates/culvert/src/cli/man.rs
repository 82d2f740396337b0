use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

/// Write manual pages, one for each verb
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  culvert man /usr/local/share/man/man1
  culvert man . && man ./culvert-port-create.1")]
pub(crate) struct Args {
    /// The directory to write to; made if it is missing
    directory: PathBuf,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let directory = &self.directory;
        std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(super::Cli::command(), directory))
            .with_context(|| format!("cannot write manual pages to {}", directory.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
