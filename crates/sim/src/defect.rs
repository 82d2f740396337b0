//! Deliberate mistakes, to see that the judge finds them.
//!
//! Each is made where parts meet: a message or an order is lost, changed, or answered too early, so that the parts behave
//! as if they had the mistake in them, and no part has a switch for it.

use std::collections::BTreeSet;

use agent::events::Switch;
use model::{Change, Committed, PortId, Revision};
use openflow::{Flow, FlowMod, Instruction};
use sync::messages::{HostComplete, Interfaces, Order, ToAgent, ToServer};

use crate::ovs::Tables;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// Snapshots have no end.
    DropComplete,
    /// A delta is lost, and the stream goes on.
    LoseDelta,
    /// A removal takes the rows of its addresses away, whoever they belong to now.
    EditByMessage,
    /// An announcement goes where questions go.
    AnswerAnnouncement,
    /// A freed VLAN counts as unused while its rows are still there.
    ForgetLearned,
    /// A VLAN counts as unused, and a port as wired, while `ovs-vswitchd` has yet to set the tag.
    TrustTheDatabase,
    /// Before the inventory an empty one is sent.
    EmptyInventory,
    /// A tunnel port counts as there as soon as it is asked for.
    FloodBeforeTunnel,
    /// The server goes by what it sent to a host before, not by what the host says that it holds.
    CountPorts,
    /// The beginning of a stream is taken for all of it.
    RemoveBeforeComplete,
    /// Flows count as in when they are sent.
    AckBeforeBarrier,
    /// A report counts whatever binding it is about.
    StaleGeneration,
    /// Ports of a host whose stream breaks count as unplugged.
    LostAgentLostPorts,
    /// ACTIVE does not wait for other hosts.
    ActiveAtOnce,
    /// What is old goes before what is new is in.
    BreakBeforeMake,
    /// An agent that starts clears its bridge.
    ClearAtStart,
    /// Orders for interfaces are lost.
    LoseOrder,
    /// A port is nowhere from the moment it is bound elsewhere.
    LeaveAtOnce,
    /// Messages with something unknown in them are not read.
    RefuseTheNext,
    /// A connection takes whatever it is given.
    NoBackPressure,
    /// Nobody is told of flows that others remove.
    DeafToOthers,
    /// Nobody compares all flows.
    NeverReviewed,
    /// What belongs to an earlier stream or connection counts for the present one.
    OldCounts,
    /// A machine that says that it is another is let in.
    LetNamesakeIn,
    /// The new endpoint of a host is not told.
    KeepEndpoint,
    /// An agent that knows more than the database is taken for one that knows as much.
    TrustTheAhead,
    /// Some of what is said of endpoints to hosts in a full mesh is lost.
    LoseEndpoints,
    /// A prepared binding is taken for one in force.
    PreparedIsOwn,
}

