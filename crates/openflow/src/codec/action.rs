//! Actions and instructions on the wire (OpenFlow 1.3.5 sections 7.2.4 and 7.2.5; Nicira's, ovs-actions(7)).

use bytes::BufMut;

use super::learn;
use super::oxm::{self, Prefer};
use super::put;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::{Action, Field, Instruction, PortNo, Subfield, port};

/// `NX_VENDOR_ID`.
pub(crate) const NICIRA: u32 = 0x0000_2320;

/// `OFPAT_*`.
const OUTPUT: u16 = 0;
const PUSH_VLAN: u16 = 17;
const POP_VLAN: u16 = 18;
const SET_FIELD: u16 = 25;
const EXPERIMENTER: u16 = 0xffff;

/// `NXAST_*`.
const RESUBMIT: u16 = 1;
const SET_TUNNEL: u16 = 2;
const REG_MOVE: u16 = 6;
const REG_LOAD: u16 = 7;
const SET_TUNNEL64: u16 = 9;
const RESUBMIT_TABLE: u16 = 14;
const LEARN: u16 = 16;
const REG_LOAD2: u16 = 33;
const LEARN2: u16 = 45;

/// What an output to the controller asks for unless told otherwise: `OFPCML_NO_BUFFER`.
const WHOLE_PACKET: u16 = 0xffff;

pub(crate) fn put_instructions(out: &mut Vec<u8>, instructions: &[Instruction]) -> Result<()> {
    for instruction in instructions {
        let start = out.len();
        let kind = match instruction {
            Instruction::GotoTable(_) => 1,
            Instruction::Metadata { .. } => 2,
            Instruction::Write(_) => 3,
            Instruction::Apply(_) => 4,
            Instruction::Clear => 5,
            Instruction::Meter(_) => 6,
            Instruction::Opaque(bytes) => {
                put_opaque(out, "an opaque instruction", bytes)?;
                continue;
            }
        };
        out.put_u16(kind);
        out.put_u16(0);
        match instruction {
            Instruction::GotoTable(table) => {
                out.put_u8(*table);
                out.put_bytes(0, 3);
            }
            Instruction::Metadata { value, mask } => {
                out.put_u32(0);
                out.put_u64(*value);
                out.put_u64(*mask);
            }
            Instruction::Write(actions) | Instruction::Apply(actions) => {
                out.put_u32(0);
                put_actions(out, actions)?;
            }
            Instruction::Meter(meter) => out.put_u32(*meter),
            Instruction::Clear | Instruction::Opaque(_) => out.put_u32(0),
        }
        put::length(out, "an instruction", start, 2)?;
    }
    Ok(())
}

pub(crate) fn read_instructions(from: &mut Reader<'_>) -> Result<Vec<Instruction>> {
    let mut instructions = Vec::new();
    while !from.is_empty() {
        let (kind, whole) = element(from, "an instruction")?;
        let known = instruction(kind, Reader::new(whole.get(4..).unwrap_or_default()))?;
        instructions.push(known.unwrap_or_else(|| Instruction::Opaque(whole.to_vec())));
    }
    Ok(instructions)
}

fn instruction(kind: u16, mut body: Reader<'_>) -> Result<Option<Instruction>> {
    let instruction = match (kind, body.left()) {
        (1, 4) => Instruction::GotoTable(body.u8()?),
        (2, 20) => {
            body.skip(4)?;
            Instruction::Metadata { value: body.u64()?, mask: body.u64()? }
        }
        (3, 4..) => {
            body.skip(4)?;
            Instruction::Write(read_actions(body)?)
        }
        (4, 4..) => {
            body.skip(4)?;
            Instruction::Apply(read_actions(body)?)
        }
        (5, 4) => Instruction::Clear,
        (6, 4) => Instruction::Meter(body.u32()?),
        _ => return Ok(None),
    };
    Ok(Some(instruction))
}

