//! `culvert network|subnet|port|host`: the objects of the REST API.
//!
//! Each kind of object is described once, by a [`Resource`]: its verbs, the columns of its list, and the options with
//! the attributes that they stand for. Commands, help, request bodies, filters and tables follow from it.

mod command;
mod host;
mod network;
mod port;
mod run;
mod show;
mod subnet;
mod value;

use std::time::Duration;

pub(super) use self::port::PORT;
use super::output::Output;
use super::rest::{Object, Server};

/// In the order of the help.
static RESOURCES: [&Resource; 4] = [&network::NETWORK, &subnet::SUBNET, &PORT, &host::HOST];

/// What was typed: a verb about objects of one kind.
#[derive(Debug)]
pub(crate) struct Request {
    resource: &'static Resource,
    verb: Verb,
    /// Names or ids; of a creation the new name, if it has one.
    names: Vec<String>,
    given: Vec<Given>,
    /// Attributes to show; empty: as described.
    attributes: Vec<String>,
    limit: Option<usize>,
    wait: Option<Duration>,
    output: Output,
    server: Server,
}

/// An option with its values; none of a flag.
#[derive(Debug)]
struct Given {
    option: &'static Opt,
    values: Vec<String>,
}

/// A kind of object.
#[derive(Debug)]
pub(super) struct Resource {
    /// As it is typed.
    noun: &'static str,
    /// In the API, one and many: `("network", "networks")`.
    api: (&'static str, &'static str),
    /// The attribute that people call it by.
    name: &'static str,
    about: &'static str,
    verbs: &'static [Described],
    /// Of a list.
    columns: &'static [Column],
    options: &'static [Opt],
    /// Whether creation and change can wait until the object's status is ACTIVE.
    waits: bool,
    /// Fills in what the API wants said though it follows from the rest.
    complete: fn(&mut Object),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    List,
    Show,
    Create,
    Set,
    Delete,
}

/// A verb and what its help says.
#[derive(Debug)]
struct Described {
    verb: Verb,
    about: &'static str,
    /// Whole commands, one a line.
    examples: &'static [&'static str],
}

/// A column of a list.
#[derive(Debug)]
struct Column {
    title: &'static str,
    /// To the value: names of attributes, and `*` for all items of a list, with `/` between them.
    path: &'static str,
}

/// An option, and the attribute that it sets, or by which it selects in a list.
#[derive(Debug)]
struct Opt {
    long: &'static str,
    /// How the OpenStack client calls it, if that is another name.
    alias: Option<&'static str>,
    verbs: &'static [Verb],
    /// A creation must say it.
    required: bool,
    attribute: &'static str,
    kind: Kind,
    /// What it sets.
    help: &'static str,
    /// What a new object has without it.
    default: &'static str,
    /// What it selects in a list.
    filter: &'static str,
}

/// What an option takes.
#[derive(Debug)]
enum Kind {
    Text(&'static str),
    Number(&'static str),
    /// A name or id of another kind of object.
    Id(&'static Resource),
    /// Nothing: the option itself stands for this value.
    Flag(Fixed),
    /// Given several times for several.
    Texts(&'static str),
    /// `key=value,…`, given several times for several objects.
    Objects(&'static [Key]),
}

#[derive(Debug, Clone, Copy)]
enum Fixed {
    True,
    False,
    Null,
    EmptyList,
}

/// A key of an option that takes `key=value,…`.
#[derive(Debug)]
struct Key {
    word: &'static str,
    /// In the API.
    attribute: &'static str,
    value: &'static str,
    /// The value is a name or id of this kind.
    of: Option<&'static Resource>,
}

const ANY_WRITE: &[Verb] = &[Verb::Create, Verb::Set];
const ANY: &[Verb] = &[Verb::Create, Verb::Set, Verb::List];
const CREATE: &[Verb] = &[Verb::Create];
const CREATE_LIST: &[Verb] = &[Verb::Create, Verb::List];
const SET: &[Verb] = &[Verb::Set];
const LIST: &[Verb] = &[Verb::List];
const SET_LIST: &[Verb] = &[Verb::Set, Verb::List];

impl Opt {
    const fn new(long: &'static str, verbs: &'static [Verb], attribute: &'static str, kind: Kind) -> Opt {
        Opt { long, alias: None, verbs, required: false, attribute, kind, help: "", default: "", filter: "" }
    }

    const fn text(long: &'static str, verbs: &'static [Verb], attribute: &'static str, value: &'static str) -> Opt {
        Opt::new(long, verbs, attribute, Kind::Text(value))
    }

    const fn flag(long: &'static str, verbs: &'static [Verb], attribute: &'static str, value: Fixed) -> Opt {
        Opt::new(long, verbs, attribute, Kind::Flag(value))
    }

    const fn alias(self, alias: &'static str) -> Opt {
        Opt { alias: Some(alias), ..self }
    }

    const fn required(self) -> Opt {
        Opt { required: true, ..self }
    }

    const fn help(self, help: &'static str) -> Opt {
        Opt { help, ..self }
    }

    const fn default(self, default: &'static str) -> Opt {
        Opt { default, ..self }
    }

    const fn filter(self, filter: &'static str) -> Opt {
        Opt { filter, ..self }
    }
}

const NEW_NAME: Opt = Opt::text("name", SET, "name", "NAME").help("The new name");
const NAME_FILTER: Opt = Opt::text("name", LIST, "name", "NAME").filter("Only those of this name");
const DESCRIPTION: Opt =
    Opt::text("description", ANY_WRITE, "description", "TEXT").help("What it is for").default("none");
const ENABLE: Opt = Opt::flag("enable", ANY, "admin_state_up", Fixed::True)
    .help("Administratively up")
    .default("up")
    .filter("Only those that are administratively up");
const DISABLE: Opt = Opt::flag("disable", ANY, "admin_state_up", Fixed::False)
    .help("Administratively down")
    .default("up")
    .filter("Only those that are administratively down");
const PROJECT: Opt = Opt::text("project", CREATE_LIST, "project_id", "PROJECT")
    .help("The project that it belongs to")
    .default("none in particular")
    .filter("Only those of this project");

/// For resources of which nothing follows from the rest.
fn as_given(_: &mut Object) {}
