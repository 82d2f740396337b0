//! The judge: what must hold, worked out from what was asked for over the API and what is plugged where.
//!
//! It knows nothing of how Culvert works. It looks at frames: whether they arrive, where else they arrive, and under
//! which tunnel key they cross the underlay; and, when all is quiet, at how many flows and tunnel ports there are.

mod facts;
mod moment;
mod quiet;

use std::fmt;

use model::TunnelType;

pub use facts::{Facts, Left, Port};
pub use moment::Moment;
pub use quiet::Expected;

use crate::ovs::Frame;
use crate::setup::Made;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: &'static str,
    pub detail: String,
}

impl Violation {
    pub fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Violation { invariant, detail: detail.into() }
    }

    /// The simulation itself cannot go on.
    pub fn broken(error: impl fmt::Display) -> Self {
        Violation::new("the simulation runs", error.to_string())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// What became of a frame on all hosts together.
#[derive(Debug, Default, Clone)]
pub struct Fate {
    /// Interfaces that it came out of: host, and port by whose id it is plugged.
    pub delivered: Vec<(u8, Made, Frame)>,
    /// Copies on the underlay: from host, to host, type and key.
    pub crossed: Vec<(u8, u8, TunnelType, u64)>,
}

/// Who has an address that was a host's before.
pub const NOBODY: u8 = u8::MAX;

/// The world as the judge may see it: frames can be sent, and nothing learns from them.
pub trait Net {
    fn probe(&self, host: u8, from: Made, frame: Frame) -> Fate;
}
