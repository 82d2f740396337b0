//! Reading actions and instructions.

use super::{learn, value};
use crate::error::{Error, Result};
use crate::{Action, Field, Instruction, Match, port};

/// Reads a list such as `pop_vlan,output:2,goto_table:4`. The match decides whether `mod_vlan_vid` must push a tag first.
pub(super) fn instructions(text: &str, matching: &Match) -> Result<Vec<Instruction>> {
    let mut tagged = matching.get(Field::VlanVid).is_some_and(|vid| vid.value & 0x1000 != 0);
    let mut applied = Vec::new();
    let mut others = Vec::new();
    for word in split(text)? {
        let (name, rest) = name_and_rest(word);
        match name {
            "drop" => {}
            "goto_table" => others.push(Instruction::GotoTable(value::number(rest)?)),
            "write_metadata" => others.push(metadata(rest)?),
            "clear_actions" => others.push(Instruction::Clear),
            "meter" => others.push(Instruction::Meter(value::number(rest)?)),
            "opaque_instruction" => others.push(Instruction::Opaque(hex(rest)?)),
            "write_actions" => {
                let written = split(rest)?.into_iter().map(action).collect::<Result<_>>()?;
                others.push(Instruction::Write(written));
            }
            "mod_vlan_vid" => {
                if !tagged {
                    applied.push(Action::PushVlan(0x8100));
                }
                tagged = true;
                applied.push(vlan_vid(rest)?);
            }
            _ => {
                let action = action(word)?;
                tagged = match action {
                    Action::PushVlan(_) => true,
                    Action::PopVlan => false,
                    _ => tagged,
                };
                applied.push(action);
            }
        }
    }
    if !applied.is_empty() {
        others.push(Instruction::Apply(applied));
    }
    others.sort_by_key(Instruction::rank);
    Ok(others)
}

fn metadata(text: &str) -> Result<Instruction> {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffffffffffff"));
    Ok(Instruction::Metadata { value: value::number(value)?, mask: value::number(mask)? })
}

fn vlan_vid(text: &str) -> Result<Action> {
    let vid = value::number::<u16>(text)?;
    if vid > 0xfff {
        return Err(Error::text("a VLAN id", text));
    }
    Ok(set(Field::VlanVid, u128::from(vid | 0x1000)))
}

fn action(word: &str) -> Result<Action> {
    let (name, rest) = name_and_rest(word);
    Ok(match name {
        "output" => Action::Output(value::port(rest)?),
        "CONTROLLER" | "controller" if !rest.is_empty() => controller(value::number(rest)?),
        "strip_vlan" | "pop_vlan" => Action::PopVlan,
        "push_vlan" => Action::PushVlan(value::number(rest)?),
        "mod_vlan_vid" => vlan_vid(rest)?,
        "mod_vlan_pcp" => set(Field::VlanPcp, value::value(Field::VlanPcp, rest)?),
        "mod_dl_src" => set(Field::EthSrc, value::value(Field::EthSrc, rest)?),
        "mod_dl_dst" => set(Field::EthDst, value::value(Field::EthDst, rest)?),
        "mod_nw_src" => set(Field::Ipv4Src, value::value(Field::Ipv4Src, rest)?),
        "mod_nw_dst" => set(Field::Ipv4Dst, value::value(Field::Ipv4Dst, rest)?),
        "mod_nw_tos" => set(Field::IpDscp, u128::from(value::number::<u8>(rest)? >> 2)),
        "set_tunnel" | "set_tunnel64" => set(Field::TunnelId, value::value(Field::TunnelId, rest)?),
        "set_field" => {
            let (value, name) = arrow(rest)?;
            let field = value::field(name)?;
            let (value, mask) = value::masked(field, value)?;
            Action::SetField { field, value, mask }
        }
        "load" => {
            let (value, dst) = arrow(rest)?;
            let dst = value::subfield(dst)?;
            let number = value::number::<u64>(value)?;
            if u128::from(number) > crate::field::ones(dst.bits) || dst.bits > 64 {
                return Err(Error::text("a number that fits the bits that it is loaded into", word));
            }
            Action::Load { dst, value: number }
        }
        "move" => {
            let (src, dst) = arrow(rest)?;
            let (src, dst) = (value::subfield(src)?, value::subfield(dst)?);
            if src.bits != dst.bits {
                return Err(Error::text("a move between equally many bits", word));
            }
            Action::Move { src, dst }
        }
        "resubmit" => resubmit(rest)?,
        "learn" => Action::Learn(Box::new(learn::parse(rest)?)),
        "opaque" => Action::Opaque(hex(rest)?),
        _ => Action::Output(value::port(word).map_err(|_| Error::text("an action", word))?),
    })
}

fn set(field: Field, value: u128) -> Action {
    Action::SetField { field, value, mask: None }
}

/// Only the whole packet has a form of its own; a part of it is an action that this crate has no name for.
fn controller(length: u16) -> Action {
    if length == u16::MAX {
        return Action::Output(port::CONTROLLER);
    }
    let mut bytes = vec![0, 0, 0, 16];
    bytes.extend(port::CONTROLLER.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.resize(16, 0);
    Action::Opaque(bytes)
}

fn resubmit(text: &str) -> Result<Action> {
    let (port, table) = text.split_once(',').unwrap_or((text, ""));
    let port = if port.is_empty() { None } else { Some(value::port(port)?) };
    let table = if table.is_empty() { None } else { Some(value::number(table)?) };
    Ok(Action::Resubmit {
        port: port.filter(|port| *port != port::IN_PORT),
        table: table.filter(|table| *table != u8::MAX),
    })
}

pub(super) fn arrow(text: &str) -> Result<(&str, &str)> {
    text.split_once("->").ok_or_else(|| Error::text("WHAT->WHERE", text))
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let wrong = || Error::text("bytes in hexadecimal", text);
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect::<Option<_>>().ok_or_else(wrong)
}

/// `name:rest`, `name(rest)` or `name`.
fn name_and_rest(word: &str) -> (&str, &str) {
    match word.find([':', '(']).and_then(|at| word.split_at_checked(at)) {
        Some((name, rest)) => match rest.strip_prefix('(') {
            Some(inner) => (name, inner.strip_suffix(')').unwrap_or(inner)),
            None => (name, rest.strip_prefix(':').unwrap_or(rest)),
        },
        None => (word, ""),
    }
}

/// Splits at the commas that are in no parentheses.
pub(super) fn split(text: &str) -> Result<Vec<&str>> {
    let mut words = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or_else(|| Error::text("balanced parentheses", text))?,
            ',' if depth == 0 => {
                words.push(text.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(Error::text("balanced parentheses", text));
    }
    words.push(text.get(start..).unwrap_or_default().trim());
    words.retain(|word| !word.is_empty());
    Ok(words)
}
