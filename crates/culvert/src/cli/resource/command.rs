//! The described resources as commands: what clap knows of them, and what it has read.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args as _, Command, FromArgMatches, Subcommand, value_parser};

use super::{Described, Given, Key, Kind, Opt, RESOURCES, Request, Resource, Verb};
use crate::cli::output::Output;
use crate::cli::rest::Server;

/// Ids of arguments that no attribute stands behind; those of options are their names.
const NAMES: &str = "names";
const ATTRIBUTES: &str = "column";
const LIMIT: &str = "limit";
const WAIT: &str = "wait";

/// Seconds that `--wait` alone waits.
const PATIENCE: &str = "60";

impl Subcommand for Request {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(RESOURCES.iter().map(|resource| noun(resource)))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        RESOURCES.iter().any(|resource| resource.noun == name)
    }
}

impl FromArgMatches for Request {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(ErrorKind::MissingSubcommand);
        let (noun, matches) = matches.subcommand().ok_or_else(missing)?;
        let resource = RESOURCES.iter().find(|resource| resource.noun == noun).ok_or_else(missing)?;
        let (word, matches) = matches.subcommand().ok_or_else(missing)?;
        let verb = resource.verbs.iter().map(|described| described.verb).find(|verb| verb.word() == word);
        let verb = verb.ok_or_else(missing)?;
        // Asking for an argument that the verb does not have is an error, and means that it was not given.
        let texts = |id: &str| -> Vec<String> {
            matches.try_get_many(id).ok().flatten().into_iter().flatten().cloned().collect()
        };
        let given = resource.options_of(verb).filter_map(|option| match option.kind {
            Kind::Flag(_) => matches.get_flag(option.long).then(|| Given { option, values: Vec::new() }),
            _ => Some(Given { option, values: texts(option.long) }).filter(|given| !given.values.is_empty()),
        });
        Ok(Request {
            resource,
            verb,
            names: texts(NAMES),
            given: given.collect(),
            attributes: texts(ATTRIBUTES),
            limit: matches.try_get_one(LIMIT).ok().flatten().copied(),
            wait: matches.try_get_one(WAIT).ok().flatten().copied().map(Duration::from_secs),
            output: Output::from_arg_matches(matches)?,
            server: Server::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Verb::List => "list",
            Verb::Show => "show",
            Verb::Create => "create",
            Verb::Set => "set",
            Verb::Delete => "delete",
        }
    }
}

impl Resource {
    fn options_of(&'static self, verb: Verb) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().filter(move |option| option.verbs.contains(&verb))
    }
}

fn noun(resource: &'static Resource) -> Command {
    let examples = resource.verbs.iter().filter_map(|described| described.examples.first().copied());
    Command::new(resource.noun)
        .about(resource.about)
        .after_help(after_help(examples))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(resource.verbs.iter().map(|described| verb(resource, described)))
}

fn verb(resource: &'static Resource, described: &'static Described) -> Command {
    let verb = described.verb;
    let mut command = Command::new(verb.word())
        .args(names(resource, verb))
        .args(resource.options_of(verb).map(|option| to_arg(option, verb)));
    for option in resource.options_of(verb) {
        // Two options of one attribute contradict each other.
        let rivals = resource.options_of(verb).filter(|other| other.attribute == option.attribute);
        let rivals = rivals.map(|other| other.long).filter(|other| *other != option.long);
        command = command.mut_arg(option.long, |arg| arg.conflicts_with_all(rivals));
    }
    if verb == Verb::Set {
        let all = resource.options_of(verb).map(|option| option.long);
        command = command.group(ArgGroup::new("changes").args(all).multiple(true).required(true));
    }
    if verb == Verb::List {
        command = command.arg(
            Arg::new(LIMIT)
                .long(LIMIT)
                .value_name("COUNT")
                .value_parser(positive)
                .help("No more than so many [default: all]"),
        );
    }
    if matches!(verb, Verb::List | Verb::Show) {
        command = command.arg(
            Arg::new(ATTRIBUTES)
                .short('c')
                .long(ATTRIBUTES)
                .value_name("ATTRIBUTE")
                .action(ArgAction::Append)
                .value_parser(PossibleValuesParser::new(server::rest::attributes(resource.api.1)))
                .hide_possible_values(true)
                .help("Show this attribute, by its name in the API, and no others but those so named [default: all, or the table's]"),
        );
    }
    if resource.waits && matches!(verb, Verb::Create | Verb::Set) {
        command = command.arg(wait());
    }
    // Last: what is augmented with brings a text of its own.
    Server::augment_args(Output::augment_args(command))
        .about(described.about)
        .after_help(after_help(described.examples.iter().copied()))
}

