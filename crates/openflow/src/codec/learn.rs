//! The body of `learn` on the wire: what follows the subtype of `NXAST_LEARN` and `NXAST_LEARN2`.

use bytes::BufMut;

use super::action::plain_header;
use super::oxm::{self, Prefer};
use super::put;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::{Field, Learn, LearnSource, LearnSpec, LearnTarget, Subfield};

/// Bits of a spec's two-byte header; the low ten are its width.
const BITS: u16 = 0x3ff;
const IMMEDIATE: u16 = 1 << 13;
const TO_LOAD: u16 = 1 << 11;
const TO_OUTPUT: u16 = 2 << 11;
const TARGET: u16 = 3 << 11;

/// `NX_LEARN_F_WRITE_RESULT`: a destination for the result follows.
const WRITE_RESULT: u16 = 4;

pub(super) fn put_learn(out: &mut Vec<u8>, learn: &Learn) {
    let flags = learn.flags & !WRITE_RESULT | if learn.result_dst.is_some() { WRITE_RESULT } else { 0 };
    out.put_u16(learn.idle_timeout);
    out.put_u16(learn.hard_timeout);
    out.put_u16(learn.priority);
    out.put_u64(learn.cookie);
    out.put_u16(flags);
    out.put_u8(learn.table);
    out.put_u8(0);
    out.put_u16(learn.fin_idle_timeout);
    out.put_u16(learn.fin_hard_timeout);
    if learn.limit != 0 || learn.result_dst.is_some() {
        out.put_u32(learn.limit);
        out.put_u16(learn.result_dst.map_or(0, |dst| dst.offset));
        out.put_u16(0);
        if let Some(dst) = learn.result_dst {
            oxm::put_header(out, dst.field, Prefer::Nicira, false);
        }
    }
    learn.specs.iter().for_each(|spec| put_spec(out, spec));
}

fn put_spec(out: &mut Vec<u8>, spec: &LearnSpec) {
    let from = if matches!(spec.source, LearnSource::Immediate(_)) { IMMEDIATE } else { 0 };
    let to = match spec.target {
        LearnTarget::Match { .. } => 0,
        LearnTarget::Load { .. } => TO_LOAD,
        LearnTarget::Output => TO_OUTPUT,
    };
    out.put_u16(from | to | spec.bits & BITS);
    match spec.source {
        LearnSource::Field { field, offset } => put_place(out, field, offset),
        LearnSource::Immediate(value) => put::number(out, value, immediate_bytes(spec.bits & BITS)),
    }
    match spec.target {
        LearnTarget::Match { field, offset } | LearnTarget::Load { field, offset } => put_place(out, field, offset),
        LearnTarget::Output => {}
    }
}

fn put_place(out: &mut Vec<u8>, field: Field, offset: u16) {
    oxm::put_header(out, field, Prefer::Nicira, false);
    out.put_u16(offset);
}

/// `extended`: `NXAST_LEARN2`, with a limit and perhaps a destination for the result.
pub(super) fn read_learn(from: &mut Reader<'_>, extended: bool) -> Result<Learn> {
    let (idle_timeout, hard_timeout, priority) = (from.u16()?, from.u16()?, from.u16()?);
    let (cookie, flags, table) = (from.u64()?, from.u16()?, from.u8()?);
    from.skip(1)?;
    let (fin_idle_timeout, fin_hard_timeout) = (from.u16()?, from.u16()?);
    let (limit, result_dst) = if extended { read_result(from, flags)? } else { (0, None) };
    if extended == (limit == 0 && result_dst.is_none()) || flags & WRITE_RESULT != 0 && !extended {
        return Err(Error::Value { what: "the flags of a learn action", value: flags.into() });
    }
    let mut specs = Vec::new();
    while from.left() >= 2 {
        let mut next = *from;
        let header = next.u16()?;
        if header == 0 {
            break;
        }
        specs.push(read_spec(&mut next, header)?);
        *from = next;
    }
    Ok(Learn {
        table,
        priority,
        cookie,
        idle_timeout,
        hard_timeout,
        fin_idle_timeout,
        fin_hard_timeout,
        flags: flags & !WRITE_RESULT,
        limit,
        result_dst,
        specs,
    })
}

fn read_result(from: &mut Reader<'_>, flags: u16) -> Result<(u32, Option<Subfield>)> {
    let (limit, offset) = (from.u32()?, from.u16()?);
    from.skip(2)?;
    let wanted = flags & WRITE_RESULT != 0;
    let dst = if wanted { Some(Subfield { field: plain_header(from)?, offset, bits: 1 }) } else { None };
    Ok((limit, dst))
}

fn read_spec(from: &mut Reader<'_>, header: u16) -> Result<LearnSpec> {
    let bits = header & BITS;
    if header & !(BITS | IMMEDIATE | TARGET) != 0 || bits == 0 {
        return Err(Error::Value { what: "a part of a learn action", value: header.into() });
    }
    let source = if header & IMMEDIATE == 0 {
        LearnSource::Field { field: plain_header(from)?, offset: from.u16()? }
    } else {
        LearnSource::Immediate(from.number(immediate_bytes(bits))?)
    };
    let target = match header & TARGET {
        0 => LearnTarget::Match { field: plain_header(from)?, offset: from.u16()? },
        TO_LOAD => LearnTarget::Load { field: plain_header(from)?, offset: from.u16()? },
        TO_OUTPUT => LearnTarget::Output,
        other => return Err(Error::Value { what: "the target of a learn action", value: other.into() }),
    };
    Ok(LearnSpec { bits, source, target })
}

/// Constants come in units of 16 bits.
fn immediate_bytes(bits: u16) -> usize {
    usize::from(bits.div_ceil(16)) * 2
}
