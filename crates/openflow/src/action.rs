use crate::{Field, PortNo};

/// Some bits of a field: `bits` of them, from bit `offset` (0 is the lowest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subfield {
    pub field: Field,
    pub offset: u16,
    pub bits: u16,
}

/// One action of an action list (OpenFlow 1.3.5 section 7.2.5; Nicira's in ovs-actions(7)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// To a port, or to one of the reserved numbers in [`crate::port`].
    Output(PortNo),
    SetField {
        field: Field,
        value: u128,
        mask: Option<u128>,
    },
    /// Pushes a VLAN tag with this Ethernet type (0x8100).
    PushVlan(u16),
    PopVlan,
    /// Goes through a table (`None`: the current one) as if from a port (`None`: the current one), then comes back.
    Resubmit {
        port: Option<PortNo>,
        table: Option<u8>,
    },
    /// Copies bits: `src` and `dst` are of the same width.
    Move {
        src: Subfield,
        dst: Subfield,
    },
    /// Sets up to 64 bits (Nicira's `load`).
    Load {
        dst: Subfield,
        value: u64,
    },
    Learn(Box<Learn>),
    /// An action that this crate does not know: its whole encoding, header and padding included.
    Opaque(Vec<u8>),
}

/// Nicira's `learn`: adds a flow made from the packet at hand (ovs-actions(7)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Learn {
    pub table: u8,
    pub priority: u16,
    pub cookie: u64,
    /// Seconds; 0 is none.
    pub idle_timeout: u16,
    /// Seconds; 0 is none.
    pub hard_timeout: u16,
    pub fin_idle_timeout: u16,
    pub fin_hard_timeout: u16,
    /// `NX_LEARN_F_*` bits, but for the one that says that there is a `result_dst`.
    pub flags: u16,
    /// Of `NXAST_LEARN2`: 0 is none.
    pub limit: u32,
    pub result_dst: Option<Subfield>,
    pub specs: Vec<LearnSpec>,
}

/// One part of a learned flow: from where, to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LearnSpec {
    pub bits: u16,
    pub source: LearnSource,
    pub target: LearnTarget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LearnSource {
    /// Bits of the packet at hand.
    Field { field: Field, offset: u16 },
    /// A constant; the low `bits` bits count.
    Immediate(u128),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LearnTarget {
    /// The learned flow matches these bits.
    Match { field: Field, offset: u16 },
    /// The learned flow loads these bits.
    Load { field: Field, offset: u16 },
    /// The learned flow outputs to the port that the source gives.
    Output,
}

/// What a flow does with a packet (OpenFlow 1.3.5 section 7.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Instruction {
    Apply(Vec<Action>),
    Write(Vec<Action>),
    Clear,
    GotoTable(u8),
    Metadata {
        value: u64,
        mask: u64,
    },
    Meter(u32),
    /// An instruction that this crate does not know: its whole encoding.
    Opaque(Vec<u8>),
}

impl Instruction {
    /// Its place in the order in which a switch carries instructions out (OpenFlow 1.3.5 section 5.9).
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Instruction::Meter(_) => 0,
            Instruction::Apply(_) => 1,
            Instruction::Clear => 2,
            Instruction::Write(_) => 3,
            Instruction::Metadata { .. } => 4,
            Instruction::GotoTable(_) => 5,
            Instruction::Opaque(_) => 6,
        }
    }
}