fn wait() -> Arg {
    Arg::new(WAIT)
        .long(WAIT)
        .value_name("SECONDS")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value(PATIENCE)
        .value_parser(value_parser!(u64))
        .help(format!("Wait until its status is ACTIVE, {PATIENCE} if it is not said how long [default: no waiting]"))
}

fn names(resource: &Resource, verb: Verb) -> Option<Arg> {
    let title = resource.noun.to_uppercase();
    let arg = Arg::new(NAMES).value_name(title).required(true).help(format!("Name or id of the {}", resource.noun));
    match verb {
        Verb::List => None,
        Verb::Create => Some(arg.value_name("NAME").required(false).help("Its name [default: none]")),
        Verb::Show | Verb::Set => Some(arg),
        Verb::Delete => Some(arg.num_args(1..).help(format!("Names or ids of {}s", resource.noun))),
    }
}

fn to_arg(option: &'static Opt, verb: Verb) -> Arg {
    let required = option.required && verb == Verb::Create;
    let (text, default) = match verb {
        Verb::List => (option.filter, "any"),
        Verb::Set => (option.help, "unchanged"),
        _ => (option.help, option.default),
    };
    let help = if required { text.to_owned() } else { format!("{text} [default: {default}]") };
    let arg = Arg::new(option.long).long(option.long).help(help).required(required);
    let arg = option.alias.into_iter().fold(arg, Arg::alias);
    match option.kind {
        Kind::Text(value) => arg.value_name(value),
        Kind::Number(value) => arg.value_name(value).value_parser(number),
        Kind::Id(resource) => arg.value_name(resource.noun.to_uppercase()),
        Kind::Flag(_) => arg.action(ArgAction::SetTrue),
        Kind::Texts(value) => arg.value_name(value).action(ArgAction::Append),
        Kind::Objects(keys) => {
            let shape =
                keys.iter().map(|Key { word, value, .. }| format!("{word}={value}")).collect::<Vec<_>>().join(",");
            let parser = move |text: &str| pairs(keys, text).map(|_| text.to_owned());
            arg.value_name(shape).action(ArgAction::Append).value_parser(parser)
        }
    }
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "it is not a whole number from 1".to_owned())
}

fn number(text: &str) -> Result<String, String> {
    text.parse::<u64>().map(|number| number.to_string()).map_err(|_| "it is not a whole number".to_owned())
}

/// `key=value,…` in parts; an error for wrong usage.
pub(super) fn pairs<'a>(keys: &'static [Key], text: &'a str) -> Result<Vec<(&'static Key, &'a str)>, String> {
    let known = || keys.iter().map(|key| key.word).collect::<Vec<_>>().join(" and ");
    let pair = |part: &'a str| {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("\"{part}\" is not key=value"))?;
        let key = keys.iter().find(|key| key.word == name);
        Ok((key.ok_or_else(|| format!("there is no key \"{name}\": the keys are {}", known()))?, value))
    };
    text.split(',').map(pair).collect()
}

fn after_help<'a>(examples: impl Iterator<Item = &'a str>) -> String {
    let lines = examples.map(|example| format!("\n  {example}"));
    lines.fold("Examples:".to_owned(), |text, line| text + &line)
}
