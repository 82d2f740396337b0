//! Settings in layers: a TOML file, then the environment, then flags, each over the one before, with the same names in
//! all three. `api_listen` in the file is `CULVERT_SERVER_API_LISTEN` in the environment and `--api-listen` as a flag.
//!
//! Each option is described once, in a table ([`Component::OPTIONS`]); flags, help and environment follow from it. The
//! values are parsed once, by the settings' own `Deserialize`, whatever layer they came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::logging::Logging;

/// A part of Culvert that has settings.
pub(crate) trait Component {
    /// Each option has a default; what an operator must set is an `Option`, and the settings' own check asks for it.
    type Settings: Default + Serialize + DeserializeOwned;
    /// The name in `CULVERT_<NAME>_…` and `/etc/culvert/<name>.toml`.
    const NAME: &'static str;
    const OPTIONS: &'static [Opt];
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt {
    /// As a flag: with dashes. In the file and the environment they are underscores.
    pub name: &'static str,
    pub kind: Kind,
    /// What stands for the value in the help, unit included: `ADDRESS:PORT`, `MILLISECONDS`.
    pub value: &'static str,
    pub help: &'static str,
}

/// How text from the environment or a flag becomes a TOML value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    /// `true` or `false`; as a flag alone it means `true`.
    Switch,
    /// Separated by commas.
    #[allow(dead_code, reason = "options of the agent")]
    List,
}

/// What every daemon has: options beside its own, and settings that are handed out apart.
#[rustfmt::skip]
const COMMON: [Opt; 2] = [
    Opt { name: "log", kind: Kind::Text, value: "FILTER", help:
        "What to log: a level, or levels by part, as in info,server=debug" },
    Opt { name: "log-format", kind: Kind::Text, value: "text|json", help: "How to write the log" },
];

/// The arguments of a component's command: `--config`, `--check-config`, and one flag for each option.
#[derive(Debug)]
pub(crate) struct Layers<C> {
    /// Only say whether the settings are right.
    pub(crate) check_only: bool,
    file: Option<PathBuf>,
    flags: Vec<(&'static str, String)>,
    component: PhantomData<C>,
}

const FILE: &str = "config";
const CHECK: &str = "check-config";

impl<C: Component> Layers<C> {
    /// Reads all layers: the component's settings, and how it is to log.
    pub(crate) fn load(&self) -> anyhow::Result<(C::Settings, Logging)> {
        self.load_with(std::env::vars_os(), &default_file::<C>())
    }

    fn load_with(
        &self,
        environment: impl Iterator<Item = (OsString, OsString)>,
        default_file: &Path,
    ) -> anyhow::Result<(C::Settings, Logging)> {
        let mut environment = environment_of::<C>(environment)?;
        let file = self.file.clone().or_else(|| environment.remove(FILE).map(PathBuf::from));
        let mut table = match &file {
            Some(named) => read(named)?,
            None if default_file.exists() => read(default_file)?,
            None => Table::new(),
        };
        let file = file.as_deref().unwrap_or(default_file);
        let mut settings = parse::<C>(&table, &file.display().to_string())?;

        let from_environment = environment.iter().map(|(name, text)| (*name, text, variable::<C>(name)));
        let from_flags = self.flags.iter().map(|(name, text)| (*name, text, format!("--{name}")));
        for (name, text, origin) in from_environment.chain(from_flags) {
            let Some(option) = options::<C>().find(|option| option.name == name) else { continue };
            let value = option.parse(text).with_context(|| format!("in {origin}"))?;
            table.insert(option.key(), value);
            // Parsed anew with each value, so that an error names the layer it came from.
            settings = parse::<C>(&table, &origin)?;
        }
        Ok(settings)
    }
}

impl Opt {
    fn key(&self) -> String {
        self.name.replace('-', "_")
    }

    fn parse(&self, text: &str) -> anyhow::Result<Value> {
        Ok(match self.kind {
            Kind::Text => Value::String(text.to_owned()),
            Kind::Number => Value::Integer(text.parse().map_err(|_| anyhow!("\"{text}\" is not a whole number"))?),
            Kind::Switch => Value::Boolean(text.parse().map_err(|_| anyhow!("\"{text}\" is not true or false"))?),
            Kind::List => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
        })
    }

