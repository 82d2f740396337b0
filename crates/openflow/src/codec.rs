//! Messages to bytes and back. Pure: no I/O, no state.

mod action;
mod flow;
mod frame;
mod learn;
mod monitor;
mod multipart;
mod oxm;
mod port;
mod put;
mod reader;

use bytes::BufMut;

pub use frame::{Frame, split};
use reader::Reader;

use crate::error::{Error, Result};
use crate::switch_error::ONF;
use crate::{BundleControl, BundleStep, Features, FlowMod, Hello, Message, PortReason, SwitchError, Version};

/// `OFPT_*`; those in use have the same numbers in 1.3 and 1.4.
mod kind {
    pub(super) const HELLO: u8 = 0;
    pub(super) const ERROR: u8 = 1;
    pub(super) const ECHO_REQUEST: u8 = 2;
    pub(super) const ECHO_REPLY: u8 = 3;
    pub(super) const EXPERIMENTER: u8 = 4;
    pub(super) const FEATURES_REQUEST: u8 = 5;
    pub(super) const FEATURES_REPLY: u8 = 6;
    pub(super) const FLOW_REMOVED: u8 = 11;
    pub(super) const PORT_STATUS: u8 = 12;
    pub(super) const FLOW_MOD: u8 = 14;
    pub(super) const MULTIPART_REQUEST: u8 = 18;
    pub(super) const MULTIPART_REPLY: u8 = 19;
    pub(super) const BARRIER_REQUEST: u8 = 20;
    pub(super) const BARRIER_REPLY: u8 = 21;
    pub(super) const SET_ASYNC: u8 = 28;
    pub(super) const BUNDLE_CONTROL: u8 = 33;
    pub(super) const BUNDLE_ADD: u8 = 34;
}

/// The ONF's messages that give 1.3 its bundles (extension 230).
const ONF_BUNDLE_CONTROL: u32 = 2300;
const ONF_BUNDLE_ADD: u32 = 2301;

/// Appends the message to `out`. If it fails, `out` is as it was.
///
/// Fails if the message would be longer than 65,535 bytes, or holds opaque bytes that are not one whole element.
pub fn encode(message: &Message, version: Version, xid: u32, out: &mut Vec<u8>) -> Result<()> {
    framed(kind_of(message, version), version, xid, out, |out| put_body(message, version, xid, out))
}

/// [`encode`] for a flow-mod that is at hand by reference.
pub fn encode_flow_mod(flow_mod: &FlowMod, version: Version, xid: u32, out: &mut Vec<u8>) -> Result<()> {
    framed(kind::FLOW_MOD, version, xid, out, |out| flow::put_flow_mod(out, flow_mod))
}

/// [`encode`] for a flow-mod in a bundle.
pub fn encode_bundled(
    (bundle, flags): (u32, u16),
    flow_mod: &FlowMod,
    version: Version,
    xid: u32,
    out: &mut Vec<u8>,
) -> Result<()> {
    let kind = if version == Version::V1_3 { kind::EXPERIMENTER } else { kind::BUNDLE_ADD };
    framed(kind, version, xid, out, |out| {
        put_bundle_add(out, version, bundle, flags);
        encode_flow_mod(flow_mod, version, xid, out)
    })
}

