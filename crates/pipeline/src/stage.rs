use crate::{Change, Row};

/// When an operation is done: all of one stage are in before the next begins.
///
/// What is new goes in against the direction of travel, so that a frame that takes a new row finds the next ones there;
/// what is old goes along it, so that nothing is taken away under a frame that still comes. All that is new is in before
/// anything old goes. A tunnel's port is made before the first stage and deleted after the last.
///
/// A local VLAN that is given up thus goes in this order: its key (nothing comes in, nothing is learned any more), what
/// was learned, then the rest. A row that changes is replaced in one step at its place among the new ones: a unicast row
/// leads to the new host before the flood list loses the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Rows that do not depend on any object, where they cannot take a frame from anybody yet.
    Base,
    /// Live traffic first, should a switch have lost everything.
    Unicast,
    Flood,
    /// Answers, now that frames for what was asked for find their way.
    Answers,
    /// Frames from other hosts are let in.
    Keys,
    /// `br-tun` opens: patch and tunnel ports, ARP to the responder.
    Classify,
    /// `br-int` opens.
    Admit,
    /// What is not admitted is dropped from now on.
    Refuse,

    /// From here on things go: first what is not admitted to `br-int` any more.
    Shut,
    /// Patch and tunnel ports, ARP to the responder.
    Unclassify,
    Unkey,
    /// All that was learned for a VLAN, or that leads to a tunnel port that is gone.
    Unlearn,
    Unanswer,
    /// A known MAC goes while its network still floods.
    Forget,
    /// What was learned for a MAC while its row hid it.
    ForgetLearned,
    Unflood,
    Debase,
}

impl Stage {
    pub fn of(row: &Row, change: Change) -> Self {
        if change == Change::Remove { Stage::of_removal(row) } else { Stage::of_install(row) }
    }

    fn of_install(row: &Row) -> Self {
        match row {
            Row::Unicast { .. } => Stage::Unicast,
            Row::Flood { .. } => Stage::Flood,
            Row::Responder { .. } | Row::LocalIp { .. } => Stage::Answers,
            Row::Key(_) => Stage::Keys,
            Row::Classify { .. } | Row::LocalArp => Stage::Classify,
            Row::Admit { .. } => Stage::Admit,
            Row::Refuse => Stage::Refuse,
            _ => Stage::Base,
        }
    }

    fn of_removal(row: &Row) -> Self {
        match row {
            Row::Admit { .. } => Stage::Shut,
            Row::Classify { .. } | Row::LocalArp => Stage::Unclassify,
            Row::Key(_) => Stage::Unkey,
            Row::Learned { .. } | Row::LearnedTo { .. } => Stage::Unlearn,
            Row::Responder { .. } | Row::LocalIp { .. } => Stage::Unanswer,
            Row::Unicast { .. } => Stage::Forget,
            Row::LearnedMac { .. } => Stage::ForgetLearned,
            Row::Flood { .. } => Stage::Unflood,
            _ => Stage::Debase,
        }
    }
}
