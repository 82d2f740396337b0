//! Who does what next: drawn from the seed.

mod plan;

use std::collections::VecDeque;

use crate::judge::Facts;
use crate::rng::Rng;
use crate::step::{Side, Step};
use crate::world::World;

/// Draws steps. How much of what is on its way arrives before something else happens differs from run to run.
#[derive(Debug)]
pub struct Script {
    rng: Rng,
    /// One in so many steps comes from outside.
    calm: usize,
    /// Faults among those: one in so many.
    faults: usize,
    /// A part of a host for which nothing arrives for a while.
    stalled: Option<(u8, Part)>,
    /// What was begun and takes more than one step.
    plan: VecDeque<Item>,
}

/// Where a host's messages wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    ToServer,
    ToAgent,
    /// Both ways.
    Stream,
    Database,
    /// What a bridge is asked for.
    Bridge,
    /// What a bridge says.
    Switch,
}

impl Part {
    const ALL: [Part; 6] = [Part::ToServer, Part::ToAgent, Part::Stream, Part::Database, Part::Bridge, Part::Switch];

    /// Whether it stands still when this one does.
    fn stands_with(self, stalled: Part) -> bool {
        self == stalled || stalled == Part::Stream && matches!(self, Part::ToServer | Part::ToAgent)
    }
}

/// A part of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Step(Step),
    /// From here on nothing arrives there, or all does again.
    Stall(Option<(u8, Part)>),
    /// So many things arrive before the plan goes on.
    Pause(u8),
}

/// One in so many steps something else is stalled, or nothing.
const STALL: usize = 60;
/// One in so many runs starts from nothing.
const BARE: usize = 5;
/// One in so many steps from outside, if nothing is under way, begins something that takes several.
const PLAN: usize = 3;

impl Script {
    pub fn new(mut rng: Rng) -> Self {
        let calm = [2, 4, 8, 16, 40][rng.below(5)];
        let faults = [3, 6, 20][rng.below(3)];
        Script { rng, calm, faults, stalled: None, plan: VecDeque::new() }
    }

    /// What most runs start from, so that there is something to break: ports that talk to each other.
    pub fn beginning(&mut self, world: &World) -> Vec<Step> {
        if self.rng.chance(BARE) { Vec::new() } else { plan::populate(&mut self.rng, *world.setup()) }
    }

    pub fn draw(&mut self, world: &World) -> Step {
        if self.plan.is_empty() && self.rng.chance(STALL) {
            let part = Part::ALL[self.rng.below(Part::ALL.len())];
            let host = self.rng.slot(world.setup().hosts);
            self.stalled = Some((host, part)).filter(|_| !self.rng.chance(3));
        }
        let mut possible = world.possible();
        possible.retain(|step| match (part_of(*step), self.stalled) {
            (Some((host, part)), Some((at, stalled))) => host != at || !part.stands_with(stalled),
            _ => true,
        });
        if possible.is_empty() || self.rng.chance(self.calm) {
            return self.outside(world);
        }
        if let Some(Item::Pause(left)) = self.plan.front_mut() {
            *left = left.saturating_sub(1);
        }
        possible[self.rng.below(possible.len())]
    }

    /// The next of what is under way, unless that has to wait for something to arrive.
    fn planned(&mut self) -> Option<Step> {
        loop {
            match *self.plan.front()? {
                Item::Step(step) => {
                    self.plan.pop_front();
                    return Some(step);
                }
                Item::Stall(stalled) => self.stalled = stalled,
                Item::Pause(0) => {}
                Item::Pause(_) => return None,
            }
            self.plan.pop_front();
        }
    }

    fn outside(&mut self, world: &World) -> Step {
        if self.plan.is_empty() && self.rng.chance(PLAN) {
            self.plan = plan::draw(&mut self.rng, world.facts());
        }
        if let Some(step) = self.planned() {
            return step;
        }
        if self.rng.chance(self.faults) {
            return self.fault(world);
        }
        let facts = world.facts();
        let setup = facts.setup;
        let (host, port) = (self.rng.slot(setup.hosts), self.rng.slot(setup.ports));
        let network = self.rng.slot(setup.networks);
        match self.rng.below(104) {
            0..=5 => Step::CreateNetwork { network },
            6 => Step::DeleteNetwork { network },
            7..=24 => Step::CreatePort { port, network, host: Some(host).filter(|_| !self.rng.chance(8)) },
            25..=29 => Step::DeletePort { port },
            30..=41 => Step::Bind { port, host: Some(host).filter(|_| !self.rng.chance(10)) },
            42..=46 => Step::SetUp { port, up: !self.rng.chance(2) },
            47..=50 => Step::Readdress { port },
            51..=74 => Step::Plug { host: self.likely(facts, port, host), port },
            75..=81 => Step::Unplug { host: self.likely(facts, port, host), port },
            82..=88 => Step::Announce { host: self.likely(facts, port, host), port },
            89..=94 => Step::Talk { from: port, to: self.rng.slot(setup.ports) },
            95..=98 => Step::Quiet,
            99..=101 => Step::Prepare { port, host },
            102 => Step::Forget { port, host },
            _ => Step::RestartAll { agents: !self.rng.chance(3), server: self.rng.chance(2) },
        }
    }

    fn fault(&mut self, world: &World) -> Step {
        let host = self.rng.slot(world.setup().hosts);
        let bridge = Side::ALL[self.rng.below(2)];
        let kept = self.rng.slot(4);
        match self.rng.below(30) {
            0..=2 => Step::Cut { host, kept },
            3 => Step::Dial { host },
            4 => Step::ServerDies,
            5 => Step::FollowAnew,
            6 => Step::StoreFails,
            7 | 8 => Step::StoreHeals,
            9 => Step::SwitchLost { host, bridge },
            10..=12 => Step::AgentDies { host, kept },
            13 => Step::VswitchdRestarts { host },
            14 => Step::OvsdbRestarts { host },
            15 => Step::Retry { host },
            16 => Step::Review { host },
            17 => Step::HostReboots { host },
            18..=20 => Step::RemoveFlow { host, nth: self.rng.slot(u8::MAX) },
            21 | 22 => Step::Again { host },
            23 | 24 => Step::Namesake { host },
            25 => Step::MoveEndpoint { host },
            26 => Step::Refuse { host, some: self.rng.next_bit() },
            27 => [Step::Backup, Step::Restore][self.rng.below(2)],
            _ => Step::Wait { seconds: [1, 4, 6, 11, 301][self.rng.below(5)] },
        }
    }

    /// The host where the port is bound, mostly.
    fn likely(&mut self, facts: &Facts, port: u8, other: u8) -> u8 {
        let bound = facts.ports.get(&port).and_then(|port| port.host);
        bound.filter(|_| !self.rng.chance(5)).unwrap_or(other)
    }
}

/// Where a message of a host arrives by this step.
fn part_of(step: Step) -> Option<(u8, Part)> {
    match step {
        Step::ToServer { host, .. } => Some((host, Part::ToServer)),
        Step::Room { host } | Step::ToAgent { host } => Some((host, Part::ToAgent)),
        Step::Transact { host } | Step::FromDatabase { host } | Step::Reconfigure { host } => {
            Some((host, Part::Database))
        }
        Step::Flows { host, .. } => Some((host, Part::Bridge)),
        Step::FromSwitch { host, .. } => Some((host, Part::Switch)),
        _ => None,
    }
}
