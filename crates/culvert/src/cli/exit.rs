//! Failures that a script tells apart by the exit status (docs/cli.md lists them).

use std::process::ExitCode;

/// A failure with an exit status of its own; any other failure ends with 1, and wrong usage that clap sees with 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Options that do not go together.
    #[error("{what}")]
    Usage { what: String },
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

const NOT_FOUND: u8 = 3;

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Failure::Usage { .. } => 2,
            Failure::NotFound { .. } => NOT_FOUND,
            Failure::Refused { .. } => 4,
            Failure::Unavailable { .. } => 5,
            Failure::TimedOut { .. } => 6,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Failure::Usage { .. } => None,
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
    let of_lab = || match error.downcast_ref() {
        Some(lab::Error::NoLab(_) | lab::Error::Unknown { .. }) => ExitCode::from(NOT_FOUND),
        _ => ExitCode::FAILURE,
    };
    failure.map_or_else(of_lab, |failure| ExitCode::from(failure.status()))
}
