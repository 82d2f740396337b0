use crate::{Action, Instruction, Match};

/// A flow: what it matches, at which priority in which table, and what it does. No instruction: drop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flow {
    pub table: u8,
    pub priority: u16,
    pub matching: Match,
    pub instructions: Vec<Instruction>,
    pub cookie: u64,
    /// Seconds without a packet until the switch removes it; 0 is never.
    pub idle_timeout: u16,
    /// Seconds until the switch removes it; 0 is never.
    pub hard_timeout: u16,
    /// `OFPFF_*` bits.
    pub flags: u16,
}

impl Flow {
    /// A flow that drops what it matches, until [`Flow::apply`] or [`Flow::goto`] says otherwise.
    pub fn new(table: u8, priority: u16, matching: Match) -> Self {
        Flow {
            table,
            priority,
            matching,
            instructions: Vec::new(),
            cookie: 0,
            idle_timeout: 0,
            hard_timeout: 0,
            flags: 0,
        }
    }

    #[must_use]
    pub fn apply(mut self, actions: impl Into<Vec<Action>>) -> Self {
        self.instructions.push(Instruction::Apply(actions.into()));
        self
    }

    #[must_use]
    pub fn goto(mut self, table: u8) -> Self {
        self.instructions.push(Instruction::GotoTable(table));
        self
    }

    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }
}

/// Which flow this is: a stable 64-bit hash of table, priority and normalised match. A switch holds at most one flow per
/// key and bridge (OpenFlow 1.3.5 section 6.4, overlapping entries apart).
///
/// The same in every process of one build; another version of this crate may number fields differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey(pub u64);

/// What a flow does: a stable 64-bit hash of its normalised instructions, time-outs and flags, so that the form in which
/// Open vSwitch reads a flow back compares equal to the form in which it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meaning(pub u64);
