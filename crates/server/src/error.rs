use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::key_range::KeyRange;

/// Why the server does not start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{setting} = {address} is not a loopback address, and without authentication anyone who reaches it commands the \
         server: listen on 127.0.0.1, or set insecure_listen = true if the network is trusted"
    )]
    ListenBeyondLoopback { setting: &'static str, address: SocketAddr },
    #[error("api_listen and agents_listen are both {0}: REST and agents need a port each")]
    ListenTwice(SocketAddr),
    #[error("\"{0}\" is not a range of tunnel keys: write first-last, as in 1001-2000, from 1 up")]
    KeyRangeText(String),
    #[error("{setting} = {range}: the largest key of this tunnel type is {max}")]
    KeyRange { setting: &'static str, range: KeyRange, max: u32 },
    #[error("underlay_mtu = {0} is not an MTU: it is 576 to 65535 bytes")]
    UnderlayMtu(u32),
    #[error("cannot listen on {setting} = {address}: is another server running, or the address of another host?")]
    Listen { setting: &'static str, address: SocketAddr, source: io::Error },
    #[error("cannot make the admin socket {}: see that run_dir exists and may be written", path.display())]
    AdminSocket { path: PathBuf, source: io::Error },
    #[error("another server answers at {}: end it first, or give this one a run_dir of its own", .0.display())]
    AlreadyRunning(PathBuf),
    #[error("cannot make the directory of the database, {}", path.display())]
    DatabaseDirectory { path: PathBuf, source: io::Error },
    #[error("cannot open the database {}", path.display())]
    OpenStore { path: PathBuf, source: store::Error },
    #[error("the database failed")]
    Store(#[from] store::Error),
}
