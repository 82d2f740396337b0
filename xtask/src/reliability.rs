//! The table of figures in `docs/reliability.md`, from what the failure tests left in a directory.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const BEGIN: &str = "<!-- figures: written by `make reliability` -->\n";
const END: &str = "<!-- end of figures -->";

/// In the order of the page: what dies, as the test calls its run.
const ROWS: [&str; 20] = [
    "nothing",
    "agent killed",
    "agent upgraded",
    "server killed",
    "server stalled",
    "servers gone",
    "network cut",
    "network slow",
    "ovsdb-server restarted",
    "ovsdb-server killed",
    "ovs-vswitchd stopped",
    "ovs-vswitchd killed",
    "Open vSwitch killed",
    "Open vSwitch upgraded",
    "host rebooted",
    "port prepared elsewhere",
    "port migrated live",
    "port moved, plugged before",
    "port moved, plugged after",
    "peers that talk nonsense",
];
/// Not a row of the design's, so last.
const ALL_AT_ONCE: &str = "everything at once";

pub(crate) fn write(figures: &Path) -> Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md");
    let text = fs::read_to_string(&page).context("docs/reliability.md is missing")?;
    let (before, rest) = text.split_once(BEGIN).context("docs/reliability.md has no mark where figures begin")?;
    let (_, after) = rest.split_once(END).context("docs/reliability.md has no mark where figures end")?;
    fs::write(&page, format!("{before}{BEGIN}{}{END}{after}", table(figures)?))?;
    Ok(())
}

fn table(figures: &Path) -> Result<String> {
    let mut table = String::from(
        "| what | probes, pairs × time | lost | lost by twins | at other moments | longest gap | doubled, reordered | \
         flow-mods, transactions | more |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut missing = Vec::new();
    for row in ROWS.into_iter().chain([ALL_AT_ONCE]) {
        let file = figures.join(format!("{}.json", row.replace(' ', "-")));
        let Ok(text) = fs::read_to_string(&file) else {
            missing.push(row);
            continue;
        };
        let row: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        line(&mut table, &row)?;
    }
    ensure!(missing.is_empty(), "these runs have left no figures: {}; did their tests pass?", missing.join(", "));
    Ok(table)
}

fn line(table: &mut String, row: &Value) -> Result<()> {
    let number = |key: &str| row[key].as_u64().unwrap_or_default();
    let decimal = |key: &str| row[key].as_f64().unwrap_or_default();
    let more = row["more"].as_object().into_iter().flatten();
    let more = more.map(|(name, value)| match value.as_f64() {
        Some(figure) if value.is_f64() => format!("{}: {figure:.0}", name.replace('_', " ")),
        _ => format!("{}: {value}", name.replace('_', " ")),
    });
    writeln!(
        table,
        "| {} | {}, {} × {:.1} s | {} | {} | {} | {:.1} ms | {}, {} | {}, {} | {} |",
        row["row"].as_str().unwrap_or_default(),
        number("sent"),
        number("pairs"),
        decimal("seconds"),
        number("lost"),
        number("noise"),
        number("unexplained"),
        decimal("worst_gap_ms"),
        number("duplicates"),
        number("reordered"),
        number("flow_mods"),
        number("transactions"),
        more.collect::<Vec<_>>().join(", "),
    )?;
    Ok(())
}
