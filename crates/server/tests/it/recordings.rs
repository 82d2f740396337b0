//! What a stock Neutron 21 answered, held against what this server answers to the same requests.
//!
//! `tests/recordings/differences.json` names every difference that is meant, with its reason. Any other fails, and one
//! that no longer occurs fails too; with `FORGET_DIFFERENCES=1` the latter are taken out of the file.

mod chosen;
mod compare;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use compare::Difference;

#[tokio::test]
async fn neutrons_answers_and_ours_differ_only_where_it_is_meant() {
    let mut found = Vec::new();
    let mut exchanges = 0;
    for file in recordings() {
        let topic = file.file_stem().unwrap().to_str().unwrap();
        for (exchange, differences) in replay::replay(&file).await {
            exchanges += 1;
            found.extend(differences.into_iter().map(|difference| (format!("{topic}: {exchange}"), difference)));
        }
    }
    assert!(exchanges > 1900, "only {exchanges} exchanges were replayed");

    let meant = meant();
    let mut unused: BTreeSet<&String> = meant.keys().collect();
    let mut others = BTreeMap::<String, Vec<String>>::new();
    for (exchange, Difference { what, is_none, details }) in &found {
        let here = format!("{exchange}: {what}");
        unused.remove(&here);
        if !is_none && !meant.contains_key(&here) {
            others.entry(here).or_default().push(details.clone());
        }
    }
    if !unused.is_empty() && std::env::var_os("FORGET_DIFFERENCES").is_some() {
        forget(&unused);
        unused.clear();
    }
    let count = others.len();
    let report: Vec<String> =
        others.into_iter().map(|(what, details)| format!("{what}\n    {}", details.join("\n    "))).collect();
    assert!(report.is_empty(), "{count} differences that nobody means:\n{}", report.join("\n"));
    assert!(unused.is_empty(), "differences that no longer occur: {unused:#?}");
}

/// A reason, and what it explains, each with its recording and exchange:
/// `networks: create with mtu too small: status 400 HTTPBadRequest, not 201`.
#[derive(Serialize, Deserialize)]
struct Meant {
    reason: String,
    differences: Vec<String>,
}

fn groups() -> Vec<Meant> {
    let text = std::fs::read_to_string(directory().join("differences.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn forget(unused: &BTreeSet<&String>) {
    let mut groups = groups();
    for group in &mut groups {
        group.differences.retain(|difference| !unused.contains(difference));
    }
    groups.retain(|group| !group.differences.is_empty());
    let text = serde_json::to_string_pretty(&groups).unwrap();
    std::fs::write(directory().join("differences.json"), format!("{text}\n")).unwrap();
}

/// Difference → reason.
fn meant() -> BTreeMap<String, String> {
    let mut meant = BTreeMap::new();
    for Meant { reason, differences } in groups() {
        assert!(!reason.is_empty(), "no reason for {differences:?}");
        for difference in differences {
            let twice = meant.insert(difference.clone(), reason.clone());
            assert_eq!(twice, None, "{difference} is explained twice");
        }
    }
    meant
}

fn recordings() -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut recordings: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .filter(|path| !path.ends_with("differences.json"))
        .collect();
    recordings.sort();
    recordings
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}
