use crate::SwitchError;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between this crate and a switch or a text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("an OpenFlow message ends too early: {wanted} bytes wanted where {left} are left")]
    Truncated { wanted: usize, left: usize },
    #[error("{what} says that it is {length} bytes long, which cannot be")]
    Length { what: &'static str, length: usize },
    #[error("{what} would be {length} bytes long; OpenFlow's limit is 65535: split it")]
    TooLong { what: &'static str, length: usize },
    #[error("{what} holds {value:#x}, which OpenFlow does not define there")]
    Value { what: &'static str, value: u64 },
    #[error("a field is {bytes} bytes wide; this program holds at most 16")]
    Wide { bytes: usize },
    #[error("cannot read {found:?} as {wanted}")]
    Text { wanted: &'static str, found: String },
    #[error("the switch refused: {0}")]
    Switch(#[from] SwitchError),
}

impl Error {
    pub(crate) fn text(wanted: &'static str, found: &str) -> Self {
        Error::Text { wanted, found: found.chars().take(80).collect() }
    }
}
