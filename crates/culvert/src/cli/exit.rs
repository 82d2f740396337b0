//! Failures that a script tells apart by the exit status (docs/cli.md lists them).

use std::process::ExitCode;

/// A failure with an exit status of its own; any other failure ends with 1, and wrong usage with 2 (clap's).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was named is not there, or the name fits several.
    #[error("{what}")]
    NotFound { what: String, hint: Option<String> },
    /// The server understood, and will not.
    #[error("{why}")]
    Refused { why: String, hint: Option<String> },
    /// There is no server, or it cannot serve now.
    #[error("{what}")]
    Unavailable { what: String, hint: Option<String> },
    #[error("{what}")]
    TimedOut { what: String, hint: Option<String> },
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Failure::NotFound { .. } => 3,
            Failure::Refused { .. } => 4,
            Failure::Unavailable { .. } => 5,
            Failure::TimedOut { .. } => 6,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Failure::NotFound { hint, .. }
            | Failure::Refused { hint, .. }
            | Failure::Unavailable { hint, .. }
            | Failure::TimedOut { hint, .. } => hint.as_deref(),
        }
    }
}

/// Says what went wrong on standard error; the exit status.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
    let failure = error.downcast_ref::<Failure>();
    if let Some(hint) = failure.and_then(Failure::hint) {
        eprintln!("hint: {hint}");
    }
    failure.map_or(ExitCode::FAILURE, |failure| ExitCode::from(failure.status()))
}
