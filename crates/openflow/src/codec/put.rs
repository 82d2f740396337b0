//! Writing with lengths that are known only at the end.

use bytes::BufMut;

use crate::error::{Error, Result};

/// A big-endian number in `bytes` bytes, at most 16.
pub(crate) fn number(out: &mut Vec<u8>, value: u128, bytes: usize) {
    let be = value.to_be_bytes();
    out.put_bytes(0, bytes.saturating_sub(be.len()));
    out.put_slice(be.get(be.len().saturating_sub(bytes)..).unwrap_or(&be));
}

/// Zeros until what began at `start` is a multiple of eight bytes long.
pub(crate) fn pad8(out: &mut Vec<u8>, start: usize) {
    let length = out.len().saturating_sub(start);
    out.put_bytes(0, length.next_multiple_of(8) - length);
}

/// Writes the length of what began at `start` into the two bytes at `start + offset`.
pub(crate) fn length(out: &mut [u8], what: &'static str, start: usize, offset: usize) -> Result<()> {
    let length = out.len().saturating_sub(start);
    let short = u16::try_from(length).map_err(|_| Error::TooLong { what, length })?;
    let at = start + offset;
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&short.to_be_bytes());
    }
    Ok(())
}
