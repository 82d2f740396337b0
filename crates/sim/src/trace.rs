//! A run as text: the setup, then a step a line, as JSON; lines that begin with # are comments.

use crate::setup::Setup;
use crate::step::Step;

pub fn print(setup: Setup, steps: &[Step]) -> Result<String, serde_json::Error> {
    let mut lines = vec![serde_json::to_string(&setup)?];
    for step in steps {
        lines.push(serde_json::to_string(step)?);
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

pub fn parse(text: &str) -> anyhow::Result<(Setup, Vec<Step>)> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let setup = serde_json::from_str(lines.next().unwrap_or_default())?;
    let steps = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok((setup, steps))
}
