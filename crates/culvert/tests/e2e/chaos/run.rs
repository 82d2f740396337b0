//! What became of the probes of one run, judged against what the machine itself lost at that moment.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use lab::{Loss, PairReport, ProbeReport};
use serde_json::{Value, json};

pub(super) const OVERLAY: &str = "overlay";
pub(super) const TWINS: &str = "twins";
pub(super) const UNDERLAY: &str = "underlay";

/// How long a fault lasts, or how often it comes: more with `make soak` than with `make test`.
pub(super) fn soak(short: u64, long: u64) -> u64 {
    if std::env::var_os("CULVERT_SOAK").is_some() { long } else { short }
}

/// A loss between two VMs that lies within losses between twins, or this close to them, in milliseconds, is the machine's
/// noise.
const NOISE: f64 = 250.0;

pub(super) struct Run {
    row: String,
    /// Before this, in milliseconds, the VMs were still asking for each other's addresses.
    begin: f64,
    pub(super) report: ProbeReport,
    /// Flow-mods and transactions of all agents.
    written: Vec<String>,
    /// More of what the table of figures is to say.
    more: Value,
}

impl Run {
    pub(super) fn new(row: &str, begin: Duration, report: ProbeReport, written: Vec<String>) -> Run {
        let begin = begin.as_secs_f64() * 1e3;
        Run { row: row.to_owned(), begin, report, written, more: json!({}) }
    }

    /// Nothing was lost, nothing came twice, and no agent wrote anything.
    pub(super) fn is_untouched(&self) {
        self.loses_nothing();
        assert_eq!(self.written, Vec::<String>::new(), "{self}");
        self.record();
    }

    pub(super) fn loses_nothing(&self) {
        assert_eq!(self.pairs().map(|pair| pair.duplicates).sum::<u64>(), 0, "{self}");
        assert!(self.pairs().all(|pair| pair.received > 0), "{self}");
        self.is_noise("", &self.losses().collect::<Vec<_>>());
    }

    /// VMs other than this one lost nothing among themselves.
    pub(super) fn others_lose_nothing(&self, vm: &str) {
        let others = self.losses_but(vm).filter(|(pair, _)| pair.from != vm && pair.to != vm);
        self.is_noise(vm, &others.collect::<Vec<_>>());
    }

    /// There must be no loss on a machine that loses none of the twins' probes. On one that loses many, not each loss
    /// coincides with one of theirs: a twentieth of what they lost may stay without an explanation.
    fn is_noise(&self, but: &str, losses: &[(&PairReport, Loss)]) {
        let lost: u64 = losses.iter().map(|(_, loss)| loss.lost).sum();
        let twins: u64 = self.twins_but(but).map(|twins| twins.lost).sum();
        let shown = losses.iter().map(|(pair, loss)| (&pair.from, &pair.to, loss)).collect::<Vec<_>>();
        assert!(lost <= twins / 20, "{lost} lost and {twins} of the twins': {self}\n{shown:?}\n{:?}", self.noise(but));
    }

    fn twins_but(&self, vm: &str) -> impl Iterator<Item = &PairReport> {
        let but = twin_of(vm);
        self.report.group(TWINS).filter(move |twins| twins.from != but && twins.to != but)
    }

    /// Probes between VMs that did not arrive, the machine's noise aside.
    pub(super) fn lost(&self) -> u64 {
        self.losses().map(|(_, loss)| loss.lost).sum()
    }

    pub(super) fn losses(&self) -> impl Iterator<Item = (&PairReport, Loss)> {
        self.losses_but("")
    }

    /// The noise being what twins lose that are not on the host of this VM.
    fn losses_but(&self, vm: &str) -> impl Iterator<Item = (&PairReport, Loss)> {
        let noise = self.noise(vm);
        let is_noise = move |loss: &Loss| noise.iter().any(|(from, to)| loss.from_ms >= *from && loss.to_ms <= *to);
        let losses = self.pairs().flat_map(|pair| pair.losses.iter().map(move |loss| (pair, *loss)));
        losses.filter(move |(_, loss)| loss.to_ms >= self.begin && !is_noise(loss))
    }

    /// Probes between VMs that did not arrive, whatever the reason.
    pub(super) fn missed(&self) -> u64 {
        self.all_losses().map(|(_, loss)| loss.lost).sum()
    }