    fn to_arg<C: Component>(self, defaults: &Table) -> Arg {
        let default = match defaults.get(&self.key()) {
            Some(Value::String(text)) => format!(" [default: {text}]"),
            Some(Value::Array(parts)) => {
                let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
                format!(" [default: {}]", parts.join(","))
            }
            Some(value) => format!(" [default: {value}]"),
            None => String::new(),
        };
        let help = format!("{} [env: {}]{default}", self.help, variable::<C>(self.name));
        let arg = Arg::new(self.name).long(self.name).value_name(self.value).help(help).action(ArgAction::Set);
        match self.kind {
            Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            Kind::Text | Kind::Number | Kind::List => arg,
        }
    }
}

fn options<C: Component>() -> impl Iterator<Item = &'static Opt> {
    C::OPTIONS.iter().chain(&COMMON)
}

fn parse<C: Component>(table: &Table, origin: &str) -> anyhow::Result<(C::Settings, Logging)> {
    let mut own = table.clone();
    let common = COMMON.iter().filter_map(|option| own.remove_entry(&option.key())).collect();
    // The error's second line names the key.
    let wrong = |error: toml::de::Error| anyhow!("in {origin}: {}", error.to_string().trim_end().replace('\n', " "));
    Ok((own.try_into().map_err(wrong)?, Table::try_into(common).map_err(wrong)?))
}

fn defaults<C: Component>() -> Table {
    let tables = [Table::try_from(C::Settings::default()), Table::try_from(Logging::default())];
    tables.into_iter().flatten().flatten().collect()
}

fn read(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("{} is not TOML", path.display()))
}

fn default_file<C: Component>() -> PathBuf {
    PathBuf::from(format!("/etc/culvert/{}.toml", C::NAME))
}

/// The environment's name of an option.
fn variable<C: Component>(option: &str) -> String {
    format!("CULVERT_{}_{option}", C::NAME).replace('-', "_").to_uppercase()
}

/// The values that the environment sets, by option. A variable that bears our prefix and is no option is an error: it
/// is a misspelt one.
fn environment_of<C: Component>(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let names = || options::<C>().map(|option| option.name).chain([FILE]);
    let prefix = variable::<C>("");
    let mut values = BTreeMap::new();
    for (key, value) in environment {
        let Some(key) = key.to_str().filter(|key| key.starts_with(&prefix)) else { continue };
        let Some(name) = names().find(|name| variable::<C>(name) == *key) else {
            bail!("{key} in the environment is not a setting: see culvert {} --help for their names", C::NAME);
        };
        let text = value.into_string().map_err(|_| anyhow!("{key} in the environment is not UTF-8"))?;
        values.insert(name, text);
    }
    Ok(values)
}

