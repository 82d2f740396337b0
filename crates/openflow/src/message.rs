use std::time::Duration;

use crate::{Flow, FlowFilter, FlowMod, FlowMonitor, FlowUpdate, Match, PortDesc, PortNo, PortStats, SwitchError};

/// Versions of the protocol that this crate speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V1_3,
    V1_4,
}

impl Version {
    /// The number on the wire.
    pub fn wire(self) -> u8 {
        match self {
            Version::V1_3 => 4,
            Version::V1_4 => 5,
        }
    }

    pub fn from_wire(wire: u8) -> Option<Self> {
        [Version::V1_3, Version::V1_4].into_iter().find(|version| version.wire() == wire)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Version::V1_3 => "OpenFlow 1.3",
            Version::V1_4 => "OpenFlow 1.4",
        })
    }
}

/// One message, either way. Section numbers in this crate are those of OpenFlow 1.3.5 unless they say 1.4.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Hello(Hello),
    Error(SwitchError),
    EchoRequest(Vec<u8>),
    EchoReply(Vec<u8>),
    FeaturesRequest,
    FeaturesReply(Features),
    /// `OFPT_SET_ASYNC`, reduced to what this crate needs: whether changes of ports are to be reported. 1.4 has the
    /// same in other words. All other reports are turned off for this
    /// connection. Written only: what one reads of this kind is opaque.
    SetAsync {
        port_status: bool,
    },
    FlowMod(FlowMod),
    FlowRemoved(FlowRemoved),
    PortStatus {
        reason: PortReason,
        port: PortDesc,
    },
    BarrierRequest,
    BarrierReply,
    MultipartRequest(MultipartRequest),
    /// `more`: other parts of the same reply follow.
    MultipartReply {
        more: bool,
        part: MultipartReply,
    },
    BundleControl(BundleControl),
    BundleAdd {
        bundle: u32,
        flags: u16,
        message: Box<Message>,
    },
    /// A message that this crate does not know, packet-in for one: its type and all that follows the header.
    Opaque {
        kind: u8,
        body: Vec<u8>,
    },
}

/// The versions that a peer speaks (section 7.5.1): its highest, and the bitmap if it sent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// Bit n: wire version n. `None`: the peer sent no bitmap, and means all versions up to the one in its header.
    pub versions: Option<u32>,
}

/// What a switch says of itself (section 7.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    pub datapath_id: u64,
    pub buffers: u32,
    pub tables: u8,
    pub auxiliary_id: u8,
    /// `OFPC_*` bits.
    pub capabilities: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRemoved {
    pub table: u8,
    pub priority: u16,
    pub matching: Match,
    pub cookie: u64,
    /// `OFPRR_*`: 0 idle timeout, 1 hard timeout, 2 delete, 3 group delete.
    pub reason: u8,
    pub duration: Duration,
    pub idle_timeout: u16,
    pub hard_timeout: u16,
    pub packets: u64,
    pub bytes: u64,
}

/// Why a port status is sent (`OFPPR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortReason {
    Added,
    Deleted,
    Modified,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartRequest {
    Flows(FlowFilter),
    Aggregate(FlowFilter),
    Tables,
    /// [`crate::port::ANY`]: all ports.
    PortStats(PortNo),
    PortDescs,
    /// 1.4 only.
    FlowMonitor(FlowMonitor),
    Opaque {
        kind: u16,
        body: Vec<u8>,
    },
}

/// One part of a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum MultipartReply {
    Flows(Vec<FlowStats>),
    Aggregate(Aggregate),
    Tables(Vec<TableStats>),
    PortStats(Vec<PortStats>),
    PortDescs(Vec<PortDesc>),
    /// What a [`FlowMonitor`] tells: first the answer to the request for it, then unasked, with transaction id 0.
    FlowUpdates(Vec<FlowUpdate>),
    Opaque {
        kind: u16,
        body: Vec<u8>,
    },
}

/// A flow as a switch has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowStats {
    pub flow: Flow,
    pub duration: Duration,
    pub packets: u64,
    pub bytes: u64,
}

/// Sums over flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregate {
    pub packets: u64,
    pub bytes: u64,
    pub flows: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableStats {
    pub table: u8,
    /// Flows in it.
    pub active: u32,
    pub lookups: u64,
    pub matched: u64,
}

/// A step in a bundle's life (1.4 section 7.3.9.2; in 1.3, the ONF's extension 230).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleControl {
    pub bundle: u32,
    pub step: BundleStep,
    /// [`BundleControl::ATOMIC`], [`BundleControl::ORDERED`].
    pub flags: u16,
}

impl BundleControl {
    pub const ATOMIC: u16 = 1;
    pub const ORDERED: u16 = 2;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleStep {
    Open,
    Opened,
    Close,
    Closed,
    Commit,
    Committed,
    Discard,
    Discarded,
}
