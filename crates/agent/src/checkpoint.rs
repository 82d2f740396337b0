//! Bytes ↔ what an agent keeps on its disk, so that the next process of it goes on from there.
//!
//! It is a conversation: the hello of the agent that wrote it, then what a server would say to a fresh agent to bring it to
//! where this one was, and how far Open vSwitch had confirmed that. So it takes the way that news takes, and what a later
//! version adds to the protocol it may add here.

use sync::messages::{Hello, ToAgent, ToServer};

use crate::Error;

/// What it begins with: another format has another number.
const MAGIC: &[u8] = b"culvert checkpoint 1\n";

/// One thing that was said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    ByServer(ToAgent),
    ByAgent(ToServer),
}

/// Writes a checkpoint: the magic, a digest of all that follows, then each thing that was said: who said it (one byte), its
/// length (four, big-endian), and the message as on the stream.
#[derive(Debug)]
pub(crate) struct Writer(Vec<u8>);

const BY_SERVER: u8 = b's';
const BY_AGENT: u8 = b'a';

impl Writer {
    pub(crate) fn begin(hello: Hello) -> Self {
        let mut writer = Writer(vec![0; MAGIC.len() + size_of::<u64>()]);
        writer.frame(BY_AGENT, &ToServer::Hello(hello).encode());
        writer
    }

    pub(crate) fn say(&mut self, said: Said) {
        match said {
            Said::ByServer(message) => self.frame(BY_SERVER, &message.encode()),
            Said::ByAgent(message) => self.frame(BY_AGENT, &message.encode()),
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        if let Some((head, body)) = self.0.split_at_mut_checked(MAGIC.len() + size_of::<u64>()) {
            let head = head.iter_mut();
            head.zip(MAGIC.iter().copied().chain(digest(body).to_be_bytes())).for_each(|(at, byte)| *at = byte);
        }
        self.0
    }

    fn frame(&mut self, by: u8, message: &[u8]) {
        // A message is a part of a snapshot at most, far below 4 GiB.
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        self.0.push(by);
        self.0.extend(length.to_be_bytes());
        self.0.extend(message);
    }
}

/// Who wrote it, and what was said. Nothing of it counts unless all of it is sound.
pub(crate) fn read(bytes: &[u8]) -> Result<(Hello, Vec<Said>), Error> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Error::CheckpointFormat)?;
    let (sum, mut body) = rest.split_first_chunk().ok_or(Error::CheckpointDamaged)?;
    if u64::from_be_bytes(*sum) != digest(body) {
        return Err(Error::CheckpointDamaged);
    }
    let mut hello = None;
    let mut said = Vec::new();
    while let Some((by, message, rest)) = frame(body) {
        body = rest;
        // A kind of message that a later version added is passed over, as on a stream.
        match by {
            BY_SERVER => said.extend(ToAgent::decode(message).map_err(Error::CheckpointContent)?.map(Said::ByServer)),
            BY_AGENT => match ToServer::decode(message).map_err(Error::CheckpointContent)? {
                Some(ToServer::Hello(from)) => hello = Some(from),
                other => said.extend(other.map(Said::ByAgent)),
            },
            _ => return Err(Error::CheckpointDamaged),
        }
    }
    let hello = hello.filter(|_| body.is_empty()).ok_or(Error::CheckpointDamaged)?;
    Ok((hello, said))
}

/// The first frame, and what follows it.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (by, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (message, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((*by, message, rest))
}

/// FNV-1a, against damage by chance.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use model::{NetworkId, Revision};
    use sync::messages::Ack;
    use uuid::Uuid;

    use super::*;

    fn hello() -> Hello {
        Hello::new("compute1".parse().unwrap(), [10, 0, 1, 31].into())
    }

    #[test]
    fn what_was_written_is_read_and_what_was_damaged_is_not() {
        let network = NetworkId(Uuid::from_u128(1));
        let said = [
            Said::ByServer(ToAgent::Dropped(network)),
            Said::ByAgent(ToServer::Ack(Ack { network, revision: Revision(5), problems: vec![] })),
        ];
        let mut writer = Writer::begin(hello());
        for said in &said {
            writer.say(said.clone());
        }
        let bytes = writer.finish();
        assert_eq!(read(&bytes).unwrap(), (hello(), said.to_vec()));

        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "cut at {length}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
        assert!(read(&[&bytes[..], b"more"].concat()).is_err());
        assert!(matches!(read(b"culvert checkpoint 2\n"), Err(Error::CheckpointFormat)));
    }
}
