//! Ports on the wire; 1.4 gave their descriptions and counters a length and properties.

use bytes::BufMut;

use super::flow::{put_duration, read_duration};
use super::put;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::{Ethernet, PortDesc, PortStats, Version};

/// `OFP_MAX_PORT_NAME_LEN`, with the zero at its end.
const NAME: usize = 16;

pub(super) fn put_desc(out: &mut Vec<u8>, version: Version, desc: &PortDesc) -> Result<()> {
    let start = out.len();
    out.put_u32(desc.port);
    out.put_u32(0);
    out.put_slice(&desc.mac);
    out.put_u16(0);
    let name = desc.name.as_bytes();
    let name = name.get(..NAME - 1).unwrap_or(name);
    out.put_slice(name);
    out.put_bytes(0, NAME - name.len());
    out.put_u32(desc.config);
    out.put_u32(desc.state);
    if version == Version::V1_4 {
        out.put_u16(0); // OFPPDPT_ETHERNET
        out.put_u16(32);
        out.put_u32(0);
    }
    let Ethernet { current, advertised, supported, peer, current_speed, max_speed } = desc.ethernet;
    for number in [current, advertised, supported, peer, current_speed, max_speed] {
        out.put_u32(number);
    }
    if version == Version::V1_4 {
        put::length(out, "a port", start, 4)?;
    }
    Ok(())
}

pub(super) fn read_desc(from: &mut Reader<'_>, version: Version) -> Result<PortDesc> {
    let port = from.u32()?;
    let length = from.u16()?;
    from.skip(2)?;
    // 1.3 has padding in place of the length.
    let rest = if version == Version::V1_3 { 56 } else { after_start("a port", length, 8)? };
    let mut rest = from.sub(rest)?;
    let mac = rest.array()?;
    rest.skip(2)?;
    let name = rest.array::<NAME>()?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    let (config, state) = (rest.u32()?, rest.u32()?);
    let ethernet = if version == Version::V1_3 { read_ethernet(&mut rest)? } else { read_properties(rest)? };
    Ok(PortDesc { port, mac, name, config, state, ethernet })
}

fn read_properties(mut from: Reader<'_>) -> Result<Ethernet> {
    let mut ethernet = Ethernet::default();
    while !from.is_empty() {
        let (kind, length) = (from.u16()?, from.u16()?);
        let body = after_start("a port's property", length, 4)?;
        let mut property = from.sub(body)?;
        if kind == 0 {
            property.skip(4)?;
            ethernet = read_ethernet(&mut property)?;
        }
        let padding = usize::from(length).next_multiple_of(8) - usize::from(length);
        from.skip(padding.min(from.left()))?;
    }
    Ok(ethernet)
}

fn read_ethernet(from: &mut Reader<'_>) -> Result<Ethernet> {
    Ok(Ethernet {
        current: from.u32()?,
        advertised: from.u32()?,
        supported: from.u32()?,
        peer: from.u32()?,
        current_speed: from.u32()?,
        max_speed: from.u32()?,
    })
}

pub(super) fn put_stats(out: &mut Vec<u8>, version: Version, stats: &PortStats) -> Result<()> {
    let start = out.len();
    if version == Version::V1_4 {
        out.put_u32(0);
    }
    out.put_u32(stats.port);
    match version {
        Version::V1_3 => out.put_u32(0),
        Version::V1_4 => put_duration(out, stats.duration),
    }
    for counter in [
        stats.rx_packets,
        stats.tx_packets,
        stats.rx_bytes,
        stats.tx_bytes,
        stats.rx_dropped,
        stats.tx_dropped,
        stats.rx_errors,
        stats.tx_errors,
    ] {
        out.put_u64(counter);
    }
    match version {
        Version::V1_3 => {
            out.put_bytes(0, 32); // errors of Ethernet in detail
            put_duration(out, stats.duration);
            Ok(())
        }
        Version::V1_4 => put::length(out, "a port's counters", start, 0),
    }
}

pub(super) fn read_stats(from: &mut Reader<'_>, version: Version) -> Result<PortStats> {
    let mut entry = match version {
        Version::V1_3 => from.sub(112)?,
        Version::V1_4 => {
            let length = from.u16()?;
            from.skip(2)?;
            from.sub(after_start("a port's counters", length, 4)?)?
        }
    };
    let mut stats = PortStats { port: entry.u32()?, ..PortStats::default() };
    match version {
        Version::V1_3 => entry.skip(4)?,
        Version::V1_4 => stats.duration = read_duration(&mut entry)?,
    }
    for counter in [
        &mut stats.rx_packets,
        &mut stats.tx_packets,
        &mut stats.rx_bytes,
        &mut stats.tx_bytes,
        &mut stats.rx_dropped,
        &mut stats.tx_dropped,
        &mut stats.rx_errors,
        &mut stats.tx_errors,
    ] {
        *counter = entry.u64()?;
    }
    if version == Version::V1_3 {
        entry.skip(32)?;
        stats.duration = read_duration(&mut entry)?;
    }
    Ok(stats)
}

/// What is left of something `length` bytes long after its first `start` bytes.
fn after_start(what: &'static str, length: u16, start: usize) -> Result<usize> {
    let length = usize::from(length);
    length.checked_sub(start).ok_or(Error::Length { what, length })
}
