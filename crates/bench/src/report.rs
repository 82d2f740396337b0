use std::fmt::{self, Write as _};

use comfy_table::{ContentArrangement, Table};

use crate::machine::{Machine, load};

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Machine,
    load: String,
    figures: Vec<Figure>,
}

/// One figure and what it is to be compared with.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: String,
    /// Measured in the same run, or quoted from elsewhere, and then it says so.
    pub(crate) reference: String,
    /// The figure over its reference, where both have one unit.
    pub(crate) ratio: Option<f64>,
    pub(crate) target: String,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// There is no target for it.
    Shown,
    /// The reference shows that the machine was not fit to measure on.
    Invalid,
}

impl Verdict {
    pub(crate) fn of(met: bool) -> Self {
        if met { Verdict::Met } else { Verdict::Missed }
    }

    fn as_str(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Shown => "",
            Verdict::Invalid => "INVALID",
        }
    }
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        println!("{machine}; load {}", load());
        Report { machine, load: format!("load {}", load()), figures: Vec::new() }
    }

    /// Adds a figure and prints it at once.
    pub(crate) fn add(&mut self, figure: Figure) {
        let Figure { what, value, reference, .. } = &figure;
        println!("  {what}: {value}; reference {reference}; {}", figure.verdict.as_str());
        self.figures.push(figure);
    }

    /// Looks at the load once more.
    pub(crate) fn end(&mut self) {
        let _ = write!(self.load, " at the start, {} at the end (the benchmark's own work included)", load());
    }

    pub(crate) fn all_valid(&self) -> bool {
        self.figures.iter().all(|figure| figure.verdict != Verdict::Invalid)
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!(
            "# Benchmarks\n\nWritten by `make bench-record`; what each figure means is said in `crates/bench`. Times are of \
             one machine and say little without the reference beside them, which is of the same run unless it is said \
             to be quoted.\n\n{}; {}.\n\n| {} |\n|{}\n",
            self.machine,
            self.load,
            HEADINGS.join(" | "),
            " --- |".repeat(HEADINGS.len()),
        );
        for figure in &self.figures {
            let _ = writeln!(text, "| {} |", figure.cells().join(" | "));
        }
        text
    }
}

const HEADINGS: [&str; 6] = ["what", "figure", "reference", "ratio", "target", ""];

impl Figure {
    fn cells(&self) -> [String; 6] {
        let ratio = self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let Figure { what, value, reference, target, verdict, .. } = self;
        [what.clone(), value.clone(), reference.clone(), ratio, target.clone(), verdict.as_str().to_owned()]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_header(HEADINGS);
        for figure in &self.figures {
            table.add_row(figure.cells());
        }
        writeln!(f, "{}; {}", self.machine, self.load)?;
        write!(f, "{table}")
    }
}
