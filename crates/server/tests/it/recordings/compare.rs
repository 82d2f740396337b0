//! Where two answers differ.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::chosen::Choices;

/// What differs, in words that stay the same from run to run, and the values.
#[derive(Debug)]
pub(super) struct Difference {
    /// With our status, error type or value, and Neutron's: another of ours is another difference.
    pub(super) what: String,
    /// Two servers chose the same by chance.
    pub(super) is_none: bool,
    pub(super) details: String,
}

/// What two servers have shown so far.
pub(super) struct Shown {
    pub(super) revisions: Revisions,
    pub(super) choices: Choices,
}

/// The revision numbers that objects have shown last, by id: Neutron's and ours. Where they begin is not compared, by how
/// much they grow is.
#[derive(Default)]
pub(super) struct Revisions(BTreeMap<String, (i64, i64)>);

/// Of a recorded answer and ours: status, names, types and values; the order of a list if it was asked for.
pub(super) fn compare(
    recorded: (u16, &Value),
    ours: (u16, &Value),
    is_ordered: bool,
    shown: &mut Shown,
) -> Vec<Difference> {
    let mut differences = Differences { found: Vec::new(), is_ordered, shown, id: None };
    if recorded.0 == ours.0 {
        differences.bodies(recorded.1, ours.1);
    } else {
        let kind = error_type(ours.1).map(|kind| format!(" {kind}")).unwrap_or_default();
        differences.add(format!("status {}{kind}, not {}", ours.0, recorded.0), recorded.1, ours.1);
    }
    differences.found
}

struct Differences<'s> {
    found: Vec<Difference>,
    is_ordered: bool,
    shown: &'s mut Shown,
    /// Of the object that is looked at.
    id: Option<String>,
}

