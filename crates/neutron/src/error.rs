use thiserror::Error as ThisError;

/// What can be wrong with what Neutron says, or with what it is to be told.
#[derive(Debug, ThisError)]
pub enum Error {
    #[error(transparent)]
    Oslo(#[from] oslo::Error),
    #[error("the server's object has no {0}: is it a Neutron of version 21 or later?")]
    Missing(&'static str),
    #[error("\"{0}\" is not a MAC address with a fixed IP, as l2population sends them")]
    Pair(String),
}
