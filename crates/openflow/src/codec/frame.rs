use super::reader::Reader;
use crate::error::{Error, Result};

/// One message's header, taken apart, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub version: u8,
    pub kind: u8,
    pub xid: u32,
    pub body: &'a [u8],
}

/// Splits the first message off a stream's bytes: the message and how many bytes it takes. `None`: not whole yet.
///
/// A message's length field counts its own eight bytes of header; less than that is an error from which the stream
/// cannot recover. It has 16 bits, so 64 KiB is the most that need be buffered.
pub fn split(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>> {
    let mut from = Reader::new(bytes);
    let (Ok(version), Ok(kind), Ok(length)) = (from.u8(), from.u8(), from.u16()) else { return Ok(None) };
    let length = usize::from(length);
    if length < 8 {
        return Err(Error::Length { what: "a message", length });
    }
    let (Ok(xid), Ok(body)) = (from.u32(), from.take(length - 8)) else { return Ok(None) };
    Ok(Some((Frame { version, kind, xid, body }, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_whole_and_refuses_the_impossible() {
        let bytes = [4, 2, 0, 10, 0, 0, 0, 7, 0xaa, 0xbb, 9];
        let whole = Frame { version: 4, kind: 2, xid: 7, body: &[0xaa, 0xbb] };
        assert_eq!(split(&bytes).unwrap(), Some((whole, 10)));
        assert!((0..10).all(|cut| split(&bytes[..cut]).unwrap().is_none()));
        assert!(split(&[4, 2, 0, 7]).is_err());
    }
}
