//! `learn(…)`, both ways.

use std::fmt;

use super::action::{arrow, split};
use super::value;
use crate::error::{Error, Result};
use crate::{Learn, LearnSource, LearnSpec, LearnTarget, Subfield};

/// `NX_LEARN_F_*`.
const SEND_FLOW_REMOVED: u16 = 1;
const DELETE_LEARNED: u16 = 2;

/// Reads what is between the parentheses.
pub(super) fn parse(text: &str) -> Result<Learn> {
    // Defaults as in ovs-actions(7).
    let mut learn = Learn {
        table: 1,
        priority: 0x8000,
        cookie: 0,
        idle_timeout: 0,
        hard_timeout: 0,
        fin_idle_timeout: 0,
        fin_hard_timeout: 0,
        flags: 0,
        limit: 0,
        result_dst: None,
        specs: Vec::new(),
    };
    for word in split(text)? {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "table" => learn.table = value::number(value)?,
            "priority" => learn.priority = value::number(value)?,
            "cookie" => learn.cookie = value::number(value)?,
            "idle_timeout" => learn.idle_timeout = value::number(value)?,
            "hard_timeout" => learn.hard_timeout = value::number(value)?,
            "fin_idle_timeout" => learn.fin_idle_timeout = value::number(value)?,
            "fin_hard_timeout" => learn.fin_hard_timeout = value::number(value)?,
            "limit" => learn.limit = value::number(value)?,
            "result_dst" => learn.result_dst = Some(value::subfield(value)?).filter(|dst| dst.bits == 1),
            "send_flow_rem" => learn.flags |= SEND_FLOW_REMOVED,
            "delete_learned" => learn.flags |= DELETE_LEARNED,
            _ => learn.specs.push(spec(word)?),
        }
    }
    Ok(learn)
}

fn spec(word: &str) -> Result<LearnSpec> {
    if let Some(load) = word.strip_prefix("load:") {
        let (src, dst) = arrow(load)?;
        let dst = value::subfield(dst)?;
        let target = LearnTarget::Load { field: dst.field, offset: dst.offset };
        return Ok(LearnSpec { bits: dst.bits, source: source(src, dst)?, target });
    }
    if let Some(output) = word.strip_prefix("output:") {
        let src = value::subfield(output)?;
        let source = LearnSource::Field { field: src.field, offset: src.offset };
        return Ok(LearnSpec { bits: src.bits, source, target: LearnTarget::Output });
    }
    let (dst, src) = word.split_once('=').map_or((word, None), |(dst, src)| (dst, Some(src)));
    // A name without brackets is the whole field, its value in the field's own form.
    let (dst, source) = if dst.ends_with(']') {
        let dst = value::subfield(dst)?;
        (dst, src.map_or(Ok(LearnSource::Field { field: dst.field, offset: dst.offset }), |src| source(src, dst))?)
    } else {
        let field = value::field(dst)?;
        let value = value::value(field, src.ok_or_else(|| Error::text("a part of a learn action", word))?)?;
        (Subfield { field, offset: 0, bits: field.bits() }, LearnSource::Immediate(value))
    };
    let target = LearnTarget::Match { field: dst.field, offset: dst.offset };
    Ok(LearnSpec { bits: dst.bits, source, target })
}

/// Bits of a field, or a number for as many bits as `dst` has.
fn source(text: &str, dst: Subfield) -> Result<LearnSource> {
    if !text.ends_with(']') {
        let value = value::number::<u128>(text)?;
        let fits = value <= crate::field::ones(dst.bits);
        return if fits { Ok(LearnSource::Immediate(value)) } else { Err(Error::text("a number that fits", text)) };
    }
    let src = value::subfield(text)?;
    if src.bits != dst.bits {
        return Err(Error::text("a part of a learn action with equally many bits on both sides", text));
    }
    Ok(LearnSource::Field { field: src.field, offset: src.offset })
}

impl fmt::Display for Learn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "learn(table={}", self.table)?;
        for (name, seconds) in [
            ("idle_timeout", self.idle_timeout),
            ("hard_timeout", self.hard_timeout),
            ("fin_idle_timeout", self.fin_idle_timeout),
            ("fin_hard_timeout", self.fin_hard_timeout),
        ] {
            if seconds != 0 {
                write!(f, ",{name}={seconds}")?;
            }
        }
        write!(f, ",priority={}", self.priority)?;
        for (flag, name) in [(SEND_FLOW_REMOVED, "send_flow_rem"), (DELETE_LEARNED, "delete_learned")] {
            if self.flags & flag != 0 {
                write!(f, ",{name}")?;
            }
        }
        if self.cookie != 0 {
            write!(f, ",cookie={:#x}", self.cookie)?;
        }
        if self.limit != 0 {
            write!(f, ",limit={}", self.limit)?;
        }
        if let Some(dst) = self.result_dst {
            write!(f, ",result_dst={dst}")?;
        }
        self.specs.iter().try_for_each(|spec| write!(f, ",{spec}"))?;
        f.write_str(")")
    }
}

impl fmt::Display for LearnSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |field, offset| Subfield { field, offset, bits: self.bits };
        match (self.source, &self.target) {
            (LearnSource::Field { field, offset }, LearnTarget::Match { field: to, offset: at })
                if (field, offset) == (*to, *at) =>
            {
                write!(f, "{}", part(field, offset))
            }
            (source, LearnTarget::Match { field, offset }) => {
                write!(f, "{}=", part(*field, *offset))?;
                print_source(f, source, self.bits)
            }
            (source, LearnTarget::Load { field, offset }) => {
                f.write_str("load:")?;
                print_source(f, source, self.bits)?;
                write!(f, "->{}", part(*field, *offset))
            }
            (source, LearnTarget::Output) => {
                f.write_str("output:")?;
                print_source(f, source, self.bits)
            }
        }
    }
}

fn print_source(f: &mut fmt::Formatter<'_>, source: LearnSource, bits: u16) -> fmt::Result {
    match source {
        LearnSource::Field { field, offset } => write!(f, "{}", Subfield { field, offset, bits }),
        LearnSource::Immediate(0) => f.write_str("0"),
        LearnSource::Immediate(value) => write!(f, "{value:#x}"),
    }
}
