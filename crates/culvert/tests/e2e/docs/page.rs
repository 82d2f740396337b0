//! The dumps in the page, and whether they mean the same as a host's.
//!
//! A dump is a code block under a comment that says what it is of: `<!-- real: br-tun 20 -->` is table 20 of `br-tun`,
//! `br-tun 2,18,21` three tables in full, `ports` and `tunnels` what the database has. A word `NAME=false` before that is
//! a mode; what a mode has no block for must be as it is without the mode.

use std::collections::{BTreeMap, BTreeSet};

use openflow::Flow;
use pipeline::Cookie;

/// Lines of dumps by their place: `br-int 0`, `br-tun 20`, `ports`, `tunnels`.
pub(super) type Lines = BTreeMap<String, Vec<String>>;

const MARK: &str = "<!-- real: ";

/// What is here and not there, and what the other way round, as a person may read it.
pub(super) fn differences(page: &str, real: &BTreeMap<&str, Lines>) -> Vec<String> {
    let shown = blocks(page);
    let none = Lines::new();
    let plain = shown.get("").unwrap_or(&none);
    let numbers = numbers(shown.values().chain(real.values()));
    let mut differences: Vec<_> =
        shown.keys().filter(|mode| !real.contains_key(*mode)).map(|mode| format!("{mode}: no such mode")).collect();
    let mut objects = (BTreeMap::new(), BTreeMap::new());
    for (mode, lines) in real {
        let own = shown.get(*mode).unwrap_or(&none);
        let places: BTreeSet<_> = plain.keys().chain(own.keys()).chain(lines.keys()).collect();
        for place in places {
            let in_page = meanings(own.get(place).or(plain.get(place)), &vlans_of_taps(plain), &numbers);
            let on_host = meanings(lines.get(place), &vlans_of_taps(lines), &numbers);
            let mut say = |what: &str, line: &str| differences.push(format!("{mode} {place}: {what}: {line}"));
            for (meaning, (line, object)) in &in_page {
                match on_host.get(meaning) {
                    None => say("only in the page", line),
                    // Ids are not the same in any two runs; but what is of one object there is of one object here.
                    Some((_, here)) => {
                        let same = *objects.0.entry(*object).or_insert(*here) == *here;
                        if !same || *objects.1.entry(*here).or_insert(*object) != *object {
                            say("the cookie is of another object", line);
                        }
                    }
                }
            }
            for (_, (line, _)) in on_host.iter().filter(|(meaning, _)| !in_page.contains_key(*meaning)) {
                say("only on the host", line);
            }
        }
    }
    differences
}

/// The page with its dumps replaced.
pub(super) fn with_dumps_of(page: &str, real: &BTreeMap<&str, Lines>) -> String {
    let mut text = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        text.extend([line, "\n"]);
        let Some((mode, places)) = mark(line) else { continue };
        let dump = places.iter().filter_map(|place| real[mode].get(place)).flatten();
        text.extend(["```text\n"]);
        text.extend(dump.flat_map(|line| [line, "\n"]));
        text.extend(["```\n"]);
        lines.by_ref().skip(1).find(|line| *line == "```");
    }
    text
}

/// Where a flow belongs.
pub(super) fn place_of(bridge: &str, flow: &str) -> String {
    let table = flow.split_once(" table=").and_then(|(_, rest)| rest.split(',').next());
    format!("{bridge} {}", table.unwrap_or("0"))
}

/// The page's dumps by mode.
fn blocks(page: &str) -> BTreeMap<&str, Lines> {
    let mut blocks = BTreeMap::<_, Lines>::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some((mode, places)) = mark(line) else { continue };
        assert_eq!(lines.next(), Some("```text"), "after {line}");
        let of_mode = blocks.entry(mode).or_default();
        for place in &places {
            assert!(of_mode.insert(place.clone(), Vec::new()).is_none(), "{line} is there twice");
        }
        for line in lines.by_ref().take_while(|line| *line != "```") {
            let place = match places.as_slice() {
                [place] => place.clone(),
                _ => place_of("br-tun", line),
            };
            of_mode.get_mut(&place).unwrap_or_else(|| panic!("not of {places:?}: {line}")).push(line.to_owned());
        }
    }
    blocks
}

/// Mode and places of a block, if this line announces one.
fn mark(line: &str) -> Option<(&str, Vec<String>)> {
    let what = line.strip_prefix(MARK)?.strip_suffix(" -->")?;
    let (mode, what) = what.split_once(' ').filter(|(word, _)| word.contains('=')).unwrap_or(("", what));
    let places = match what.split_once(' ') {
        Some((bridge, tables)) => tables.split(',').map(|table| format!("{bridge} {table}")).collect(),
        None => vec![what.to_owned()],
    };
    Some((mode, places))
}

/// Lines by what they mean, with the object in each one's cookie.
fn meanings<'a>(
    lines: Option<&'a Vec<String>>,
    vlans: &BTreeMap<String, String>,
    numbers: &BTreeMap<String, usize>,
) -> BTreeMap<String, (&'a str, u64)> {
    let meaning = |line: &'a String| {
        let text = vlans.iter().fold(line.clone(), |text, (tap, vlan)| text.replace(tap, vlan));
        if !text.contains("actions=") {
            let words = text.split_whitespace().map(|word| if word.contains("net_uuid") { "{net_uuid," } else { word });
            return (words.collect::<Vec<_>>().join(" "), (line.as_str(), 0));
        }
        let text = numbers.iter().fold(text, |text, (name, number)| text.replace(name, &number.to_string()));
        let mut flow = text.parse::<Flow>().unwrap_or_else(|error| panic!("{line}: {error}")).normalised();
        let object = Cookie::parse(flow.cookie).map_or(flow.cookie, |cookie| cookie.object);
        flow.cookie &= Cookie::KIND_MASK;
        (flow.to_string(), (line.as_str(), object))
    };
    lines.into_iter().flatten().map(meaning).collect()
}

/// The interfaces of VMs are named after port ids, which differ from run to run: they go by their VLANs.
fn vlans_of_taps(lines: &Lines) -> BTreeMap<String, String> {
    let ports = lines.get("ports").into_iter().flatten();
    let words = ports.map(|row| row.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.len() > 1).map(|words| (words[0].to_owned(), format!("tap-of-{}", words[1]))).collect()
}

/// A number for every interface that a flow names, in quotes as `ovs-ofctl` prints it.
fn numbers<'a>(all: impl Iterator<Item = &'a Lines>) -> BTreeMap<String, usize> {
    let mut names = BTreeSet::new();
    for lines in all {
        let vlans = vlans_of_taps(lines);
        for line in lines.values().flatten().filter(|line| line.contains("actions=")) {
            let quoted = line.split('"').skip(1).step_by(2);
            names.extend(quoted.map(|name| format!("\"{}\"", vlans.get(name).map_or(name, String::as_str))));
        }
    }
    names.into_iter().zip(1..).collect()
}
