use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::error::{Error, Result};

/// Where a switch listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Open vSwitch has one socket per bridge: `<rundir>/<bridge>.mgmt`.
    Unix(PathBuf),
    /// `HOST:PORT`.
    Tcp(String),
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Target {
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>> {
        let connected: std::io::Result<Box<dyn Stream>> = async {
            Ok(match self {
                Target::Unix(path) => Box::new(UnixStream::connect(path).await?) as Box<dyn Stream>,
                Target::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?; // requests are written whole; waiting for more only delays them
                    Box::new(stream)
                }
            })
        }
        .await;
        connected.map_err(|error| Error::Connect { target: self.to_string(), source: Arc::new(error) })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
            Target::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Target::Unix(path.into())),
            Some(("tcp", address)) if address.contains(':') => Ok(Target::Tcp(address.into())),
            _ => Err(Error::Target { text: text.into() }),
        }
    }
}