pub(crate) fn put_actions(out: &mut Vec<u8>, actions: &[Action]) -> Result<()> {
    actions.iter().try_for_each(|action| put_action(out, action))
}

fn put_action(out: &mut Vec<u8>, action: &Action) -> Result<()> {
    let start = out.len();
    match action {
        Action::Output(port) => {
            put_kind(out, OUTPUT);
            out.put_u32(*port);
            out.put_u16(if *port == port::CONTROLLER { WHOLE_PACKET } else { 0 });
        }
        Action::SetField { field, value, mask: None } => {
            put_kind(out, SET_FIELD);
            oxm::put_entry(out, Prefer::Standard, *field, *value, None);
        }
        // Set-field takes no mask before OpenFlow 1.5.
        Action::SetField { field, value, mask } => {
            put_nicira(out, REG_LOAD2);
            out.put_bytes(0, 6);
            oxm::put_entry(out, Prefer::Nicira, *field, *value, *mask);
        }
        Action::PushVlan(ethertype) => {
            put_kind(out, PUSH_VLAN);
            out.put_u16(*ethertype);
        }
        Action::PopVlan => put_kind(out, POP_VLAN),
        Action::Resubmit { port, table } => {
            put_nicira(out, RESUBMIT_TABLE);
            out.put_u16(narrow_port(port.unwrap_or(port::IN_PORT)));
            out.put_u8(table.unwrap_or(u8::MAX));
        }
        Action::Move { src, dst } => {
            put_nicira(out, REG_MOVE);
            out.put_u16(src.bits);
            out.put_u16(src.offset);
            out.put_u16(dst.offset);
            oxm::put_header(out, src.field, Prefer::Nicira, false);
            oxm::put_header(out, dst.field, Prefer::Nicira, false);
        }
        Action::Load { dst, value } => {
            put_nicira(out, REG_LOAD);
            put_range(out, *dst);
            oxm::put_header(out, dst.field, Prefer::Nicira, false);
            out.put_u64(*value);
        }
        Action::Learn(learn) => {
            put_nicira(out, if learn.limit == 0 && learn.result_dst.is_none() { LEARN } else { LEARN2 });
            learn::put_learn(out, learn);
        }
        Action::Opaque(bytes) => return put_opaque(out, "an opaque action", bytes),
    }
    put::pad8(out, start);
    put::length(out, "an action", start, 2)
}

pub(crate) fn read_actions(mut from: Reader<'_>) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    while !from.is_empty() {
        let (kind, whole) = element(&mut from, "an action")?;
        // What does not have the expected shape is kept as it is: another version may have given it a meaning.
        let known = action(kind, Reader::new(whole.get(4..).unwrap_or_default())).ok().flatten();
        actions.push(known.unwrap_or_else(|| Action::Opaque(whole.to_vec())));
    }
    Ok(actions)
}

