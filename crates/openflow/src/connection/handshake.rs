use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::target::Stream;
use crate::codec::{self, Frame};
use crate::error::{Error, Result};
use crate::{Hello, Message, Version};

/// Wire versions that this crate speaks, as a hello's bitmap.
const OURS: u32 = 1 << 4 | 1 << 5;

/// Hellos both ways (section 6.3.1); the highest version that both speak.
///
/// Reads the peer's hello and not a byte more.
pub(super) async fn agree(stream: &mut Box<dyn Stream>) -> Result<Version> {
    let mut hello = Vec::new();
    codec::encode(&Message::Hello(Hello { versions: Some(OURS) }), Version::V1_4, 0, &mut hello)?;
    stream.write_all(&hello).await?;
    let mut bytes = vec![0; 8];
    read(stream, &mut bytes).await?;
    let header = *bytes.first_chunk::<4>().ok_or(Error::Closed)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if length < 8 {
        return Err(Error::Length { what: "the greeting (is this an OpenFlow switch?)", length });
    }
    // A hello has a few bytes; whoever announces more is no switch, and what follows may never come.
    if header[1] > 1 || length > 1024 {
        return Err(Error::Protocol { what: "it does not greet as an OpenFlow switch does" });
    }
    bytes.resize(length, 0);
    read(stream, bytes.get_mut(8..).unwrap_or_default()).await?;
    let Some((frame, _)) = codec::split(&bytes)? else { return Err(Error::Closed) };
    match codec::decode(&frame)? {
        Message::Hello(theirs) => version(&frame, theirs),
        Message::Error(error) => Err(error.into()),
        _ => Err(Error::Protocol { what: "its first message is not a hello" }),
    }
}

fn version(frame: &Frame<'_>, theirs: Hello) -> Result<Version> {
    let below_or_at = |highest: u8| u32::MAX >> 31_u32.saturating_sub(highest.into());
    let common = OURS & theirs.versions.unwrap_or_else(|| below_or_at(frame.version));
    let highest = 31_u32.checked_sub(common.leading_zeros()).and_then(|wire| u8::try_from(wire).ok());
    highest.and_then(Version::from_wire).ok_or_else(|| Error::Version {
        theirs: match theirs.versions {
            Some(versions) => format!("versions {versions:#x} (a bitmap of wire numbers)"),
            None => format!("wire version {} at most", frame.version),
        },
    })
}

async fn read(stream: &mut Box<dyn Stream>, into: &mut [u8]) -> Result<()> {
    match stream.read_exact(into).await {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(Error::Closed),
        other => Ok(other.map(|_| ())?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_wins() {
        let agreed = |header, versions| {
            let frame = Frame { version: header, kind: 0, xid: 0, body: &[] };
            version(&frame, Hello { versions }).ok()
        };
        assert_eq!(agreed(6, Some(1 << 4 | 1 << 5 | 1 << 6)), Some(Version::V1_4));
        assert_eq!(agreed(6, Some(1 << 4 | 1 << 6)), Some(Version::V1_3));
        assert_eq!(agreed(1, Some(1 << 1)), None);
        assert_eq!(agreed(6, None), Some(Version::V1_4));
        assert_eq!(agreed(4, None), Some(Version::V1_3));
        assert_eq!(agreed(1, None), None);
        assert_eq!(agreed(255, None), Some(Version::V1_4));
    }
}