/// A header, what `body` writes, and the length of all.
fn framed(
    kind: u8,
    version: Version,
    xid: u32,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let start = out.len();
    out.put_u8(version.wire());
    out.put_u8(kind);
    out.put_u16(0);
    out.put_u32(xid);
    let result = body(out).and_then(|()| put::length(out, "a message", start, 2));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn put_body(message: &Message, version: Version, xid: u32, out: &mut Vec<u8>) -> Result<()> {
    match message {
        Message::Hello(Hello { versions }) => {
            if let Some(versions) = versions {
                out.put_u16(1); // OFPHET_VERSIONBITMAP
                out.put_u16(8);
                out.put_u32(*versions);
            }
        }
        Message::Error(error) => {
            out.put_u16(error.kind);
            out.put_u16(error.code);
            if let Some(experimenter) = error.experimenter {
                out.put_u32(experimenter);
            }
            out.put_slice(&error.data);
        }
        Message::EchoRequest(body) | Message::EchoReply(body) | Message::Opaque { body, .. } => out.put_slice(body),
        Message::FeaturesReply(features) => put_features(out, features),
        Message::SetAsync { port_status } => put_set_async(out, version, *port_status),
        Message::FlowMod(flow_mod) => flow::put_flow_mod(out, flow_mod)?,
        Message::FlowRemoved(removed) => flow::put_removed(out, removed)?,
        Message::PortStatus { reason, port } => {
            out.put_u8(*reason as u8);
            out.put_bytes(0, 7);
            port::put_desc(out, version, port)?;
        }
        Message::MultipartRequest(request) => multipart::put_request(out, request)?,
        Message::MultipartReply { more, part } => multipart::put_reply(out, version, *more, part)?,
        Message::BundleControl(BundleControl { bundle, step, flags }) => {
            put_onf(out, version, ONF_BUNDLE_CONTROL);
            out.put_u32(*bundle);
            out.put_u16(*step as u16);
            out.put_u16(*flags);
        }
        Message::BundleAdd { bundle, flags, message } => {
            put_bundle_add(out, version, *bundle, *flags);
            encode(message, version, xid, out)?;
        }
        Message::FeaturesRequest | Message::BarrierRequest | Message::BarrierReply => {}
    }
    Ok(())
}

fn kind_of(message: &Message, version: Version) -> u8 {
    match message {
        Message::Hello(_) => kind::HELLO,
        Message::Error(_) => kind::ERROR,
        Message::EchoRequest(_) => kind::ECHO_REQUEST,
        Message::EchoReply(_) => kind::ECHO_REPLY,
        Message::FeaturesRequest => kind::FEATURES_REQUEST,
        Message::FeaturesReply(_) => kind::FEATURES_REPLY,
        Message::SetAsync { .. } => kind::SET_ASYNC,
        Message::FlowMod(_) => kind::FLOW_MOD,
        Message::FlowRemoved(_) => kind::FLOW_REMOVED,
        Message::PortStatus { .. } => kind::PORT_STATUS,
        Message::BarrierRequest => kind::BARRIER_REQUEST,
        Message::BarrierReply => kind::BARRIER_REPLY,
        Message::MultipartRequest(_) => kind::MULTIPART_REQUEST,
        Message::MultipartReply { .. } => kind::MULTIPART_REPLY,
        Message::BundleControl(_) | Message::BundleAdd { .. } if version == Version::V1_3 => kind::EXPERIMENTER,
        Message::BundleControl(_) => kind::BUNDLE_CONTROL,
        Message::BundleAdd { .. } => kind::BUNDLE_ADD,
        Message::Opaque { kind, .. } => *kind,
    }
}

/// Reads the message of a frame. A type that this crate does not know becomes [`Message::Opaque`]; one that it knows
/// but cannot make sense of is an error.
pub fn decode(frame: &Frame<'_>) -> Result<Message> {
    let mut from = Reader::new(frame.body);
    // Hello and the error that answers it come before a version is agreed; their form is the same in all.
    match frame.kind {
        kind::HELLO => return read_hello(from),
        kind::ERROR => return read_error(from),
        _ => {}
    }
    let version = Version::from_wire(frame.version)
        .ok_or(Error::Value { what: "the version of a message", value: frame.version.into() })?;
    read(frame, version, &mut from)
}

fn read(frame: &Frame<'_>, version: Version, from: &mut Reader<'_>) -> Result<Message> {
    let opaque = Message::Opaque { kind: frame.kind, body: Vec::new() };
    let message = match frame.kind {
        kind::ECHO_REQUEST => Message::EchoRequest(from.rest().to_vec()),
        kind::ECHO_REPLY => Message::EchoReply(from.rest().to_vec()),
        kind::EXPERIMENTER => read_onf(version, *from)?.unwrap_or(opaque),
        kind::FEATURES_REQUEST => Message::FeaturesRequest,
        kind::FEATURES_REPLY => Message::FeaturesReply(read_features(from)?),
        kind::FLOW_REMOVED => Message::FlowRemoved(flow::read_removed(from)?),
        kind::PORT_STATUS => {
            let reason = match from.u8()? {
                0 => PortReason::Added,
                1 => PortReason::Deleted,
                2 => PortReason::Modified,
                other => return Err(Error::Value { what: "the reason of a port status", value: other.into() }),
            };
            from.skip(7)?;
            Message::PortStatus { reason, port: port::read_desc(from, version)? }
        }
        kind::FLOW_MOD => Message::FlowMod(flow::read_flow_mod(from)?),
        kind::MULTIPART_REQUEST => Message::MultipartRequest(multipart::read_request(from)?),
        kind::MULTIPART_REPLY => {
            let (more, part) = multipart::read_reply(from, version)?;
            Message::MultipartReply { more, part }
        }
        kind::BARRIER_REQUEST => Message::BarrierRequest,
        kind::BARRIER_REPLY => Message::BarrierReply,
        kind::BUNDLE_CONTROL if version == Version::V1_4 => read_bundle_control(from)?,
        kind::BUNDLE_ADD if version == Version::V1_4 => read_bundle_add(from)?.unwrap_or(opaque),
        _ => opaque,
    };
    Ok(match message {
        Message::Opaque { kind, .. } => Message::Opaque { kind, body: frame.body.to_vec() },
        message => message,
    })
}

fn read_hello(mut from: Reader<'_>) -> Result<Message> {
    while from.left() >= 4 {
        let (kind, length) = (from.u16()?, usize::from(from.u16()?));
        let body = length.checked_sub(4).ok_or(Error::Length { what: "an element of a hello", length })?;
        let mut body = from.sub(body.min(from.left()))?;
        if kind == 1 {
            return Ok(Message::Hello(Hello { versions: Some(body.u32()?) }));
        }
        from.skip((length.next_multiple_of(8) - length).min(from.left()))?;
    }
    Ok(Message::Hello(Hello { versions: None }))
}

fn read_error(mut from: Reader<'_>) -> Result<Message> {
    let (kind, code) = (from.u16()?, from.u16()?);
    let experimenter = if kind == u16::MAX { Some(from.u32()?) } else { None };
    Ok(Message::Error(SwitchError { kind, code, experimenter, data: from.rest().to_vec() }))
}

fn put_features(out: &mut Vec<u8>, features: &Features) {
    out.put_u64(features.datapath_id);
    out.put_u32(features.buffers);
    out.put_u8(features.tables);
    out.put_u8(features.auxiliary_id);
    out.put_u16(0);
    out.put_u32(features.capabilities);
    out.put_u32(0);
}

fn read_features(from: &mut Reader<'_>) -> Result<Features> {
    let (datapath_id, buffers) = (from.u64()?, from.u32()?);
    let (tables, auxiliary_id) = (from.u8()?, from.u8()?);
    from.skip(2)?;
    Ok(Features { datapath_id, buffers, tables, auxiliary_id, capabilities: from.u32()? })
}

/// 1.3: masks of reasons, for the master's and for the slave's role, of packet-in, port status and flow removed.
/// 1.4: the same as properties; those left out keep their state.
fn put_set_async(out: &mut Vec<u8>, version: Version, port_status: bool) {
    let reasons = if port_status { 0b111 } else { 0 };
    match version {
        Version::V1_3 => [0, 0, reasons, reasons, 0, 0].into_iter().for_each(|mask| out.put_u32(mask)),
        Version::V1_4 => {
            for (property, mask) in [(0, 0), (1, 0), (2, reasons), (3, reasons), (4, 0), (5, 0)] {
                out.put_u16(property);
                out.put_u16(8);
                out.put_u32(mask);
            }
        }
    }
}

/// In 1.3 bundles are an experimenter's messages.
fn put_onf(out: &mut Vec<u8>, version: Version, message: u32) {
    if version == Version::V1_3 {
        out.put_u32(ONF);
        out.put_u32(message);
    }
}

fn put_bundle_add(out: &mut Vec<u8>, version: Version, bundle: u32, flags: u16) {
    put_onf(out, version, ONF_BUNDLE_ADD);
    out.put_u32(bundle);
    out.put_u16(0);
    out.put_u16(flags);
}

fn read_onf(version: Version, mut from: Reader<'_>) -> Result<Option<Message>> {
    if version != Version::V1_3 || from.left() < 8 || from.u32()? != ONF {
        return Ok(None);
    }
    match from.u32()? {
        ONF_BUNDLE_CONTROL => read_bundle_control(&mut from).map(Some),
        ONF_BUNDLE_ADD => read_bundle_add(&mut from),
        _ => Ok(None),
    }
}

fn read_bundle_control(from: &mut Reader<'_>) -> Result<Message> {
    let (bundle, step, flags) = (from.u32()?, from.u16()?, from.u16()?);
    let step = match step {
        0 => BundleStep::Open,
        1 => BundleStep::Opened,
        2 => BundleStep::Close,
        3 => BundleStep::Closed,
        4 => BundleStep::Commit,
        5 => BundleStep::Committed,
        6 => BundleStep::Discard,
        7 => BundleStep::Discarded,
        other => return Err(Error::Value { what: "the step of a bundle", value: other.into() }),
    };
    Ok(Message::BundleControl(BundleControl { bundle, step, flags }))
}

/// `None` if what is bundled is a bundle's message itself, which cannot be: bounds the depth.
fn read_bundle_add(from: &mut Reader<'_>) -> Result<Option<Message>> {
    let bundle = from.u32()?;
    from.skip(2)?;
    let flags = from.u16()?;
    let (frame, _) = split(from.rest())?.ok_or(Error::Truncated { wanted: 8, left: from.left() })?;
    if matches!(frame.kind, kind::EXPERIMENTER | kind::BUNDLE_CONTROL | kind::BUNDLE_ADD) {
        return Ok(None);
    }
    Ok(Some(Message::BundleAdd { bundle, flags, message: Box::new(decode(&frame)?) }))
}
