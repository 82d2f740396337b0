//! What a bridge does with a frame: from table to table, action by action (ovs-actions(7)).

use openflow::{Action, Flow, Instruction, Learn, LearnSource, LearnTarget, Match, Subfield, port};

use super::frame::Frame;
use super::tables::Tables;

/// Tables that one frame may pass, resubmits included: Open vSwitch gives up at some bound too.
const MOST_PASSES: usize = 256;

/// What came of a frame in one bridge.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Passage {
    pub outputs: Vec<(Out, Frame)>,
    /// Flows that `learn` made, in order.
    pub learned: Vec<Flow>,
    passes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Out {
    Port(u32),
    /// As a plain switch would.
    Normal,
}

/// Sends a frame through the tables of a bridge, from table 0. The tables stay as they are.
pub fn pass(tables: &Tables, in_port: u32, frame: Frame) -> Passage {
    let mut passage = Passage::default();
    run(tables, 0, in_port, frame, &mut passage);
    passage
}

/// Returns the frame as it is afterwards: a resubmit goes on with that.
fn run(tables: &Tables, mut table: u8, in_port: u32, mut frame: Frame, passage: &mut Passage) -> Frame {
    loop {
        passage.passes += 1;
        let Some(flow) = tables.lookup(table, &frame, in_port).filter(|_| passage.passes < MOST_PASSES) else {
            return frame;
        };
        let mut next = None;
        for instruction in &flow.instructions {
            match instruction {
                Instruction::Apply(actions) => {
                    for action in actions {
                        act(tables, table, in_port, action, &mut frame, passage);
                    }
                }
                Instruction::GotoTable(to) => next = Some(*to),
                _ => {}
            }
        }
        match next {
            Some(to) => table = to,
            None => return frame,
        }
    }
}

fn act(tables: &Tables, table: u8, in_port: u32, action: &Action, frame: &mut Frame, passage: &mut Passage) {
    match action {
        Action::Output(port::IN_PORT) => passage.outputs.push((Out::Port(in_port), *frame)),
        Action::Output(port::NORMAL) => passage.outputs.push((Out::Normal, *frame)),
        // Open vSwitch never sends a frame back where it came from, unless told so by name.
        Action::Output(to) if *to == in_port => {}
        Action::Output(to) => passage.outputs.push((Out::Port(*to), *frame)),
        Action::SetField { field, value, mask } => {
            let mask = mask.unwrap_or(u128::MAX);
            let old = frame.get(*field, in_port).unwrap_or_default();
            frame.set(*field, old & !mask | value & mask);
        }
        Action::PushVlan(_) => frame.tag = Some(0),
        Action::PopVlan => frame.tag = None,
        Action::Resubmit { port, table: to } => {
            let from = port.filter(|port| *port != port::IN_PORT).unwrap_or(in_port);
            *frame = run(tables, to.unwrap_or(table), from, *frame, passage);
        }
        Action::Move { src, dst } => {
            if let Some(value) = frame.get(src.field, in_port) {
                store(frame, in_port, *dst, bits(value, src.offset, src.bits));
            }
        }
        Action::Load { dst, value } => store(frame, in_port, *dst, u128::from(*value)),
        Action::Learn(learn) => passage.learned.push(learned(learn, frame, in_port)),
        Action::Opaque(_) => {}
    }
}

fn store(frame: &mut Frame, in_port: u32, dst: Subfield, value: u128) {
    if let Some(old) = frame.get(dst.field, in_port) {
        let mask = ones(dst.bits) << dst.offset;
        frame.set(dst.field, old & !mask | value << dst.offset & mask);
    }
}

/// The flow that `learn` makes of a frame.
fn learned(learn: &Learn, frame: &Frame, in_port: u32) -> Flow {
    let mut matching = Match::any();
    let mut actions = Vec::new();
    for spec in &learn.specs {
        let value = match spec.source {
            LearnSource::Field { field, offset } => {
                bits(frame.get(field, in_port).unwrap_or_default(), offset, spec.bits)
            }
            LearnSource::Immediate(value) => value & ones(spec.bits),
        };
        match spec.target {
            LearnTarget::Match { field, offset } => {
                matching = matching.with_masked(field, value << offset, ones(spec.bits) << offset);
            }
            LearnTarget::Load { field, offset } => {
                let dst = Subfield { field, offset, bits: spec.bits };
                actions.push(Action::Load { dst, value: u64::try_from(value).unwrap_or(u64::MAX) });
            }
            LearnTarget::Output => actions.push(Action::Output(u32::try_from(value).unwrap_or(port::ANY))),
        }
    }
    let flow = Flow::new(learn.table, learn.priority, matching.normalised()).apply(actions).cookie(learn.cookie);
    Flow { idle_timeout: learn.idle_timeout, hard_timeout: learn.hard_timeout, ..flow }
}

fn bits(value: u128, offset: u16, count: u16) -> u128 {
    value >> offset & ones(count)
}

fn ones(bits: u16) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}
