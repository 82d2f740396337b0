//! What is said between a host and the server, as bytes; and what becomes of it if the host is of another version.
//!
//! A host of the version before knows nothing of fields that may be absent;
//! one of the version after says more than anybody here has heard of.

use sync::messages::{ToAgent, ToServer};

use crate::judge::Violation;
use crate::setup::Version;

/// A message as far as it matters here: by field number, the messages in it, and what came to it late.
struct Shape {
    inner: &'static [(u64, &'static Shape)],
    late: &'static [u64],
}

const PLAIN: Shape = Shape { inner: &[], late: &[] };
const HELD: Shape = Shape { inner: &[], late: &[3, 4] };
const HELLO: Shape = Shape { inner: &[(10, &HELD)], late: &[1] };
const INTERFACE: Shape = Shape { inner: &[], late: &[2] };
const INTERFACES: Shape = Shape { inner: &[(2, &INTERFACE)], late: &[] };
const REPORT: Shape = Shape { inner: &[], late: &[4] };
const ACK: Shape = Shape { inner: &[(3, &PLAIN)], late: &[3] };
const AGENT: Shape =
    Shape { inner: &[(1, &HELLO), (2, &INTERFACES), (3, &REPORT), (4, &ACK), (5, &PLAIN), (6, &PLAIN)], late: &[] };

const WELCOME: Shape = Shape { inner: &[], late: &[1] };
const NETWORK: Shape = Shape { inner: &[], late: &[4] };
const WIRE: Shape = Shape { inner: &[], late: &[5] };
const ORDER: Shape = Shape { inner: &[(3, &WIRE)], late: &[4] };
const ORDERS: Shape = Shape { inner: &[(1, &NETWORK), (2, &ORDER)], late: &[] };
const SNAPSHOT: Shape = Shape { inner: &[(3, &PLAIN)], late: &[] };
const DELTA: Shape = Shape { inner: &[(4, &PLAIN)], late: &[] };
const HOST_COMPLETE: Shape = Shape { inner: &[(2, &PLAIN)], late: &[] };
const ENDPOINTS: Shape = Shape { inner: &[(3, &PLAIN)], late: &[] };
const SERVER: Shape = Shape {
    inner: &[
        (1, &WELCOME),
        (2, &ORDERS),
        (3, &SNAPSHOT),
        (4, &PLAIN),
        (5, &DELTA),
        (6, &PLAIN),
        (7, &HOST_COMPLETE),
        (8, &ENDPOINTS),
    ],
    late: &[],
};

/// A field that nobody knows, number 99, with two bytes in it; alone, it is a message of a kind that nobody knows.
const UNKNOWN: [u8; 5] = [0x9a, 0x06, 2, 0xaa, 0xbb];

/// What the server reads of what an agent of this version says.
pub(super) fn to_server(version: Version, message: ToServer) -> Result<Vec<ToServer>, Violation> {
    let read = |bytes: Vec<u8>| ToServer::decode(&bytes).map_err(|error| misunderstood(&error)).transpose();
    said(version, message.encode(), &AGENT)?.into_iter().filter_map(read).collect()
}

/// What an agent of this version reads of what the server says.
pub(super) fn to_agent(version: Version, message: ToAgent) -> Result<Vec<ToAgent>, Violation> {
    let read = |bytes: Vec<u8>| ToAgent::decode(&bytes).map_err(|error| misunderstood(&error)).transpose();
    said(version, message.encode(), &SERVER)?.into_iter().filter_map(read).collect()
}

fn misunderstood(error: &sync::Error) -> Violation {
    Violation::new("versions understand each other", error.to_string())
}

fn said(version: Version, bytes: Vec<u8>, shape: &Shape) -> Result<Vec<Vec<u8>>, Violation> {
    if version == Version::Current {
        return Ok(vec![bytes]);
    }
    let changed = rewrite(version, &bytes, shape).ok_or_else(|| Violation::broken("bytes that are no message"))?;
    let strange = (version == Version::Next).then(|| UNKNOWN.to_vec());
    Ok(strange.into_iter().chain([changed]).collect())
}

/// The fields of a message, one by one (Protocol Buffers, "Encoding"): without the late ones, or with one more.
fn rewrite(version: Version, mut bytes: &[u8], shape: &Shape) -> Option<Vec<u8>> {
    let mut changed = Vec::new();
    while !bytes.is_empty() {
        let field = bytes;
        let key = varint(&mut bytes)?;
        let (number, wire_type) = (key >> 3, key & 7);
        let length = match wire_type {
            0 => {
                varint(&mut bytes)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (content, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let whole = field.get(..field.len() - rest.len())?;
        let inner = shape.inner.iter().find(|(inner, _)| *inner == number && wire_type == 2);
        match inner {
            _ if version == Version::Previous && shape.late.contains(&number) => {}
            Some((_, shape)) => {
                let content = rewrite(version, content, shape)?;
                write_varint(&mut changed, key);
                write_varint(&mut changed, content.len() as u64);
                changed.extend(content);
            }
            None => changed.extend(whole),
        }
    }
    if version == Version::Next {
        changed.extend(UNKNOWN);
    }
    Some(changed)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or_default());
}
