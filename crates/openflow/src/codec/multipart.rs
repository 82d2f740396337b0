//! Multipart requests and replies (section 7.3.5).

use bytes::BufMut;

use super::reader::Reader;
use super::{flow, monitor, port};
use crate::error::Result;
use crate::{Aggregate, MultipartReply, MultipartRequest, TableStats, Version};

/// `OFPMP_*`.
const FLOW: u16 = 1;
const AGGREGATE: u16 = 2;
const TABLE: u16 = 3;
const PORT_STATS: u16 = 4;
const PORT_DESC: u16 = 13;
/// 1.4 only.
const FLOW_MONITOR: u16 = 16;

pub(super) fn put_request(out: &mut Vec<u8>, request: &MultipartRequest) -> Result<()> {
    let kind = match request {
        MultipartRequest::Flows(_) => FLOW,
        MultipartRequest::Aggregate(_) => AGGREGATE,
        MultipartRequest::Tables => TABLE,
        MultipartRequest::PortStats(_) => PORT_STATS,
        MultipartRequest::PortDescs => PORT_DESC,
        MultipartRequest::FlowMonitor(_) => FLOW_MONITOR,
        MultipartRequest::Opaque { kind, .. } => *kind,
    };
    put_start(out, kind, false);
    match request {
        MultipartRequest::Flows(filter) | MultipartRequest::Aggregate(filter) => flow::put_filter(out, filter)?,
        MultipartRequest::PortStats(port) => {
            out.put_u32(*port);
            out.put_u32(0);
        }
        MultipartRequest::FlowMonitor(monitor) => monitor::put_request(out, monitor)?,
        MultipartRequest::Tables | MultipartRequest::PortDescs => {}
        MultipartRequest::Opaque { body, .. } => out.put_slice(body),
    }
    Ok(())
}

pub(super) fn read_request(from: &mut Reader<'_>) -> Result<MultipartRequest> {
    let (kind, _) = read_start(from)?;
    Ok(match kind {
        FLOW => MultipartRequest::Flows(flow::read_filter(from)?),
        AGGREGATE => MultipartRequest::Aggregate(flow::read_filter(from)?),
        TABLE => MultipartRequest::Tables,
        PORT_STATS => MultipartRequest::PortStats(from.u32()?),
        PORT_DESC if from.is_empty() => MultipartRequest::PortDescs,
        FLOW_MONITOR => MultipartRequest::FlowMonitor(monitor::read_request(from)?),
        kind => MultipartRequest::Opaque { kind, body: from.rest().to_vec() },
    })
}

pub(super) fn put_reply(out: &mut Vec<u8>, version: Version, more: bool, part: &MultipartReply) -> Result<()> {
    let kind = match part {
        MultipartReply::Flows(_) => FLOW,
        MultipartReply::Aggregate(_) => AGGREGATE,
        MultipartReply::Tables(_) => TABLE,
        MultipartReply::PortStats(_) => PORT_STATS,
        MultipartReply::PortDescs(_) => PORT_DESC,
        MultipartReply::FlowUpdates(_) => FLOW_MONITOR,
        MultipartReply::Opaque { kind, .. } => *kind,
    };
    put_start(out, kind, more);
    match part {
        MultipartReply::Flows(flows) => flows.iter().try_for_each(|stats| flow::put_stats(out, stats))?,
        MultipartReply::Aggregate(sums) => {
            out.put_u64(sums.packets);
            out.put_u64(sums.bytes);
            out.put_u32(sums.flows);
            out.put_u32(0);
        }
        MultipartReply::Tables(tables) => {
            for table in tables {
                out.put_u8(table.table);
                out.put_bytes(0, 3);
                out.put_u32(table.active);
                out.put_u64(table.lookups);
                out.put_u64(table.matched);
            }
        }
        MultipartReply::PortStats(ports) => ports.iter().try_for_each(|stats| port::put_stats(out, version, stats))?,
        MultipartReply::PortDescs(ports) => ports.iter().try_for_each(|desc| port::put_desc(out, version, desc))?,
        MultipartReply::FlowUpdates(updates) => {
            updates.iter().try_for_each(|update| monitor::put_update(out, update))?;
        }
        MultipartReply::Opaque { body, .. } => out.put_slice(body),
    }
    Ok(())
}

pub(super) fn read_reply(from: &mut Reader<'_>, version: Version) -> Result<(bool, MultipartReply)> {
    let (kind, more) = read_start(from)?;
    let part = match kind {
        FLOW => MultipartReply::Flows(all(from, flow::read_stats)?),
        AGGREGATE => {
            MultipartReply::Aggregate(Aggregate { packets: from.u64()?, bytes: from.u64()?, flows: from.u32()? })
        }
        TABLE => MultipartReply::Tables(all(from, read_table)?),
        PORT_STATS => MultipartReply::PortStats(all(from, |from| port::read_stats(from, version))?),
        PORT_DESC => MultipartReply::PortDescs(all(from, |from| port::read_desc(from, version))?),
        FLOW_MONITOR => MultipartReply::FlowUpdates(all(from, monitor::read_update)?),
        kind => MultipartReply::Opaque { kind, body: from.rest().to_vec() },
    };
    Ok((more, part))
}

fn read_table(from: &mut Reader<'_>) -> Result<TableStats> {
    let table = from.u8()?;
    from.skip(3)?;
    Ok(TableStats { table, active: from.u32()?, lookups: from.u64()?, matched: from.u64()? })
}

/// Entries to the end. Each reads at least its own length field, so this ends.
fn all<T>(from: &mut Reader<'_>, mut entry: impl FnMut(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut entries = Vec::new();
    while !from.is_empty() {
        entries.push(entry(from)?);
    }
    Ok(entries)
}

fn put_start(out: &mut Vec<u8>, kind: u16, more: bool) {
    out.put_u16(kind);
    out.put_u16(more.into());
    out.put_u32(0);
}

fn read_start(from: &mut Reader<'_>) -> Result<(u16, bool)> {
    let (kind, flags) = (from.u16()?, from.u16()?);
    from.skip(4)?;
    Ok((kind, flags & 1 == 1))
}
