use model::LocalVlan;
use openflow::{Flow, FlowFilter, FlowMod};

use crate::{Cookie, Derived, Installed, Kind, Row, Stage, State};

/// What an operation does to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It was not there.
    Add,
    /// It was there and meant something else; replaced in one step.
    Modify,
    /// It meant the same under another cookie: a stock agent's before the hand-over, or another object's.
    Recookie,
    Remove,
}

/// One step of a plan; ordered by stage. It holds no flow, so that a plan of a million steps is small: see [`Op::flow_mod`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Op {
    pub stage: Stage,
    pub row: Row,
    pub change: Change,
}

/// What takes a switch from what it holds to what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they must be done: a stage is in before the next begins.
    pub ops: Vec<Op>,
    /// Rows that are not wanted, and may not be removed yet.
    pub held: Vec<Row>,
}

/// Compares rows with what is installed. Give it [`State::take_dirty`] after a change, or [`Installed::and_wanted`] to
/// compare everything.
///
/// `may_remove` says whether enough is known to remove a row that is not wanted ([`Row::scope`]); what it refuses is
/// held. If nothing differs the plan is empty.
pub fn plan(
    state: &State,
    installed: &Installed,
    rows: impl IntoIterator<Item = Row>,
    may_remove: impl Fn(&Row) -> bool,
) -> Plan {
    let mut plan = plan_in_turn(state, installed, rows, may_remove);
    plan.ops.retain(|op| op.change != Change::Add || op.flow_mod(state).is_some());
    plan
}

/// The same, but whether a row that is not there is wanted at all is seen when its turn comes ([`Op::flow_mod`]): its place
/// is known without looking at it, so the first steps can go before the last are known.
pub fn plan_in_turn(
    state: &State,
    installed: &Installed,
    rows: impl IntoIterator<Item = Row>,
    may_remove: impl Fn(&Row) -> bool,
) -> Plan {
    let mut plan = Plan::default();
    let mut rows: Vec<Row> = rows.into_iter().collect();
    rows.sort_unstable();
    rows.dedup();
    let freed = |vlan: LocalVlan| rows.binary_search(&Row::Learned { vlan }).is_ok();
    for row in &rows {
        let change = if installed.may_hold(row) { change(state, installed, row) } else { Some(Change::Add) };
        let Some(change) = change else { continue };
        if change == Change::Remove && !may_remove(row) {
            plan.held.push(*row);
            continue;
        }
        plan.ops.push(Op::new(*row, change));
        // What was learned for a MAC must not outlive the entry that hid it.
        if let Row::Unicast { vlan, mac } = *row
            && matches!(change, Change::Modify | Change::Remove)
            && !freed(vlan)
        {
            plan.ops.push(Op::new(Row::LearnedMac { vlan, mac }, Change::Remove));
        }
        // In a full mesh all unicast goes by what was learned: a port that is made anew has another number.
        if let Row::Classify { port } = *row
            && change == Change::Remove
            && !state.modes().l2_population()
        {
            plan.ops.push(Op::new(Row::LearnedTo { port }, Change::Remove));
        }
    }
    plan.ops.sort_unstable();
    plan
}

/// What must be done about a row that may be there.
fn change(state: &State, installed: &Installed, row: &Row) -> Option<Change> {
    match state.derive(row) {
        Derived::Partial(flow) if installed.holds_of(row, flow.cookie) => None,
        Derived::Flow(flow) | Derived::Partial(flow) => installed.compare(row, &flow),
        Derived::Pending => None,
        Derived::Absent => Some(Change::Remove),
    }
}

impl Op {
    fn new(row: Row, change: Change) -> Self {
        Op { stage: Stage::of(&row, change), row, change }
    }

    /// What to send for it. `None`: the state has changed since in such a way that the row must wait for the next plan.
    pub fn flow_mod(&self, state: &State) -> Option<FlowMod> {
        match (self.change, self.row) {
            (Change::Remove, Row::Learned { .. }) => {
                let Flow { table, matching, .. } = self.row.rule();
                let filter = FlowFilter::table(table).matching(matching);
                Some(FlowMod::delete(filter.cookie(Cookie::plain(Kind::Learned).to_u64(), Cookie::KIND_MASK)))
            }
            (Change::Remove, Row::LearnedTo { port }) => {
                let filter = FlowFilter::table(self.row.rule().table).out_port(port);
                Some(FlowMod::delete(filter.cookie(Cookie::plain(Kind::Learned).to_u64(), Cookie::KIND_MASK)))
            }
            (Change::Remove, row) => Some(FlowMod::delete_strict(&row.rule())),
            (Change::Add | Change::Modify | Change::Recookie, row) => match state.derive(&row) {
                Derived::Flow(flow) | Derived::Partial(flow) => Some(FlowMod::add(flow)),
                Derived::Pending | Derived::Absent => None,
            },
        }
    }
}