impl Differences<'_> {
    fn bodies(&mut self, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => {
                self.names("", recorded, ours);
                for (name, recorded) in recorded {
                    match ours.get(name) {
                        Some(ours) if name == "NeutronError" => self.errors(recorded, ours),
                        Some(ours) => self.values(singular(name, recorded), recorded, ours),
                        None => {}
                    }
                }
            }
            (recorded, ours) => match error_type(ours) {
                Some(error) => self.add(format!("body: {error}, not {}", kind(recorded)), recorded, ours),
                None => self.values("body", recorded, ours),
            },
        }
    }

    fn errors(&mut self, recorded: &Value, ours: &Value) {
        let [was, is] = [recorded, ours].map(|error| error["type"].as_str().unwrap_or("no type"));
        if was != is {
            self.add(format!("{is}, not {was}"), recorded, ours);
        } else if recorded != ours {
            self.add("another message".to_owned(), recorded, ours);
        }
    }

    fn names(&mut self, place: &str, recorded: &Map<String, Value>, ours: &Map<String, Value>) {
        let inside = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
        for (name, recorded) in recorded.iter().filter(|(name, _)| !ours.contains_key(*name)) {
            self.add(format!("{}: missing", inside(name)), recorded, &Value::Null);
        }
        for (name, ours) in ours.iter().filter(|(name, _)| !recorded.contains_key(*name)) {
            self.add(format!("{}: not Neutron's", inside(name)), &Value::Null, ours);
        }
    }

    fn values(&mut self, place: &str, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => {
                self.names(place, recorded, ours);
                let outer = self.id.clone();
                self.id = recorded.get("id").and_then(Value::as_str).map(str::to_owned).or(self.id.take());
                for (name, recorded_value) in recorded {
                    let place = format!("{place}.{name}");
                    match ours.get(name) {
                        Some(ours) if name == "revision_number" => {
                            self.steps(&place, recorded.get("id"), recorded_value, ours);
                        }
                        Some(our_value) => {
                            if self.shown.choices.is_choice(self.id.as_deref(), name, recorded, ours) {
                                self.choice(&place, recorded_value, our_value);
                            } else {
                                self.values(&place, recorded_value, our_value);
                            }
                        }
                        None => {}
                    }
                }
                self.id = outer;
            }
            (Value::Array(recorded), Value::Array(ours)) => self.lists(place, recorded, ours),
            (recorded, ours) if recorded != ours => {
                let what = format!("{place}: {}, not {}", short(ours, 120), short(recorded, 120));
                self.add(what, recorded, ours);
            }
            _ => {}
        }
    }

    /// The order of what was not sorted, and of lists in what was, is nobody's promise: then like is compared with like.
    fn lists(&mut self, place: &str, recorded: &[Value], ours: &[Value]) {
        let is_ordered = self.is_ordered && !place.contains('.');
        let mut ours: Vec<&Value> = ours.iter().collect();
        let mut recorded: Vec<&Value> = recorded.iter().collect();
        if !is_ordered {
            recorded.retain(|recorded| {
                let like = ours.iter().position(|ours| telling(ours) == telling(recorded));
                if let Some(like) = like {
                    self.values(place, recorded, ours.remove(like));
                }
                like.is_none()
            });
        }
        // what has a name is itself, or missing
        let is_other = |value: &&Value| !is_ordered && name(value).is_some();
        let common = if recorded.iter().any(is_other) { 0 } else { recorded.len().min(ours.len()) };
        for (recorded, ours) in recorded.iter().zip(&ours).take(common) {
            self.values(place, recorded, ours);
        }
        let called = |value: &Value| name(value).map_or_else(|| short(value, 60), str::to_owned);
        for recorded in &recorded[common..] {
            self.add(format!("{place} {}: missing", called(recorded)), recorded, &Value::Null);
        }
        for ours in &ours[common..] {
            self.add(format!("{place} {}: not Neutron's", called(ours)), &Value::Null, ours);
        }
    }

    /// Of a revision number: by how much it has grown since the object was shown last.
    fn steps(&mut self, place: &str, id: Option<&Value>, recorded: &Value, ours: &Value) {
        let [Some(recorded_number), Some(our_number)] = [recorded.as_i64(), ours.as_i64()] else {
            return self.values(place, recorded, ours);
        };
        let Some(id) = id.and_then(Value::as_str).filter(|id| *id != "{uuid}") else { return };
        let before = self.shown.revisions.0.insert(id.to_owned(), (recorded_number, our_number));
        let (was, is) = before.map_or((0, 0), |before| (recorded_number - before.0, our_number - before.1));
        if was != is {
            self.add(format!("{place}: +{is}, not +{was}"), recorded, ours);
        }
    }

    fn choice(&mut self, place: &str, recorded: &Value, ours: &Value) {
        self.add(format!("{place}: the server's choice"), recorded, ours);
        if let Some(last) = self.found.last_mut() {
            last.is_none = recorded == ours;
        }
    }

    fn add(&mut self, what: String, recorded: &Value, ours: &Value) {
        let details = format!("Neutron: {}\n    ours:    {}", short(recorded, 400), short(ours, 400));
        self.found.push(Difference { what, is_none: false, details });
    }
}

fn error_type(body: &Value) -> Option<&str> {
    body["NeutronError"]["type"].as_str()
}

fn short(value: &Value, most: usize) -> String {
    let text: String = value.to_string().chars().take(most).collect();
    text.trim_end().to_owned()
}

/// A list's objects are named as one alone is.
fn singular<'a>(name: &'a str, value: &Value) -> &'a str {
    match name.strip_suffix('s') {
        Some(one) if value.is_array() => one,
        _ => name,
    }
}

/// What tells objects of a list apart; of what has nothing that does, all of it.
fn telling(value: &Value) -> String {
    if let Some(alias) = value["alias"].as_str() {
        return alias.to_owned();
    }
    let names = [
        "id",
        "name",
        "host",
        "collection",
        "direction",
        "ethertype",
        "protocol",
        "remote_ip_prefix",
        "port_range_min",
        "ip_address",
    ];
    let telling: String = names.iter().filter_map(|name| value.get(*name)).map(Value::to_string).collect();
    if telling.is_empty() { value.to_string() } else { telling }
}

/// How an object of a list is called, if it has a name.
fn name(value: &Value) -> Option<&str> {
    ["alias", "name", "host", "protocol"].iter().find_map(|name| value[*name].as_str())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}
