//! From a run that breaks something to the shortest part of it that breaks the same (delta debugging, Zeller and
//! Hildebrandt 2002).

use crate::run::{Outcome, replay};
use crate::step::Step;

/// The steps of a failed run without those that it does not take.
pub fn shrink(outcome: &Outcome) -> Vec<Step> {
    let Some(violation) = &outcome.violation else { return outcome.steps.clone() };
    let fails = |steps: &[Step]| {
        let again = replay(outcome.setup, steps, outcome.defect);
        again.violation.is_some_and(|again| again.invariant == violation.invariant)
    };
    let mut steps = outcome.steps.clone();
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < steps.len() {
            let without: Vec<Step> = [&steps[..at], &steps[(at + size).min(steps.len())..]].concat();
            if fails(&without) {
                steps = without;
                shorter = true;
            } else {
                at += size;
            }
        }
        // Again at the same size as long as that helps, then finer.
        size = if shorter && size == 1 { 1 } else { size / 2 };
    }
    steps
}
