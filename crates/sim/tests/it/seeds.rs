//! Seeds: a budget of them, every one that ever failed, and mistakes that must be found.

use std::time::Duration;

use sim::defect::Defect;
use sim::many::{Stop, Summary, run_many};
use sim::run::{replay, run};
use sim::shrink::shrink;
use sim::trace;

/// Seeds of each run, and their steps; and what a mistake must be found within.
const SEEDS: u64 = 150;
const STEPS: usize = 400;
/// Several times what it takes on two cores with nothing else to do; seeds that do not fit it are not run, but for the least
/// that a run is worth anything with.
const BUDGET: Duration = Duration::from_secs(90);
const LEAST: u64 = 50;

fn say(summary: &Summary) {
    println!("{}", summary.describe());
    if let Some((seed, outcome)) = summary.failed.values().min_by_key(|(seed, _)| *seed) {
        let steps = shrink(outcome);
        let violation = replay(outcome.setup, &steps, outcome.defect).violation;
        let trace = trace::print(outcome.setup, &steps).unwrap();
        panic!("seed {seed}: {violation:?}\nto be replayed by `sim --replay FILE`:\n{trace}");
    }
}

#[test]
fn whatever_happens_what_must_hold_holds() {
    let stop = Stop { at_failure: true, within: Some(BUDGET) };
    let summary = run_many(1..1 + SEEDS, STEPS, None, stop);
    say(&summary);
    assert!(summary.seeds >= LEAST, "only {} seeds in {BUDGET:?}", summary.seeds);
    assert!(summary.missing().is_empty(), "never happened: {:?}", summary.missing());
}

#[test]
fn what_once_failed_holds() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/failed");
    let mut traces: Vec<_> = std::fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path()).collect();
    traces.sort();
    assert!(!traces.is_empty(), "{kept} is empty");
    for path in traces {
        let (setup, steps) = trace::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        if let Some(violation) = replay(setup, &steps, None).violation {
            panic!("{}: {violation}", path.display());
        }
    }
}

#[test]
fn a_seed_is_the_same_every_time() {
    for seed in [1, 2, 3] {
        let (one, other) = (run(seed, STEPS, None), run(seed, STEPS, None));
        assert_eq!(one.steps, other.steps);
        let again = replay(one.setup, &one.steps, None);
        assert_eq!((again.steps, again.violation), (one.steps, one.violation));
    }
}

#[test]
fn deliberate_mistakes_are_found() {
    let mut missed = Vec::new();
    for &defect in Defect::ALL {
        let stop = Stop { at_failure: true, within: Some(BUDGET) };
        let summary = run_many(1..1 + SEEDS, STEPS, Some(defect), stop);
        match summary.failed.values().min_by_key(|(seed, _)| *seed) {
            Some((seed, outcome)) => {
                let violation = outcome.violation.as_ref().map(|violation| violation.invariant);
                println!("{:60} seed {seed}: {violation:?}", defect.describe());
            }
            None => missed.push(defect),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
