//! How the operator's verbs print: a table for people, JSON or YAML for programs.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;
use serde_json::Value;

use super::yaml;
use crate::terminal::Screen;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For programs, and people who like it
    Yaml,
}

/// What every verb that prints takes.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// How to print
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

impl Output {
    /// Prints a value, or the table that is made of it.
    pub(crate) fn print(self, value: &Value, table: impl FnOnce(&Screen) -> String) -> anyhow::Result<()> {
        print(&match self.format {
            Format::Table => table(&Screen::of_stdout()),
            Format::Json => serde_json::to_string_pretty(value).context("cannot be written as JSON")?,
            Format::Yaml => yaml::of(value),
        })
    }
}

/// Prints lines at once, and where there is none nothing. Who reads them may have seen enough: `culvert port list | head` is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.context("cannot print"),
    }
}
