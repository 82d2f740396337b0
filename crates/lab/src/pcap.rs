use crate::Error;

/// A captured Ethernet frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Microseconds since 1970.
    pub at: u64,
    pub bytes: Vec<u8>,
}

/// Reads a capture file as `tcpdump -w` writes it on this machine: classic pcap (draft-ietf-opsawg-pcap), little-endian,
/// microseconds, Ethernet. A last frame that is cut off is left out.
pub(crate) fn read(file: &[u8]) -> Result<Vec<Frame>, Error> {
    const HEADER: usize = 24;
    if number(file, 0) != Some(0xa1b2_c3d4) {
        return Err(Error::Capture("it is not a pcap file in this machine's byte order".to_owned()));
    }
    if number(file, 20) != Some(1) {
        return Err(Error::Capture("the device is not Ethernet".to_owned()));
    }
    let mut rest = file.get(HEADER..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some((frame, tail)) = record(rest) {
        frames.push(frame);
        rest = tail;
    }
    Ok(frames)
}

/// Seconds, microseconds, captured length, length on the wire; then the frame.
fn record(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let at = u64::from(number(bytes, 0)?) * 1_000_000 + u64::from(number(bytes, 4)?);
    let length = usize::try_from(number(bytes, 8)?).ok()?;
    let (frame, tail) = bytes.get(16..)?.split_at_checked(length)?;
    Some((Frame { at, bytes: frame.to_vec() }, tail))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_frames_and_leaves_out_a_cut_one() {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            file.extend(word.to_le_bytes());
        }
        assert_eq!(read(&file).unwrap(), []);
        for word in [2_u32, 5, 3, 3] {
            file.extend(word.to_le_bytes());
        }
        file.extend([7, 8, 9]);
        let frames = [Frame { at: 2_000_005, bytes: vec![7, 8, 9] }];
        assert_eq!(read(&file).unwrap(), frames);
        file.extend([1; 18]);
        assert_eq!(read(&file).unwrap(), frames);
        assert!(matches!(read(b"pcapng?!"), Err(Error::Capture(_))));
    }
}