impl Defect {
    pub const ALL: &[Defect] = &[
        Defect::DropComplete,
        Defect::LoseDelta,
        Defect::EditByMessage,
        Defect::AnswerAnnouncement,
        Defect::ForgetLearned,
        Defect::TrustTheDatabase,
        Defect::EmptyInventory,
        Defect::FloodBeforeTunnel,
        Defect::CountPorts,
        Defect::RemoveBeforeComplete,
        Defect::AckBeforeBarrier,
        Defect::StaleGeneration,
        Defect::LostAgentLostPorts,
        Defect::ActiveAtOnce,
        Defect::BreakBeforeMake,
        Defect::ClearAtStart,
        Defect::LoseOrder,
        Defect::LeaveAtOnce,
        Defect::RefuseTheNext,
        Defect::NoBackPressure,
        Defect::DeafToOthers,
        Defect::NeverReviewed,
        Defect::OldCounts,
        Defect::LetNamesakeIn,
        Defect::KeepEndpoint,
        Defect::TrustTheAhead,
        Defect::LoseEndpoints,
        Defect::PreparedIsOwn,
    ];

    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Defect::DropComplete => "the `complete` marker is dropped",
            Defect::LoseDelta => "one delta in three is lost",
            Defect::EditByMessage => "rows are edited by the message that removes, not derived",
            Defect::AnswerAnnouncement => "announcements go to the responder",
            Defect::ForgetLearned => "what was learned for a VLAN outlives it: the VLAN is reused at once",
            Defect::TrustTheDatabase => "a local VLAN is reused, and a port wired, before vswitchd has set the tag",
            Defect::EmptyInventory => "an empty inventory is taken for ports that are gone",
            Defect::FloodBeforeTunnel => "flood list and wiring do not wait for the tunnel port",
            Defect::CountPorts => "\"first port\" by count: a host that forgot is sent only what is new",
            Defect::RemoveBeforeComplete => "what is not listed yet is removed before `complete`",
            Defect::AckBeforeBarrier => "flows are acknowledged before the barrier",
            Defect::StaleGeneration => "a report under an old binding generation is believed",
            Defect::LostAgentLostPorts => "a stream that breaks withdraws the host's ports",
            Defect::ActiveAtOnce => "ACTIVE waits for nobody",
            Defect::BreakBeforeMake => "old rows go before new ones are in",
            Defect::ClearAtStart => "an agent that starts clears br-tun",
            Defect::LoseOrder => "one order in three is lost",
            Defect::LeaveAtOnce => "a port that moves leaves before it has arrived",
            Defect::RefuseTheNext => "a message with a field that nobody knows is not read",
            Defect::DeafToOthers => "a flow that others remove is not missed",
            Defect::NeverReviewed => "what was refused is never tried again",
            Defect::OldCounts => "what comes late, from an earlier stream, counts for the present one",
            Defect::LetNamesakeIn => "a second machine of a host's name is let in",
            Defect::KeepEndpoint => "a host's new endpoint is not told to others",
            Defect::TrustTheAhead => "an agent that is ahead of a restored database is not noticed",
            Defect::LoseEndpoints => "one list of endpoints in three is lost on its way to a full mesh",
            Defect::PreparedIsOwn => "a prepared binding is taken for one in force",
            Defect::NoBackPressure => "a slow agent is sent each change by itself",
        }
    }

    pub(crate) fn is(self, other: Option<Defect>) -> bool {
        other == Some(self)
    }
}

/// What an agent is told in place of what an earlier connection to a bridge has said.
pub(crate) fn said_late(defect: Option<Defect>, mut said: Switch, present: u64) -> Switch {
    if Defect::OldCounts.is(defect) {
        let (Switch::Connected { session, .. }
        | Switch::Lost { session, .. }
        | Switch::Flows { session, .. }
        | Switch::Dumped { session }
        | Switch::Changed { session, .. }
        | Switch::Applied { session, .. }) = &mut said;
        *session = present;
    }
    said
}

/// What the hub gets in place of an API call's commit.
pub(crate) fn committed(defect: Option<Defect>, mut commit: Committed) -> Committed {
    if Defect::LeaveAtOnce.is(defect) {
        for change in &mut commit.changes {
            if let Change::Port(port) = change {
                port.former = None;
            }
        }
    }
    commit
}

/// What the agent gets in place of a message. `nth` counts messages.
pub(crate) fn to_agent(defect: Option<Defect>, nth: u64, message: ToAgent) -> Vec<ToAgent> {
    let lost = nth.is_multiple_of(3);
    match (defect, &message) {
        (Some(Defect::DropComplete), ToAgent::Complete(_)) => Vec::new(),
        (Some(Defect::LoseDelta), ToAgent::Delta(_))
        | (Some(Defect::LoseOrder), ToAgent::Orders(_))
        | (Some(Defect::LoseEndpoints), ToAgent::Endpoints(_))
            if lost =>
        {
            Vec::new()
        }
        (Some(Defect::PreparedIsOwn), ToAgent::Orders(orders)) => {
            let mut orders = orders.clone();
            for order in &mut orders.ports {
                if let Order::Wire(wire) = &mut order.order {
                    wire.prepared = false;
                }
            }
            vec![ToAgent::Orders(orders)]
        }
        (Some(Defect::RemoveBeforeComplete), ToAgent::Welcome(_)) => {
            let nothing = HostComplete { revision: Revision::ZERO, networks: Vec::new() };
            vec![message, ToAgent::HostComplete(nothing)]
        }
        _ => vec![message],
    }
}

