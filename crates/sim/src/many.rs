//! Many seeds, on as many threads as the machine has.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::defect::Defect;
use crate::run::{Outcome, run};
use crate::step::Step;

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Summary {
    pub seeds: u64,
    pub steps: u64,
    pub took: Duration,
    pub kinds: BTreeMap<&'static str, u64>,
    /// For each invariant that was broken, the first seed that broke it.
    pub failed: BTreeMap<&'static str, (u64, Outcome)>,
}

/// Runs seeds of so many steps each; `stop`: only until the first failure, or until this has passed.
pub fn run_many(seeds: Range<u64>, steps: usize, defect: Option<Defect>, stop: Stop) -> Summary {
    let begun = Instant::now();
    let (next, over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let all = Mutex::new(Summary::default());
    let work = || {
        while !over.load(Ordering::Relaxed) && stop.within.is_none_or(|within| begun.elapsed() < within) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let outcome = run(seed, steps, defect);
            let Ok(mut all) = all.lock() else { return };
            over.fetch_or(stop.at_failure && outcome.violation.is_some(), Ordering::Relaxed);
            all.add(seed, outcome);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let summary = all.into_inner().unwrap_or_default();
    Summary { took: begun.elapsed(), ..summary }
}

/// When to stop before all seeds are run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stop {
    pub at_failure: bool,
    pub within: Option<Duration>,
}

impl Summary {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seeds += 1;
        self.steps += outcome.steps.len() as u64;
        for (kind, count) in &outcome.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        let Some(invariant) = outcome.violation.as_ref().map(|violation| violation.invariant) else { return };
        if self.failed.get(invariant).is_none_or(|(first, _)| seed < *first) {
            self.failed.insert(invariant, (seed, outcome));
        }
    }

    /// Kinds of steps that never came.
    pub fn missing(&self) -> Vec<&'static str> {
        Step::KINDS.iter().copied().filter(|kind| !self.kinds.contains_key(kind)).collect()
    }

    /// Rate and coverage, for people.
    pub fn describe(&self) -> String {
        let rate = self.steps * 1000 / u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        let head = format!("{} seeds, {} steps in {:.1?}: {rate} a second\n", self.seeds, self.steps, self.took);
        let count = |kind: &str| self.kinds.get(kind).copied().unwrap_or_default();
        let kinds: Vec<_> = Step::KINDS.iter().map(|kind| format!("{kind} {}", count(kind))).collect();
        let lines: Vec<_> = kinds.chunks(6).map(|some| format!("  {}\n", some.join(", "))).collect();
        head + &lines.concat()
    }
}