impl<C: Component> clap::Args for Layers<C> {
    fn augment_args(command: Command) -> Command {
        let defaults = defaults::<C>();
        let file = format!(
            "TOML file with the settings below, written with _ for - [env: {}] [default: {}, if it exists]",
            variable::<C>(FILE),
            default_file::<C>().display()
        );
        let own = [
            Arg::new(FILE).long(FILE).value_name("PATH").help(file).value_parser(clap::value_parser!(PathBuf)),
            Arg::new(CHECK).long(CHECK).action(ArgAction::SetTrue).help("Say whether the settings are right, and exit"),
        ];
        command.args(own).args(options::<C>().map(|option| option.to_arg::<C>(&defaults)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<C: Component> clap::FromArgMatches for Layers<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let text = |name| matches.get_one::<String>(name).cloned();
        Ok(Layers {
            check_only: matches.get_flag(CHECK),
            file: matches.get_one::<PathBuf>(FILE).cloned(),
            flags: options::<C>().filter_map(|option| Some((option.name, text(option.name)?))).collect(),
            component: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Whether the table of options names exactly the settings' fields.
#[cfg(test)]
pub(crate) fn options_match_fields<C: Component>(settings: &C::Settings) {
    let mut fields: Vec<String> = Table::try_from(settings).unwrap().keys().cloned().collect();
    let mut options: Vec<String> = C::OPTIONS.iter().map(Opt::key).collect();
    fields.sort();
    options.sort();
    assert_eq!(options, fields, "options and fields of {} differ", C::NAME);
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        listen_port: u16,
        trusted: bool,
        types: Vec<String>,
        server: Option<String>,
    }

    impl Default for Settings {
        fn default() -> Self {
            Settings { listen_port: 80, trusted: false, types: vec!["gre".into(), "vxlan".into()], server: None }
        }
    }

    struct Part;

    impl Component for Part {
        type Settings = Settings;
        const NAME: &'static str = "part";
        const OPTIONS: &'static [Opt] = &[
            Opt { name: "listen-port", kind: Kind::Number, value: "PORT", help: "where" },
            Opt { name: "trusted", kind: Kind::Switch, value: "BOOL", help: "whether" },
            Opt { name: "types", kind: Kind::List, value: "TYPE,…", help: "which" },
            Opt { name: "server", kind: Kind::Text, value: "ADDRESS", help: "who" },
        ];
    }

    fn load(file: Option<&str>, environment: &[(&str, &str)], flags: &[&str]) -> Result<Settings, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let command = Layers::<Part>::augment_args(Command::new("part"));
        let matches = command.try_get_matches_from([&["part"], flags].concat()).map_err(|error| error.to_string())?;
        let layers = Layers::<Part>::from_arg_matches(&matches).unwrap();
        let environment = environment.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        layers.load_with(environment, &path).map(|(settings, _)| settings).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn each_layer_goes_over_the_one_before() {
        assert_eq!(load(None, &[], &[]), Ok(Settings::default()));
        let file = Some("listen_port = 1\nserver = 'file'\ntypes = ['gre']");
        let environment = [("CULVERT_PART_LISTEN_PORT", "2"), ("CULVERT_PART_TYPES", "vxlan, gre"), ("HOME", "/")];
        let loaded = load(file, &environment, &["--listen-port", "3", "--trusted"]).unwrap();
        let types = vec!["vxlan".to_owned(), "gre".to_owned()];
        assert_eq!(loaded, Settings { listen_port: 3, trusted: true, types, server: Some("file".into()) });
        assert_eq!(load(file, &environment, &[]).unwrap().listen_port, 2);
        assert!(!load(Some("trusted = true"), &[], &["--trusted=false"]).unwrap().trusted);
        // What every daemon has beside its own settings is in all layers too.
        for (file, environment, flags) in [
            (Some("log = 'debug'\nlog_format = 'json'"), &[][..], &[][..]),
            (None, &[("CULVERT_PART_LOG", "debug"), ("CULVERT_PART_LOG_FORMAT", "json")], &[]),
            (Some("log = 'warn'"), &[("CULVERT_PART_LOG_FORMAT", "text")], &["--log=debug", "--log-format=json"]),
        ] {
            assert_eq!(load(file, environment, flags), Ok(Settings::default()));
        }
    }

    #[test]
    fn an_error_names_the_layer_and_the_setting() {
        for (file, environment, flags, place) in [
            (Some("no_such = 1"), None, None, ["part.toml", "no_such"]),
            (Some("listen_port = 'x'"), None, None, ["part.toml", "listen_port"]),
            (Some("listen_port ="), None, None, ["part.toml", "TOML"]),
            (Some("log = 'a=b=c'"), None, None, ["part.toml", "a=b=c"]),
            (None, Some(("CULVERT_PART_LOG", "a=b=c")), None, ["CULVERT_PART_LOG", "a=b=c"]),
            (None, None, Some("--log-format=xml"), ["--log-format", "xml"]),
            (None, Some(("CULVERT_PART_LISTEN_PROT", "1")), None, ["CULVERT_PART_LISTEN_PROT", "--help"]),
            (None, Some(("CULVERT_PART_LISTEN_PORT", "99999")), None, ["CULVERT_PART_LISTEN_PORT", "listen_port"]),
            (None, None, Some("--listen-port=x"), ["--listen-port", "\"x\""]),
            (None, None, Some("--listen-port=99999"), ["--listen-port", "listen_port"]),
            (None, None, Some("--config=/nonexistent/part.toml"), ["/nonexistent/part.toml", "read"]),
        ] {
            let error = load(file, environment.as_slice(), flags.as_slice()).unwrap_err();
            assert!(place.iter().all(|part| error.contains(part)), "{error} lacks {place:?}");
        }
    }

    #[test]
    fn help_names_variable_and_default() {
        let help = Layers::<Part>::augment_args(Command::new("part")).render_long_help().to_string();
        for part in [
            "--listen-port <PORT>",
            "[env: CULVERT_PART_LISTEN_PORT]",
            "[default: 80]",
            "[default: gre,vxlan]",
            "[env: CULVERT_PART_LOG_FORMAT] [default: text]",
        ] {
            assert!(help.contains(part), "{help} lacks {part}");
        }
    }
}
