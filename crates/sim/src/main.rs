//! Runs seeds of the simulation, and replays what they found.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use sim::defect::Defect;
use sim::many::{Stop, run_many};
use sim::run::{Outcome, replay};
use sim::shrink::shrink;
use sim::trace;

#[derive(Debug, Parser)]
#[command(about = "Runs many seeds of the simulation; of what fails, prints the shortest steps that lead to it")]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100, global = true)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1, global = true)]
    from: u64,
    /// Steps of each seed.
    #[arg(long, default_value_t = 400, global = true)]
    steps: usize,
    /// Goes on after a failure, to find one of each invariant.
    #[arg(long)]
    keep_going: bool,
    /// Runs the steps in this file instead, as a failure printed them.
    #[arg(long)]
    replay: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes each deliberate mistake in turn, and says which invariant finds it, and by which seed.
    Defects {
        /// Only these, by their names in the program.
        only: Vec<String>,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match (&args.replay, &args.verb) {
        (Some(path), _) => again(path),
        (None, Some(Verb::Defects { only })) => defects(&args, only),
        (None, None) => simulate(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn again(path: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (setup, steps) = trace::parse(&text)?;
    match replay(setup, &steps, None).violation {
        Some(violation) => bail!("{violation}"),
        None => println!("{} steps, and nothing is broken", steps.len()),
    }
    Ok(())
}

fn simulate(args: &Args) -> anyhow::Result<()> {
    let stop = Stop { at_failure: !args.keep_going, within: None };
    let summary = run_many(args.from..args.from + args.seeds, args.steps, None, stop);
    print!("{}", summary.describe());
    for (seed, outcome) in summary.failed.values() {
        report(*seed, outcome)?;
    }
    if summary.failed.is_empty() { Ok(()) } else { bail!("{} invariants do not hold", summary.failed.len()) }
}

fn report(seed: u64, outcome: &Outcome) -> anyhow::Result<()> {
    let steps = shrink(outcome);
    let shortest = replay(outcome.setup, &steps, outcome.defect);
    println!("\n# seed {seed}, {} steps of {}", steps.len(), outcome.steps.len());
    for violation in shortest.violation.iter().chain(&outcome.violation).take(1) {
        println!("# {violation}");
    }
    print!("{}", trace::print(outcome.setup, &steps)?);
    Ok(())
}

fn defects(args: &Args, only: &[String]) -> anyhow::Result<()> {
    println!("| mistake | found by | seeds | steps | by need |\n| --- | --- | --- | --- | --- |");
    let mut missed = Vec::new();
    let is_meant = |defect: &&Defect| only.is_empty() || only.contains(&format!("{defect:?}"));
    for &defect in Defect::ALL.iter().filter(is_meant) {
        let stop = Stop { at_failure: true, within: None };
        let summary = run_many(args.from..args.from + args.seeds, args.steps, Some(defect), stop);
        let found = summary.failed.iter().min_by_key(|(_, (seed, _))| *seed);
        let Some((invariant, (seed, outcome))) = found else {
            missed.push(defect);
            continue;
        };
        let (seeds, steps, need) = (seed - args.from + 1, outcome.steps.len(), shrink(outcome).len());
        println!("| {} | {invariant} | {seeds} | {steps} | {need} |", defect.describe());
    }
    if missed.is_empty() { Ok(()) } else { bail!("not found: {missed:?}") }
}
