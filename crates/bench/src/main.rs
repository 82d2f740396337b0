//! `make bench`: how fast Culvert is and how much memory it takes, on this machine, on real Open vSwitch.
//!
//! Every figure stands beside a reference of the same run where there is one: a time in milliseconds says something
//! about the machine first. Nothing is written unless `--record` is given.

#![allow(clippy::cast_precision_loss, reason = "figures are for people: three digits of them")]

mod compare;
mod deaf;
mod growth;
mod lists;
mod machine;
mod memory;
mod pace;
mod plug;
mod plugged;
mod recorder;
mod replay;
mod report;
mod rest;
mod restart;
mod samples;
mod site;
mod snapshot;
mod stand_in;
mod swarm;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};

use crate::machine::Machine;
use crate::pace::Pace;
use crate::report::Report;
use crate::site::Site;

/// Culvert's benchmarks: needs root, Open vSwitch and a release build of `culvert`; takes a few minutes
#[derive(Debug, Parser)]
struct Args {
    /// What to measure; all of it if none is named
    #[arg(value_enum)]
    what: Vec<What>,
    /// The binary to measure [default: `culvert` beside this one]
    #[arg(long, value_name = "PATH")]
    culvert: Option<PathBuf>,
    /// A directory on the disk that databases are to be measured on
    #[arg(long, value_name = "DIRECTORY", default_value = "/var/tmp/culvert-bench")]
    directory: PathBuf,
    /// Runs of each timing that is repeated as a whole
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    runs: usize,
    /// Ports that are plugged, one after the other, onto three hosts
    #[arg(long, value_name = "COUNT", default_value_t = 210)]
    plugs: usize,
    /// Ports that are created, one after the other
    #[arg(long, value_name = "COUNT", default_value_t = 5000)]
    creates: usize,
    /// What decides which ports are where in the swarm's cloud
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// From a snapshot's first byte until Open vSwitch has it; from the agent's start to the same state
    Snapshot,
    /// From the moment a restarted Open vSwitch forwards until all flows are back
    Restart,
    /// From a plug to ACTIVE, and to the flow on each peer
    Plug,
    /// The agent's memory
    Memory,
    /// The agent's comparison of 100,000 flows with what they should be
    Compare,
    /// The server's memory, ports created one at a time and in bulks, lists of many
    Rest,
    /// What a thousand agents cost the server, and how long news takes to reach them
    Swarm,
    /// The server's start, reads and creations with 100 to 1,000,000 ports
    Growth,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let culvert = match &args.culvert {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("culvert"),
    };
    if !culvert.exists() {
        bail!("there is no {}: build it, or name one with --culvert", culvert.display());
    }
    std::fs::create_dir_all(&args.directory).with_context(|| format!("cannot make {}", args.directory.display()))?;
    let wants = |what| args.what.is_empty() || args.what.contains(&what);
    let site = Site { culvert, directory: args.directory.clone() };
    let mut report = Report::new(Machine::look()?);
    let pace = Pace::of(&site).await?;
    if wants(What::Rest) {
        pace.measure(&mut report, async || rest::measure(&site, args.creates).await).await?;
        pace.measure(&mut report, async || lists::measure(&site, args.runs).await).await?;
        pace.measure(&mut report, async || deaf::measure(&site).await).await?;
    }
    if wants(What::Snapshot) {
        snapshot::measure(&site, args.runs, &mut report).await?;
    }
    if wants(What::Restart) {
        restart::measure(&site, args.runs, &mut report).await?;
    }
    if wants(What::Memory) {
        memory::measure(&site, &mut report).await?;
    }
    if wants(What::Compare) {
        compare::measure(&site, args.runs, &mut report).await?;
    }
    if wants(What::Plug) {
        pace.measure(&mut report, async || plug::measure(&site, args.plugs).await).await?;
    }
    if wants(What::Swarm) {
        swarm::measure(&site, args.seed, &mut report).await?;
    }
    // Last: the disk is at work for a while with what a million ports leave behind.
    if wants(What::Growth) {
        growth::measure(&site, &mut report).await?;
    }
    report.end();
    println!("\n{report}");
    if let Some(path) = &args.record {
        std::fs::write(path, report.to_markdown()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if report.all_valid() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
