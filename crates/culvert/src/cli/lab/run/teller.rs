//! Tells the story on standard output: steps, what came of them, how long each took.

use std::fmt::Display;
use std::io::Write;
use std::time::Instant;

/// Whether anybody reads on is not the story's concern, so errors of standard output are not looked at.
#[derive(Debug)]
pub(super) struct Teller {
    steps: usize,
    step: usize,
    title: String,
    began: Instant,
    started: Instant,
}

/// As wide as the number of a step with what is around it.
const INDENT: &str = "        ";

impl Teller {
    /// `steps`: how many there will be.
    pub(super) fn new(steps: usize) -> Self {
        let now = Instant::now();
        Teller { steps, step: 0, title: String::new(), began: now, started: now }
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        self.began = Instant::now();
        title.clone_into(&mut self.title);
        let (step, steps) = (self.step, self.steps);
        self.print(&format!("\n [{step:>2}/{steps}] {title}"));
    }

    /// Ends the step that runs.
    pub(super) fn done(&self) {
        self.line(format!("({:.2} s)", self.began.elapsed().as_secs_f64()));
    }

    /// `step 3 of 11 broke off (…)`.
    pub(super) fn where_it_is(&self) -> String {
        format!("step {} of {} broke off ({})", self.step, self.steps, self.title)
    }

    /// What came of the step; each line of the text is one.
    pub(super) fn line(&self, text: impl Display) {
        for line in text.to_string().lines() {
            self.print(&format!("{INDENT}{line}"));
        }
    }

    /// A command that does the same as what was just done.
    pub(super) fn command(&self, command: &str) {
        let mut lines = wrap(command, 96).into_iter();
        self.line(format!("$ {}", lines.next().unwrap_or_default()));
        lines.for_each(|line| self.line(format!("      {line}")));
    }

    /// Outside of any step.
    pub(super) fn say(&self, text: &str) {
        self.print(text);
    }

    /// Seconds since the story began.
    pub(super) fn total(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    #[allow(clippy::unused_self, reason = "one who speaks; the others are the words")]
    fn print(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    }
}

/// Breaks a text after spaces and commas into lines of this width; a word that is longer stays whole.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive([' ', ',']) {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.len() + word.trim_end().len() <= width => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_after_commas_and_spaces_and_loses_nothing() {
        assert_eq!(wrap("ab,cd ef", 6), ["ab,cd ", "ef"]);
        assert_eq!(wrap("a-long-word b", 4), ["a-long-word ", "b"]);
        assert_eq!(wrap("x,".repeat(40).as_str(), 10).concat(), "x,".repeat(40));
        assert_eq!(wrap("", 5), [""]);
    }
}
