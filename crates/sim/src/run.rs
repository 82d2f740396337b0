//! A run: a seed, or a list of steps.

use std::collections::BTreeMap;

use crate::defect::Defect;
use crate::judge::Violation;
use crate::rng::Rng;
use crate::script::Script;
use crate::setup::Setup;
use crate::step::Step;
use crate::world::World;

/// What a run did, and what it broke, if anything.
#[derive(Debug)]
pub struct Outcome {
    pub setup: Setup,
    pub defect: Option<Defect>,
    pub steps: Vec<Step>,
    pub violation: Option<Violation>,
    /// How often each kind of step was made.
    pub kinds: BTreeMap<&'static str, u64>,
}

/// Runs a seed for so many steps after its beginning; one more makes all quiet.
pub fn run(seed: u64, steps: usize, defect: Option<Defect>) -> Outcome {
    let mut rng = Rng::new(seed);
    let setup = Setup::of(&mut rng);
    let mut script = Script::new(rng);
    let mut beginning = None;
    drive(setup, defect, |world, taken| {
        let beginning = beginning.get_or_insert_with(|| script.beginning(world));
        match taken {
            _ if taken < beginning.len() => beginning.get(taken).copied(),
            _ if taken < beginning.len() + steps => Some(script.draw(world)),
            _ if taken == beginning.len() + steps => Some(Step::Quiet),
            _ => None,
        }
    })
}

/// Runs a list of steps.
pub fn replay(setup: Setup, steps: &[Step], defect: Option<Defect>) -> Outcome {
    drive(setup, defect, |_, taken| steps.get(taken).copied())
}

fn drive(setup: Setup, defect: Option<Defect>, mut next: impl FnMut(&World, usize) -> Option<Step>) -> Outcome {
    let mut outcome = Outcome { setup, defect, steps: Vec::new(), violation: None, kinds: BTreeMap::new() };
    let mut world = match World::new(setup, defect) {
        Ok(world) => world,
        Err(violation) => return Outcome { violation: Some(violation), ..outcome },
    };
    while let Some(step) = next(&world, outcome.steps.len()) {
        outcome.steps.push(step);
        *outcome.kinds.entry(step.kind()).or_default() += 1;
        if let Err(violation) = world.take(step) {
            outcome.violation = Some(violation);
            break;
        }
    }
    outcome
}
