//! What the shells complete, asked of the shells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const CULVERT: &str = env!("CARGO_BIN_EXE_culvert");

/// How each shell is asked what may come next. `$1` is its script of ours, the other arguments are lines typed so far; for
/// each it prints a line `? LINE`, and what it would show.
const SHELLS: [(&str, &[&str], &str); 3] = [
    (
        "bash",
        &["--norc", "-c"],
        r#"
        source "$0"
        for line; do
            read -ra COMP_WORDS <<<"$line"
            [[ $line != *" " ]] || COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            COMPREPLY=()
            _culvert culvert "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\n' "? $line" "${COMPREPLY[@]}"
        done"#,
    ),
    (
        "fish",
        &["--no-config", "-c"],
        r#"
        source $argv[1]
        for line in $argv[2..]
            echo "? $line"
            complete -C "$line"
        end"#,
    ),
    // Only a zsh that has a terminal completes: this one gives another one such.
    (
        "zsh",
        &["-f", "-c"],
        r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        settle() { zpty -w shell "echo do''ne"; zpty -r shell said '*done*ready*' }
        zpty -w shell "stty rows 1000 cols 300; PS1=; fpath=(${(q)0:h} \$fpath); autoload -Uz compinit; compinit -u -D"
        zpty -w shell "bindkey -e; bindkey '^I' list-choices; LISTMAX=0"
        zpty -w shell "zle-line-init() { print -n rea''dy }; zle -N zle-line-init"
        settle
        for line; do
            zpty -n -w shell "$line"$'\t\C-u'
            settle
            print -r -- "? $line"$'\n'"$said"
        done"#,
    ),
];

/// Each shell completes every verb and every option, and the value of an option without an error.
#[test]
fn each_shell_completes_every_verb_and_option() {
    let directory = tempfile::tempdir().unwrap();
    let expected = expected();
    assert!(expected.len() > 200, "only {} questions: {expected:?}", expected.len());
    for (shell, arguments, ask) in SHELLS {
        let script = directory.path().join("_culvert");
        std::fs::write(&script, culvert(&["completion", shell])).unwrap();
        let path = format!("{}:{}", Path::new(CULVERT).parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(shell);
        command.args(arguments).arg(ask).arg(&script).args(expected.keys()).env("PATH", path);
        let output = command.output().unwrap_or_else(|error| panic!("{shell}: {error}"));
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let answers = answers(&said);
        let wrong: Vec<_> = expected
            .iter()
            .filter(|(line, words)| answers.get(line.as_str()).is_none_or(|answer| !words.is_subset(answer)))
            .map(|(line, words)| format!("{line:?} is to give {words:?}, not {:?}", answers.get(line.as_str())))
            .collect();
        assert!(wrong.is_empty(), "{shell}: {} of them wrong:\n{}", wrong.len(), wrong.join("\n"));
        let failed = ["not found", "error", "invalid"].iter().find(|word| said.contains(*word));
        assert_eq!(failed, None, "{shell} says so of:\n{said}");
    }
}

/// Lines that are typed so far, and the words of which each must be among what comes next: the verbs after every verb that has
/// some, and its options after a verb's name; after an option that takes something nothing in particular.
fn expected() -> BTreeMap<String, BTreeSet<String>> {
    let pages = tempfile::tempdir().unwrap();
    culvert(&["man", pages.path().to_str().unwrap()]);
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for page in pages.path().read_dir().unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        let verb = name.trim_end_matches(".1").replace('-', " ");
        if let Some((parent, last)) = verb.rsplit_once(' ') {
            expected.entry(format!("{parent} ")).or_default().insert(last.to_owned());
        }
        let words: Vec<&str> = verb.split(' ').skip(1).chain(["--help"]).collect();
        for line in culvert(&words).lines().map(str::trim).filter(|line| line.starts_with('-')) {
            let Some((_, option)) = line.split_once("--") else { continue };
            let (option, rest) = option.split_at(option.find([' ', '[']).unwrap_or(option.len()));
            expected.entry(format!("{verb} --")).or_default().insert(format!("--{option}"));
            if rest.starts_with(" <") {
                expected.insert(format!("{verb} --{option} "), BTreeSet::new());
            }
        }
    }
    expected
}

/// The first words of the lines that a shell shows, and options that share one, by what it was asked.
fn answers(said: &str) -> BTreeMap<&str, BTreeSet<String>> {
    let answers = said.split("\n? ").map(|answer| answer.trim_start_matches("? ")).map(|answer| {
        let (line, shown) = answer.split_once('\n').unwrap_or((answer, ""));
        let of_line = |line: &'_ str| -> Vec<String> {
            let mut words = line.split_whitespace();
            let first = words.next().into_iter();
            first
                .chain(words.take_while(|word| word.starts_with("--") && word.len() > 2))
                .map(without_escapes)
                .collect()
        };
        let words = shown.lines().flat_map(of_line);
        (line, words.collect())
    });
    answers.collect()
}

/// A word without what it tells the terminal.
fn without_escapes(word: &str) -> String {
    let mut parts = word.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest)
    })
}

fn culvert(arguments: &[&str]) -> String {
    let output = Command::new(CULVERT).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
