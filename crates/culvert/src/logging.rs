//! Logging to stderr, for the daemons.

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::terminal;

/// Part of every daemon's settings.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Logging {
    log: Filter,
    log_format: Format,
}

/// A text that is known to be a filter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Filter(String);

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Json,
}

impl Logging {
    pub(crate) fn start(&self) -> anyhow::Result<()> {
        let log = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::try_new(&self.log.0)?)
            .with_writer(std::io::stderr)
            .with_ansi(terminal::colours(&std::io::stderr()));
        match self.log_format {
            Format::Text => log.try_init(),
            Format::Json => log.json().try_init(),
        }
        .map_err(|error| anyhow!("cannot start logging: {error}"))
    }
}

impl Default for Filter {
    fn default() -> Self {
        Filter("info".to_owned())
    }
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let filter = EnvFilter::try_new(&text);
        filter.map_err(|error| format!("\"{text}\" is not a filter for the log: {error}"))?;
        Ok(Filter(text))
    }
}

impl From<Filter> for String {
    fn from(Filter(text): Filter) -> Self {
        text
    }
}
