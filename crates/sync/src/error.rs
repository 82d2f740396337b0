use thiserror::Error as ThisError;

/// What can go wrong between agent and server.
#[derive(Debug, ThisError)]
pub enum Error {
    #[error("the bytes are no message: agent and server may be of versions that do not fit")]
    Bytes(#[source] prost::DecodeError),
    #[error("a message came without its {0}: agent and server may be of versions that do not fit")]
    Missing(&'static str),
    #[error("{field} of a message is not valid")]
    Field {
        field: &'static str,
        #[source]
        source: model::Error,
    },
    #[error("{field} of a message has {length} bytes: an address has 4, 6 (MAC) or 16")]
    Length { field: &'static str, length: usize },
    #[error("{field} of a message is {value}, which this version does not know: upgrade the older of agent and server")]
    Unknown { field: &'static str, value: i32 },
    #[error("\"{0}\" is not an address of a server: write host:port, as in 10.0.1.10:9690")]
    Address(String),
    #[error("no connection to the server at {server}: is it running, and does a firewall let this host reach it?")]
    Connect {
        server: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error("the server refuses this agent: {0}")]
    Refused(String),
    #[error(
        "the server does not speak culvert.sync.v1 ({0}): it is of another major version, or no Culvert server; upgrade the older of agent and server"
    )]
    OtherMajor(String),
    #[error("the stream to the server broke: {message}")]
    Broken {
        message: String,
        #[source]
        source: Box<tonic::Status>,
    },
    #[error("the server has closed the stream")]
    Closed,
    #[error("snapshots of network {0} arrive damaged again and again: report this, and restart the agent")]
    Damaged(model::NetworkId),
    #[error("agents cannot be served any more")]
    Serve(#[source] tonic::transport::Error),
}
