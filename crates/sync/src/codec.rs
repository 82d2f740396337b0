//! Bytes ↔ messages, as one frame of the gRPC stream carries them. The stream itself decodes through `tonic`; this is for
//! who has bytes and no stream.

use prost::Message;

use crate::messages::{ToAgent, ToServer};
use crate::{Error, proto};

impl ToServer {
    /// `None`: of a kind that this version does not know.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let message = proto::AgentMessage::decode(bytes).map_err(Error::Bytes)?;
        Ok(ToServer::parse(message)?.ok())
    }

    pub fn encode(self) -> Vec<u8> {
        proto::AgentMessage::from(self).encode_to_vec()
    }
}

impl ToAgent {
    /// `None`: of a kind that this version does not know.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let message = proto::ServerMessage::decode(bytes).map_err(Error::Bytes)?;
        Ok(ToAgent::parse(message)?.ok())
    }

    pub fn encode(self) -> Vec<u8> {
        proto::ServerMessage::from(self).encode_to_vec()
    }
}
