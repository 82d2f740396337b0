//! Flow monitors on the wire (OpenFlow 1.4 section 7.3.5.18).

use bytes::BufMut;

use super::action::{put_instructions, read_instructions};
use super::oxm::{put_match, read_match};
use super::put;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::{Flow, FlowEvent, FlowMonitor, FlowUpdate, port};

const ANY_GROUP: u32 = u32::MAX;
const ALL_TABLES: u8 = u8::MAX;
/// `OFPFMC_ADD`.
const ADD: u8 = 0;
/// `OFPFMC_DELETE`.
const DELETE: u8 = 2;

pub(super) fn put_request(out: &mut Vec<u8>, monitor: &FlowMonitor) -> Result<()> {
    out.put_u32(monitor.id);
    out.put_u32(port::ANY);
    out.put_u32(ANY_GROUP);
    out.put_u16(monitor.flags);
    out.put_u8(monitor.table.unwrap_or(ALL_TABLES));
    out.put_u8(if monitor.begin { ADD } else { DELETE });
    put_match(out, &monitor.matching)
}

pub(super) fn read_request(from: &mut Reader<'_>) -> Result<FlowMonitor> {
    let id = from.u32()?;
    from.skip(8)?;
    let (flags, table) = (from.u16()?, from.u8()?);
    let begin = match from.u8()? {
        ADD => true,
        DELETE => false,
        other => return Err(Error::Value { what: "the command of a flow monitor", value: other.into() }),
    };
    let table = Some(table).filter(|table| *table != ALL_TABLES);
    Ok(FlowMonitor { id, flags, table, matching: read_match(from)?, begin })
}

pub(super) fn put_update(out: &mut Vec<u8>, update: &FlowUpdate) -> Result<()> {
    let start = out.len();
    out.put_u16(0);
    match update {
        FlowUpdate::Full { event, reason, flow } => {
            out.put_u16(match event {
                FlowEvent::Initial => 0,
                FlowEvent::Added => 1,
                FlowEvent::Removed => 2,
                FlowEvent::Modified => 3,
            });
            out.put_u8(flow.table);
            out.put_u8(*reason);
            out.put_u16(flow.idle_timeout);
            out.put_u16(flow.hard_timeout);
            out.put_u16(flow.priority);
            out.put_u32(0);
            out.put_u64(flow.cookie);
            put_match(out, &flow.matching)?;
            put_instructions(out, &flow.instructions)?;
        }
        FlowUpdate::Own { xid } => {
            out.put_u16(4);
            out.put_u32(*xid);
        }
        FlowUpdate::Paused | FlowUpdate::Resumed => {
            out.put_u16(if *update == FlowUpdate::Paused { 5 } else { 6 });
            out.put_u32(0);
        }
    }
    put::length(out, "a flow update", start, 0)
}

pub(super) fn read_update(from: &mut Reader<'_>) -> Result<FlowUpdate> {
    let length = usize::from(from.u16()?);
    let mut update = from.sub(length.checked_sub(2).ok_or(Error::Length { what: "a flow update", length })?)?;
    let event = match update.u16()? {
        0 => FlowEvent::Initial,
        1 => FlowEvent::Added,
        2 => FlowEvent::Removed,
        3 => FlowEvent::Modified,
        4 => return Ok(FlowUpdate::Own { xid: update.u32()? }),
        5 => return Ok(FlowUpdate::Paused),
        6 => return Ok(FlowUpdate::Resumed),
        other => return Err(Error::Value { what: "the event of a flow update", value: other.into() }),
    };
    let (table, reason) = (update.u8()?, update.u8()?);
    let (idle_timeout, hard_timeout, priority) = (update.u16()?, update.u16()?, update.u16()?);
    update.skip(4)?;
    let cookie = update.u64()?;
    let matching = read_match(&mut update)?;
    let instructions = read_instructions(&mut update)?;
    let flow = Flow { table, priority, matching, instructions, cookie, idle_timeout, hard_timeout, flags: 0 };
    Ok(FlowUpdate::Full { event, reason, flow })
}
