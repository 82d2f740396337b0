//! Logging to stderr, for the daemons.

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;

use crate::terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct Logging {
    /// What to log: a level, or levels by part, as in info,server=debug
    #[arg(long = "log", value_name = "FILTER", env = "CULVERT_LOG", default_value = "info")]
    filter: String,
    /// How to write it
    #[arg(long = "log-format", value_name = "FORMAT", env = "CULVERT_LOG_FORMAT", default_value = "text", value_enum)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Logging {
    pub(crate) fn start(&self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(&self.filter)
            .map_err(|error| anyhow!("\"{}\" is not a filter for the log: {error}", self.filter))?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(terminal::colours(&std::io::stderr()));
        match self.format {
            Format::Text => log.try_init(),
            Format::Json => log.json().try_init(),
        }
        .map_err(|error| anyhow!("cannot start logging: {error}"))
    }
}
