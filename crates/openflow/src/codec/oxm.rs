//! Fields on the wire: OXM (OpenFlow 1.3.5 section 7.2.3) and its elder, NXM (ovs-fields(7)).

use std::sync::LazyLock;

use bytes::BufMut;

use super::put;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::field::EXPERIMENTER;
use crate::{Field, Masked, Match};

/// Which of a field's code points to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// OXM where there is one: matches and `set_field`.
    Standard,
    /// NXM where there is one: Nicira's actions.
    Nicira,
}

/// Appends `ofp_match`, padded.
pub(crate) fn put_match(out: &mut Vec<u8>, matching: &Match) -> Result<()> {
    let start = out.len();
    out.put_u16(1); // OFPMT_OXM
    out.put_u16(0);
    for (field, Masked { value, mask }) in &matching.0 {
        put_entry(out, Prefer::Standard, *field, *value, *mask);
    }
    put::length(out, "a match", start, 2)?;
    put::pad8(out, start);
    Ok(())
}

pub(crate) fn read_match(from: &mut Reader<'_>) -> Result<Match> {
    let kind = from.u16()?;
    if kind != 1 {
        return Err(Error::Value { what: "the type of a match", value: kind.into() });
    }
    let length = usize::from(from.u16()?);
    let body = length.checked_sub(4).ok_or(Error::Length { what: "a match", length })?;
    let mut entries = from.sub(body)?;
    from.skip(length.next_multiple_of(8) - length)?;
    let mut matching = Match::any();
    while !entries.is_empty() {
        let (field, masked) = read_entry(&mut entries)?;
        if matching.0.insert(field, masked).is_some() {
            return Err(Error::Value {
                what: "a match with a field twice",
                value: code(field, Prefer::Standard).0.into(),
            });
        }
    }
    Ok(matching)
}

/// Appends a header, the value and, if there is one, the mask.
pub(crate) fn put_entry(out: &mut Vec<u8>, prefer: Prefer, field: Field, value: u128, mask: Option<u128>) {
    put_header(out, field, prefer, mask.is_some());
    put::number(out, value, field.bytes());
    if let Some(mask) = mask {
        put::number(out, mask, field.bytes());
    }
}

pub(crate) fn read_entry(from: &mut Reader<'_>) -> Result<(Field, Masked)> {
    let (field, masked) = read_header(from)?;
    let value = from.number(field.bytes())?;
    let mask = if masked { Some(from.number(field.bytes())?) } else { None };
    Ok((field, Masked { value: mask.map_or(value, |mask| value & mask), mask }))
}

/// Appends the four bytes of a header, eight if the field is an experimenter's.
pub(crate) fn put_header(out: &mut Vec<u8>, field: Field, prefer: Prefer, masked: bool) {
    let (class, number, experimenter) = code(field, prefer);
    let width = field.bytes() << u32::from(masked);
    let length = width + if experimenter.is_some() { 4 } else { 0 };
    out.put_u16(class);
    out.put_u8(number << 1 | u8::from(masked));
    out.put_u8(u8::try_from(length).unwrap_or(u8::MAX));
    if let Some(experimenter) = experimenter {
        out.put_u32(experimenter);
    }
}

/// The field and whether a mask follows its value.
pub(crate) fn read_header(from: &mut Reader<'_>) -> Result<(Field, bool)> {
    let class = from.u16()?;
    let number = from.u8()?;
    let length = from.u8()?;
    let (number, masked) = (number >> 1, number & 1 == 1);
    let wrong = Error::Length { what: "a field", length: length.into() };
    let (experimenter, width) = match class {
        EXPERIMENTER => (from.u32()?, length.checked_sub(4).ok_or(wrong.clone())?),
        _ => (0, length),
    };
    if masked && width % 2 == 1 {
        return Err(wrong);
    }
    let bytes = if masked { width / 2 } else { width };
    let field = named(class, number).filter(|field| field.bytes() == usize::from(bytes)).unwrap_or(Field::Unknown {
        class,
        number,
        experimenter,
        bytes,
    });
    Ok((field, masked))
}

/// Class, number and experimenter.
fn code(field: Field, prefer: Prefer) -> (u16, u8, Option<u32>) {
    match field {
        Field::Reg(n) => (0x0001, n, None),
        Field::XReg(n) => (0x8001, n, None),
        Field::Unknown { class, number, experimenter, .. } => {
            (class, number, (class == EXPERIMENTER).then_some(experimenter))
        }
        known => {
            let codes = known.info().map(|info| match prefer {
                Prefer::Standard => info.oxm.or(info.nxm),
                Prefer::Nicira => info.nxm.or(info.oxm),
            });
            codes.flatten().map_or((0, 0, None), |(class, number, _)| (class, number, None))
        }
    }
}

fn named(class: u16, number: u8) -> Option<Field> {
    static BY_CODE: LazyLock<[[Option<Field>; 128]; 4]> = LazyLock::new(|| {
        let mut table = [[None; 128]; 4];
        let fields = Field::PLAIN.iter().copied().chain([Field::Metadata]);
        for (field, info) in fields.filter_map(|field| field.info().map(|info| (field, info))) {
            for (class, number, _) in [info.nxm, info.oxm].into_iter().flatten() {
                let place = row(class).and_then(|row| table.get_mut(row)?.get_mut(usize::from(number)));
                if let Some(place) = place {
                    *place = Some(field);
                }
            }
        }
        table
    });
    match class {
        0x0001 if number < 16 => Some(Field::Reg(number)),
        0x8001 if number < 8 => Some(Field::XReg(number)),
        _ => *BY_CODE.get(row(class)?)?.get(usize::from(number))?,
    }
}

/// The classes in which there are fields with names.
fn row(class: u16) -> Option<usize> {
    match class {
        0x0000 => Some(0),
        0x0001 => Some(1),
        0x1000 => Some(2),
        0x8000 => Some(3),
        _ => None,
    }
}
