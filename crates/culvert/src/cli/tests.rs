//! The tree of verbs as a whole: each explains itself, and what the help and the documents tell to type can be typed.

use std::collections::HashSet;

use clap::{Arg, ArgAction, Command, CommandFactory as _, Parser as _};

use super::Cli;

const DOCUMENTS: [(&str, &str); 2] =
    [("README.md", include_str!("../../../../README.md")), ("docs/cli.md", include_str!("../../../../docs/cli.md"))];

#[test]
fn the_tree_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_has_an_example_of_itself_that_can_be_typed() {
    let mut verbs = 0;
    let mut wrong = Vec::new();
    let mut abouts = HashSet::new();
    each_verb(&Cli::command(), "culvert", &mut |verb, path| {
        verbs += 1;
        let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        let commands = commands(&help);
        if !commands.iter().any(|command| command.starts_with(path)) {
            wrong.push(format!("`{path} --help` has no example"));
        }
        wrong.extend(commands.iter().filter_map(|command| misspelt(command, path)));
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        if about.is_empty() || abouts.replace(about.clone()).is_some() {
            wrong.push(format!("`{path} --help` does not say what it alone does: {about:?}"));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(verbs > 30, "only {verbs} verbs were looked at");
}

#[test]
fn what_the_documents_tell_to_type_can_be_typed() {
    for (name, text) in DOCUMENTS {
        let commands = commands(text);
        let wrong: Vec<_> = commands.iter().filter_map(|command| misspelt(command, name)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(commands.len() > 5, "only {} commands were found in {name}", commands.len());
    }
}

#[test]
fn a_command_that_cannot_be_typed_is_found() {
    let found = commands("Text:\n  culvert port list --colour red | head   # no such option\n");
    assert_eq!(found, ["culvert port list --colour red"]);
    assert!(misspelt(&found[0], "here").is_some());
    assert_eq!(misspelt("culvert port list --name p1", "here"), None);
}

#[test]
fn every_option_is_required_or_says_what_is_so_without_it() {
    let mut options = 0;
    let mut wrong = Vec::new();
    let mut command = Cli::command();
    command.build();
    each_verb(&command, "culvert", &mut |verb, path| {
        options += verb.get_opts().count();
        wrong.extend(without_default(verb, path));
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(options > 200, "only {options} options were looked at");
}

#[test]
fn an_option_without_a_default_is_found() {
    let option = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    let command = Command::new("verb").args([
        option("required", "So many").required(true),
        option("by-clap", "So many").default_value("3"),
        option("said", "So many [default: any]"),
        option("flag", "So").action(ArgAction::SetTrue),
        option("half", "So [default: ]").action(ArgAction::SetTrue),
        option("silent", "So many"),
        option("empty", "So many [default: ]"),
        option("wordless", " [default: any]"),
    ]);
    assert_eq!(without_default(&command, "verb"), ["verb --half", "verb --silent", "verb --empty", "verb --wordless"]);
}

/// Options of a verb of which the help does not say what they are, or what is so without them; a flag has no need to say that
/// nothing is, but must not begin to.
fn without_default(verb: &Command, path: &str) -> Vec<String> {
    let says = |option: &Arg| {
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        let (text, default) = help.split_once("[default: ").unzip();
        let text = text.unwrap_or(&help);
        // It can be set elsewhere too: in the file, or the environment.
        let required = option.is_required_set() || text.contains("must be set");
        let needs_none = required || !option.get_action().takes_values() || !option.get_default_values().is_empty();
        !text.trim().is_empty() && default.map_or(needs_none, |default| !default.starts_with(']'))
    };
    let silent = verb.get_arguments().filter(|option| !option.is_positional() && !says(option));
    silent.map(|option| format!("{path} --{}", option.get_long().unwrap_or_default())).collect()
}

fn each_verb(command: &Command, path: &str, visit: &mut impl FnMut(&Command, &str)) {
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        let path = format!("{path} {}", verb.get_name());
        visit(verb, &path);
        each_verb(verb, &path, visit);
    }
}

/// Commands of ours that stand on lines of their own, without pipes, redirections and explanations behind them.
fn commands(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split("\\\n").map(|part| part.trim_start_matches(' ')).collect();
    let joined = parts.join("");
    let lines = joined.lines().filter(|line| line.starts_with("  ")).map(str::trim);
    let commands = lines.filter(|line| line.starts_with("culvert "));
    let alone = commands.filter_map(|line| {
        // Two spaces begin an explanation.
        let line = line.split("   ").next()?;
        line.split([" | ", " > ", " && ", " # "].iter().copied().find(|mark| line.contains(mark)).unwrap_or("\n"))
            .next()
    });
    alone.map(|line| line.trim().to_owned()).collect()
}

/// What is wrong with a command that somewhere is told to be typed.
fn misspelt(command: &str, place: &str) -> Option<String> {
    // What stands for a value of the reader's own.
    let command = command.replace("PORT-ID", "7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b").replace("ADDRESS", "192.0.2.1");
    let error = Cli::try_parse_from(command.split_whitespace()).err()?;
    let fine = [clap::error::ErrorKind::DisplayHelp, clap::error::ErrorKind::DisplayVersion];
    (!fine.contains(&error.kind())).then(|| format!("{place}: `{command}`: {error}"))
}
