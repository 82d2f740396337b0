//! What a probe carries: which run, who to whom, which slot of the schedule.

/// 4 bytes of mark, 4 of the run, 2 of each point's number, 8 of the slot; all big-endian.
pub(super) const LENGTH: usize = 20;
const MARK: [u8; 4] = *b"cvpr";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// So that what an earlier run left under way is not taken for ours.
    pub(super) run: u32,
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) slot: u64,
}

impl Packet {
    /// With zeros after it up to `bytes`.
    pub(super) fn encode(self, bytes: usize) -> Vec<u8> {
        let points = [self.from.to_be_bytes(), self.to.to_be_bytes()].concat();
        let mut packet = [&MARK[..], &self.run.to_be_bytes(), &points, &self.slot.to_be_bytes()].concat();
        packet.resize(bytes.max(LENGTH), 0);
        packet
    }

    /// `None` if it is no probe.
    pub(super) fn decode(bytes: &[u8]) -> Option<Packet> {
        let (mark, rest) = bytes.split_first_chunk::<4>()?;
        let (run, rest) = rest.split_first_chunk()?;
        let (from, rest) = rest.split_first_chunk()?;
        let (to, rest) = rest.split_first_chunk()?;
        let slot = rest.first_chunk()?;
        let packet = Packet {
            run: u32::from_be_bytes(*run),
            from: u16::from_be_bytes(*from),
            to: u16::from_be_bytes(*to),
            slot: u64::from_be_bytes(*slot),
        };
        (*mark == MARK).then_some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_what_was_written_and_nothing_else_is_one() {
        let packet = Packet { run: 7, from: 1, to: 2, slot: 1 << 40 };
        let bytes = packet.encode(0);
        assert_eq!((bytes.len(), Packet::decode(&bytes)), (LENGTH, Some(packet)));
        assert_eq!((packet.encode(99).len(), Packet::decode(&packet.encode(99))), (99, Some(packet)));
        for length in 0..LENGTH {
            assert_eq!(Packet::decode(&bytes[..length]), None, "cut at {length}");
        }
        assert_eq!(Packet::decode(&[0; LENGTH]), None);
    }
}