    /// What stops the twins stops the VMs as well, and no more: a tenth, and some probes for each pair, is for what begins
    /// and ends between two probes, and for the twins' other size.
    pub(super) fn loses_no_more_than_twins(&self) {
        let (lost, twins) = (self.missed(), self.report.group(TWINS).map(|pair| pair.lost).sum::<u64>());
        let pairs = self.pairs().count() as u64;
        assert!(lost <= twins + twins / 10 + 20 * pairs, "{lost} lost, and {twins} of the twins': {self}");
    }

    /// The longest time for which this VM heard nothing of another, in milliseconds, whatever the reason.
    pub(super) fn longest_gap_to(&self, vm: &str) -> f64 {
        let to_it = self.all_losses().filter(|(pair, _)| pair.to == vm);
        to_it.map(|(_, loss)| loss.to_ms - loss.from_ms).fold(0.0, f64::max)
    }

    /// Flow-mods that the host's agent has written, in words.
    pub(super) fn flow_mods_of(&self, host: &str) -> Vec<&String> {
        self.written.iter().filter(|written| written.starts_with(host) && written.contains("FlowMod")).collect()
    }

    /// Flow-mods and transactions of all agents.
    pub(super) fn written_by_all(&self) -> usize {
        self.written.len()
    }

    fn all_losses(&self) -> impl Iterator<Item = (&PairReport, Loss)> {
        let all = self.pairs().flat_map(|pair| pair.losses.iter().map(move |loss| (pair, *loss)));
        all.filter(|(_, loss)| loss.to_ms >= self.begin)
    }

    /// When the machine itself lost probes, between any two hosts: from when to when, in milliseconds. All share its queues.
    fn noise(&self, but: &str) -> Vec<(f64, f64)> {
        let losses = self.twins_but(but).flat_map(|twins| &twins.losses);
        let mut around: Vec<_> = losses.map(|loss| (loss.from_ms - NOISE, loss.to_ms + NOISE)).collect();
        around.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for (from, to) in around {
            match merged.last_mut().filter(|last| from <= last.1) {
                Some(last) => last.1 = last.1.max(to),
                None => merged.push((from, to)),
            }
        }
        merged
    }

    /// Those of pairs of which one end is this VM.
    pub(super) fn losses_of(&self, vm: &str) -> impl Iterator<Item = (&PairReport, Loss)> {
        self.all_losses().filter(move |(pair, _)| pair.from == vm || pair.to == vm)
    }

    pub(super) fn flow_mods(&self) -> usize {
        self.written.iter().filter(|written| written.contains("FlowMod")).count()
    }

    fn pairs(&self) -> impl Iterator<Item = &PairReport> {
        self.report.group(OVERLAY)
    }

    /// One more column for the row.
    pub(super) fn with(mut self, figure: &str, value: impl Into<Value>) -> Run {
        self.more[figure] = value.into();
        self
    }

    /// Leaves the row's figures for `make reliability`, if that is what runs this.
    pub(super) fn record(&self) {
        let Some(directory) = std::env::var_os("CULVERT_RELIABILITY_DIR") else { return };
        let file = Path::new(&directory).join(format!("{}.json", self.row.replace(' ', "-")));
        std::fs::write(file, self.figures().to_string()).unwrap();
    }

    fn figures(&self) -> Value {
        let sum = |figure: fn(&PairReport) -> u64| self.pairs().map(figure).sum::<u64>();
        let worst = |figure: fn(&PairReport) -> f64| self.pairs().map(figure).fold(0.0, f64::max);
        json!({
            "row": self.row,
            "pairs": self.pairs().count(),
            "seconds": self.report.duration_ms / 1e3,
            "sent": sum(|pair| pair.sent),
            "lost": self.missed(),
            "unexplained": self.lost(),
            "noise": self.report.group(TWINS).map(|pair| pair.lost).sum::<u64>(),
            "unsent": sum(|pair| pair.unsent),
            "reordered": sum(|pair| pair.reordered),
            "duplicates": sum(|pair| pair.duplicates),
            "worst_gap_ms": self.all_losses().map(|(_, loss)| loss.to_ms - loss.from_ms).fold(0.0, f64::max),
            "worst_delay_ms": worst(|pair| pair.worst_delay_ms),
            "flow_mods": self.flow_mods(),
            "transactions": self.written.len() - self.flow_mods(),
            "more": self.more,
        })
    }
}

/// `twin2` for `vm2`.
fn twin_of(vm: &str) -> String {
    vm.replacen("vm", "twin", 1)
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.figures())
    }
}
