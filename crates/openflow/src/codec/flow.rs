//! Flows on the wire: flow-mod, flow-removed, and the filter and entries of flow statistics.

use std::time::Duration;

use bytes::BufMut;

use super::action::{put_instructions, read_instructions};
use super::oxm::{put_match, read_match};
use super::put;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::{Command, Flow, FlowFilter, FlowMod, FlowRemoved, FlowStats, PortNo, port};

/// `OFPG_ANY`: whatever group a flow uses.
const ANY_GROUP: u32 = u32::MAX;
/// `OFP_NO_BUFFER`.
const NO_BUFFER: u32 = u32::MAX;
/// `OFPTT_ALL`.
const ALL_TABLES: u8 = u8::MAX;

pub(super) fn put_flow_mod(out: &mut Vec<u8>, flow_mod: &FlowMod) -> Result<()> {
    let FlowMod { command, flow, cookie_mask, out_port } = flow_mod;
    out.put_u64(flow.cookie);
    out.put_u64(*cookie_mask);
    out.put_u8(flow.table);
    out.put_u8(match command {
        Command::Add => 0,
        Command::Modify => 1,
        Command::ModifyStrict => 2,
        Command::Delete => 3,
        Command::DeleteStrict => 4,
    });
    out.put_u16(flow.idle_timeout);
    out.put_u16(flow.hard_timeout);
    out.put_u16(flow.priority);
    out.put_u32(NO_BUFFER);
    out.put_u32(out_port.unwrap_or(port::ANY));
    out.put_u32(ANY_GROUP);
    out.put_u16(flow.flags);
    out.put_u16(0); // 1.4: importance
    put_match(out, &flow.matching)?;
    put_instructions(out, &flow.instructions)
}

pub(super) fn read_flow_mod(from: &mut Reader<'_>) -> Result<FlowMod> {
    let (cookie, cookie_mask, table) = (from.u64()?, from.u64()?, from.u8()?);
    let command = match from.u8()? {
        0 => Command::Add,
        1 => Command::Modify,
        2 => Command::ModifyStrict,
        3 => Command::Delete,
        4 => Command::DeleteStrict,
        other => return Err(Error::Value { what: "the command of a flow-mod", value: other.into() }),
    };
    let (idle_timeout, hard_timeout, priority) = (from.u16()?, from.u16()?, from.u16()?);
    from.skip(4)?;
    let out_port = any_port(from.u32()?);
    from.skip(4)?;
    let flags = from.u16()?;
    from.skip(2)?;
    let matching = read_match(from)?;
    let instructions = read_instructions(from)?;
    let flow = Flow { table, priority, matching, instructions, cookie, idle_timeout, hard_timeout, flags };
    Ok(FlowMod { command, flow, cookie_mask, out_port })
}

/// The body of a request for flows or for their sums.
pub(super) fn put_filter(out: &mut Vec<u8>, filter: &FlowFilter) -> Result<()> {
    out.put_u8(filter.table.unwrap_or(ALL_TABLES));
    out.put_bytes(0, 3);
    out.put_u32(filter.out_port.unwrap_or(port::ANY));
    out.put_u32(ANY_GROUP);
    out.put_u32(0);
    out.put_u64(filter.cookie);
    out.put_u64(filter.cookie_mask);
    put_match(out, &filter.matching)
}

pub(super) fn read_filter(from: &mut Reader<'_>) -> Result<FlowFilter> {
    let table = Some(from.u8()?).filter(|table| *table != ALL_TABLES);
    from.skip(3)?;
    let out_port = any_port(from.u32()?);
    from.skip(8)?;
    let (cookie, cookie_mask) = (from.u64()?, from.u64()?);
    Ok(FlowFilter { table, matching: read_match(from)?, cookie, cookie_mask, out_port })
}

/// An entry of a reply with flows.
pub(super) fn put_stats(out: &mut Vec<u8>, stats: &FlowStats) -> Result<()> {
    let (start, flow) = (out.len(), &stats.flow);
    out.put_u16(0);
    out.put_u8(flow.table);
    out.put_u8(0);
    put_duration(out, stats.duration);
    out.put_u16(flow.priority);
    out.put_u16(flow.idle_timeout);
    out.put_u16(flow.hard_timeout);
    out.put_u16(flow.flags);
    out.put_u32(0); // 1.4: importance
    out.put_u64(flow.cookie);
    out.put_u64(stats.packets);
    out.put_u64(stats.bytes);
    put_match(out, &flow.matching)?;
    put_instructions(out, &flow.instructions)?;
    put::length(out, "a flow", start, 0)
}

pub(super) fn read_stats(from: &mut Reader<'_>) -> Result<FlowStats> {
    let length = usize::from(from.u16()?);
    let mut entry = from.sub(length.checked_sub(2).ok_or(Error::Length { what: "a flow", length })?)?;
    let table = entry.u8()?;
    entry.skip(1)?;
    let duration = read_duration(&mut entry)?;
    let (priority, idle_timeout, hard_timeout) = (entry.u16()?, entry.u16()?, entry.u16()?);
    let flags = entry.u16()?;
    entry.skip(4)?;
    let (cookie, packets, bytes) = (entry.u64()?, entry.u64()?, entry.u64()?);
    let matching = read_match(&mut entry)?;
    let instructions = read_instructions(&mut entry)?;
    let flow = Flow { table, priority, matching, instructions, cookie, idle_timeout, hard_timeout, flags };
    Ok(FlowStats { flow, duration, packets, bytes })
}

pub(super) fn put_removed(out: &mut Vec<u8>, removed: &FlowRemoved) -> Result<()> {
    out.put_u64(removed.cookie);
    out.put_u16(removed.priority);
    out.put_u8(removed.reason);
    out.put_u8(removed.table);
    put_duration(out, removed.duration);
    out.put_u16(removed.idle_timeout);
    out.put_u16(removed.hard_timeout);
    out.put_u64(removed.packets);
    out.put_u64(removed.bytes);
    put_match(out, &removed.matching)
}

pub(super) fn read_removed(from: &mut Reader<'_>) -> Result<FlowRemoved> {
    Ok(FlowRemoved {
        cookie: from.u64()?,
        priority: from.u16()?,
        reason: from.u8()?,
        table: from.u8()?,
        duration: read_duration(from)?,
        idle_timeout: from.u16()?,
        hard_timeout: from.u16()?,
        packets: from.u64()?,
        bytes: from.u64()?,
        matching: read_match(from)?,
    })
}

pub(super) fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    out.put_u32(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX));
    out.put_u32(duration.subsec_nanos());
}

pub(super) fn read_duration(from: &mut Reader<'_>) -> Result<Duration> {
    let (seconds, nanoseconds) = (from.u32()?, from.u32()?);
    Ok(Duration::from_secs(seconds.into()) + Duration::from_nanos(nanoseconds.into()))
}

fn any_port(port: PortNo) -> Option<PortNo> {
    Some(port).filter(|port| *port != port::ANY)
}
