//! `culvert lab probe`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use lab::{Lab, PairReport, Point, ProbeReport, Probes};

use super::address_of;
use crate::cli::output::Output;
use crate::cli::table::Table;

#[derive(Debug, clap::Args)]
pub(super) struct Probe {
    /// VMs and hosts, each of which probes all others; all VMs if none is named
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// How long, in seconds; Ctrl-C ends it sooner
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Time between two probes of a pair, in milliseconds
    #[arg(long, default_value_t = 1, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    interval_ms: u64,
    /// UDP payload of a probe, in bytes
    #[arg(long, default_value_t = 20, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(20..=9000))]
    bytes: u16,
    #[command(flatten)]
    output: Output,
}

impl Probe {
    pub(super) async fn run(&self, lab: &Lab) -> anyhow::Result<ExitCode> {
        let probes = Probes::start(Duration::from_millis(self.interval_ms), self.points(lab)?)?;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(self.seconds)) => {}
            stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for Ctrl-C")?,
        }
        let report = probes.stop().await?;
        self.output.print(&serde_json::to_value(&report)?, |screen| table(&report).render(screen))?;
        let lost = report.pairs.iter().any(|pair| pair.lost > 0);
        Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn points(&self, lab: &Lab) -> anyhow::Result<Vec<Point>> {
        let mut names = self.nodes.clone();
        if names.is_empty() {
            names.extend(lab.vms()?.iter().map(|vm| vm.spec().name.to_string()));
        }
        ensure!(names.len() > 1, "a probe needs two ends: `culvert lab status` lists hosts and VMs");
        let point = |name: &String| {
            let node = lab.node(name)?;
            let (address, bytes) = (address_of(lab, name)?, self.bytes.into());
            Ok(Point { name: name.clone(), group: String::new(), node, address, bytes })
        };
        names.iter().map(point).collect()
    }
}

fn table(report: &ProbeReport) -> Table {
    let header = ["FROM", "TO", "SENT", "LOST", "WORST GAP", "DELAY", "DOUBLE", "REORDERED", "UNSENT"];
    let rows = report.pairs.iter().map(|pair| {
        let PairReport { from, to, sent, lost, worst_gap_ms, worst_delay_ms, duplicates, reordered, unsent, .. } = pair;
        let [gap, delay] = [worst_gap_ms, worst_delay_ms].map(|ms| format!("{ms:.1} ms"));
        let [sent, lost, duplicates, reordered, unsent] =
            [sent, lost, duplicates, reordered, unsent].map(ToString::to_string);
        [from.clone(), to.clone(), sent, lost, gap, delay, duplicates, reordered, unsent]
    });
    Table::new(header, rows)
}