/// What the server gets in place of a message. `generation`: of a port, as the store has it.
pub(crate) fn to_server(
    defect: Option<Defect>,
    message: ToServer,
    generation: impl Fn(PortId) -> Option<model::Generation>,
) -> Vec<ToServer> {
    match (defect, message) {
        (Some(Defect::EmptyInventory), ToServer::Interfaces(all)) if all.inventory => {
            let nothing = Interfaces { inventory: true, present: Vec::new(), gone: Vec::new() };
            vec![ToServer::Interfaces(nothing), ToServer::Interfaces(Interfaces { inventory: false, ..all })]
        }
        (Some(Defect::StaleGeneration), ToServer::Report(mut report)) => {
            report.generation = generation(report.port).unwrap_or(report.generation);
            vec![ToServer::Report(report)]
        }
        (_, message) => vec![message],
    }
}

/// What the bridge gets in place of a flow-mod.
pub(crate) fn to_switch(defect: Option<Defect>, mut flow_mod: FlowMod) -> Option<FlowMod> {
    let (table, priority) = (flow_mod.flow.table, flow_mod.flow.priority);
    let adds = flow_mod.command == openflow::Command::Add;
    match defect {
        // The row that catches what is no question goes on to the responder.
        Some(Defect::AnswerAnnouncement) if adds && table == 18 && priority == 0 => {
            flow_mod.flow.instructions = vec![Instruction::GotoTable(21)];
        }
        Some(Defect::ForgetLearned) if !adds && table == 20 && priority <= 1 => return None,
        _ => {}
    }
    Some(flow_mod)
}

/// What takes the place of flow-mods when what is old is removed first: a flow that changes is gone until it is back.
pub(crate) fn break_first(tables: &Tables, flow_mods: Vec<FlowMod>) -> Vec<FlowMod> {
    let there: BTreeSet<_> = tables.flows().map(|flow| (flow.table, flow.priority, flow.key())).collect();
    let is_there = |flow: &Flow| there.contains(&(flow.table, flow.priority, flow.key()));
    let replaces = |flow_mod: &&FlowMod| flow_mod.command == openflow::Command::Add && is_there(&flow_mod.flow);
    let mut first: Vec<_> = flow_mods.iter().filter(replaces).map(|it| FlowMod::delete_strict(&it.flow)).collect();
    let (removals, others): (Vec<_>, Vec<_>) =
        flow_mods.into_iter().partition(|flow_mod| flow_mod.command != openflow::Command::Add);
    first.extend(removals);
    first.extend(others);
    first
}

/// A flow as an agent reads it back: as it was sent.
pub(crate) fn as_sent(defect: Option<Defect>, mut flow: Flow) -> Flow {
    if Defect::AnswerAnnouncement.is(defect) && flow.table == 18 && flow.priority == 0 {
        flow.instructions = vec![Instruction::GotoTable(22)];
    }
    flow
}

/// What an agent is told at once of flow-mods that it has just sent.
pub(crate) fn answer_at_once(defect: Option<Defect>, session: u64) -> Option<Switch> {
    Defect::AckBeforeBarrier.is(defect).then(|| Switch::Applied { session, refused: Vec::new() })
}

/// The rows of `br-tun` that hold an address: as a message that removes a port might have it.
pub(crate) fn holds_address(flow: &Flow, mac: u64, ip: u32) -> bool {
    let value = |field| flow.matching.get(field).map(|masked| masked.value);
    let unicast = flow.table == 20 && flow.priority == 2 && value(openflow::Field::EthDst) == Some(mac.into());
    let answer = flow.table == 21 && flow.priority == 1 && value(openflow::Field::ArpTpa) == Some(ip.into());
    unicast || answer
}