fn action(kind: u16, mut body: Reader<'_>) -> Result<Option<Action>> {
    let action = match kind {
        OUTPUT => {
            let (port, length) = (body.u32()?, body.u16()?);
            if port == port::CONTROLLER && length != WHOLE_PACKET {
                return Ok(None);
            }
            Action::Output(port)
        }
        PUSH_VLAN => Action::PushVlan(body.u16()?),
        POP_VLAN => Action::PopVlan,
        SET_FIELD => {
            let (field, masked) = oxm::read_entry(&mut body)?;
            if masked.mask.is_some() {
                return Ok(None);
            }
            Action::SetField { field, value: masked.value, mask: None }
        }
        EXPERIMENTER if body.u32()? == NICIRA => match nicira(&mut body)? {
            Some(action) => action,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(action).filter(|_| is_padding(body)))
}

fn nicira(body: &mut Reader<'_>) -> Result<Option<Action>> {
    let action = match body.u16()? {
        RESUBMIT => Action::Resubmit { port: resubmit_port(body.u16()?), table: None },
        RESUBMIT_TABLE => {
            let (port, table) = (body.u16()?, body.u8()?);
            Action::Resubmit { port: resubmit_port(port), table: Some(table).filter(|table| *table != u8::MAX) }
        }
        SET_TUNNEL => {
            body.skip(2)?;
            Action::SetField { field: Field::TunnelId, value: body.u32()?.into(), mask: None }
        }
        SET_TUNNEL64 => {
            body.skip(6)?;
            Action::SetField { field: Field::TunnelId, value: body.u64()?.into(), mask: None }
        }
        REG_MOVE => {
            let (bits, from, to) = (body.u16()?, body.u16()?, body.u16()?);
            let src = Subfield { field: plain_header(body)?, offset: from, bits };
            Action::Move { src, dst: Subfield { field: plain_header(body)?, offset: to, bits } }
        }
        REG_LOAD => {
            let range = body.u16()?;
            Action::Load { dst: range_of(range, plain_header(body)?), value: body.u64()? }
        }
        REG_LOAD2 => {
            body.skip(6)?;
            let (field, masked) = oxm::read_entry(body)?;
            Action::SetField { field, value: masked.value, mask: masked.mask }
        }
        LEARN => Action::Learn(Box::new(learn::read_learn(body, false)?)),
        LEARN2 => Action::Learn(Box::new(learn::read_learn(body, true)?)),
        _ => return Ok(None),
    };
    Ok(Some(action))
}

/// Offset and width as Nicira packs them in two bytes.
fn put_range(out: &mut Vec<u8>, range: Subfield) {
    out.put_u16(range.offset << 6 | range.bits.saturating_sub(1) & 0x3f);
}

fn range_of(packed: u16, field: Field) -> Subfield {
    Subfield { field, offset: packed >> 6, bits: (packed & 0x3f) + 1 }
}

/// A header that names a field and no mask.
pub(super) fn plain_header(from: &mut Reader<'_>) -> Result<Field> {
    match oxm::read_header(from)? {
        (field, false) => Ok(field),
        (field, true) => Err(Error::Length { what: "a field with a mask where none can be", length: field.bytes() }),
    }
}

fn put_kind(out: &mut Vec<u8>, kind: u16) {
    out.put_u16(kind);
    out.put_u16(0);
}

fn put_nicira(out: &mut Vec<u8>, subtype: u16) {
    put_kind(out, EXPERIMENTER);
    out.put_u32(NICIRA);
    out.put_u16(subtype);
}

/// Bytes kept from a switch go back as they came; others must at least be one whole element.
fn put_opaque(out: &mut Vec<u8>, what: &'static str, bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(bytes);
    match element(&mut reader, what) {
        Ok(_) if reader.is_empty() => out.put_slice(bytes),
        _ => return Err(Error::Length { what, length: bytes.len() }),
    }
    Ok(())
}

/// The next type-length element whole, header included: at least eight bytes, a multiple of eight.
fn element<'a>(from: &mut Reader<'a>, what: &'static str) -> Result<(u16, &'a [u8])> {
    let mut peek = *from;
    let (kind, length) = (peek.u16()?, usize::from(peek.u16()?));
    if length < 8 || length % 8 != 0 {
        return Err(Error::Length { what, length });
    }
    Ok((kind, from.take(length)?))
}

fn is_padding(rest: Reader<'_>) -> bool {
    rest.left() < 8 && rest.rest().iter().all(|byte| *byte == 0)
}

/// The 16-bit number of a port, as Nicira's actions have it.
#[allow(clippy::cast_possible_truncation)] // reserved numbers keep their low half; others are below 0xff00
fn narrow_port(port: PortNo) -> u16 {
    port as u16
}

fn resubmit_port(narrow: u16) -> Option<PortNo> {
    let wide = if narrow >= 0xff00 { PortNo::from(narrow) | 0xffff_0000 } else { narrow.into() };
    Some(wide).filter(|port| *port != port::IN_PORT)
}
