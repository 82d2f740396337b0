//! A switch that does what a plan says, step by step, and forwards frames through what it holds.

use std::collections::{BTreeMap, BTreeSet};

use openflow::{Action, Command, Field, Flow, Instruction, Match, PortNo};
use pipeline::{Bridge, Installed, Op, Plan, Row, State, plan};

/// A frame: the fields that it has.
pub(crate) type Frame = BTreeMap<Field, u128>;

#[derive(Debug, Default)]
pub(crate) struct Switch {
    pub(crate) flows: BTreeMap<Row, Flow>,
    pub(crate) installed: Installed,
}

impl Switch {
    /// Brings the switch to what is wanted, by the rows that the state marked; returns what was done.
    pub(crate) fn follow(&mut self, state: &mut State) -> Vec<Op> {
        self.follow_stepwise(state, |_| ())
    }

    /// The same; `check` looks at the switch after each step.
    pub(crate) fn follow_stepwise(&mut self, state: &mut State, check: impl Fn(&Switch)) -> Vec<Op> {
        let rows = state.take_dirty();
        let plan = plan(state, &self.installed, rows, |_| true);
        self.apply(state, &plan, check);
        plan.ops
    }

    pub(crate) fn apply(&mut self, state: &State, plan: &Plan, check: impl Fn(&Switch)) {
        assert!(plan.ops.is_sorted_by_key(|op| op.stage), "{plan:?}");
        for op in &plan.ops {
            let sent = op.flow_mod(state).expect("what is planned can be sent");
            self.installed.confirm(op, &sent);
            match sent.command {
                Command::Add => self.flows.insert(op.row, sent.flow),
                Command::DeleteStrict => self.flows.remove(&op.row),
                Command::Delete => None,
                Command::Modify | Command::ModifyStrict => panic!("{sent:?}"),
            };
            check(self);
        }
    }

    /// Sends a frame into `br-tun`; returns what goes out where, `IN_PORT` included.
    pub(crate) fn forward(&self, port: PortNo, mut frame: Frame) -> BTreeSet<(PortNo, Vec<(Field, u128)>)> {
        frame.insert(Field::InPort, port.into());
        let mut out = BTreeSet::new();
        let mut table = Some(0);
        while let Some(number) = table {
            table = None;
            let Some(flow) = self.look_up(number, &frame) else { break };
            for instruction in &flow.instructions {
                match instruction {
                    Instruction::Apply(actions) => actions.iter().for_each(|action| act(action, &mut frame, &mut out)),
                    Instruction::GotoTable(next) => {
                        assert!(*next > number, "goto only goes upwards");
                        table = Some(*next);
                    }
                    other => panic!("{other:?} is not part of the pipeline"),
                }
            }
        }
        out
    }

    /// The ports to which a frame goes.
    pub(crate) fn ports(&self, port: PortNo, frame: Frame) -> BTreeSet<PortNo> {
        self.forward(port, frame).into_iter().map(|(port, _)| port).collect()
    }

    fn look_up(&self, table: u8, frame: &Frame) -> Option<&Flow> {
        let here = self.flows.iter().filter(|(row, flow)| row.bridge() == Bridge::Tunnel && flow.table == table);
        let matching = here.map(|(_, flow)| flow).filter(|flow| takes(&flow.matching, frame));
        matching.max_by_key(|flow| flow.priority)
    }
}

fn takes(matching: &Match, frame: &Frame) -> bool {
    matching.0.iter().all(|(field, wanted)| {
        let mask = wanted.mask.unwrap_or(u128::MAX);
        frame.get(field).is_some_and(|value| value & mask == wanted.value)
    })
}

fn act(action: &Action, frame: &mut Frame, out: &mut BTreeSet<(PortNo, Vec<(Field, u128)>)>) {
    match action {
        Action::Output(port) => {
            out.insert((*port, frame.iter().map(|(field, value)| (*field, *value)).collect()));
        }
        Action::SetField { field, value, mask: None } => {
            frame.insert(*field, *value);
        }
        Action::Move { src, dst } => {
            let value = frame.get(&src.field).copied().unwrap_or(0);
            frame.insert(dst.field, value);
        }
        Action::PushVlan(_) => {
            frame.insert(Field::VlanVid, 0x1000);
        }
        Action::PopVlan => {
            frame.remove(&Field::VlanVid);
        }
        Action::Learn(_) => {}
        other => panic!("{other:?} is not part of the pipeline"),
    }
}
