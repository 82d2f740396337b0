//! Where two answers differ.

use serde_json::{Map, Value};

/// What differs, in words that stay the same from run to run, and the values.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) what: String,
    pub(super) details: String,
}

/// Of a recorded answer and ours: status, names, types and values.
pub(super) fn compare(recorded: (u16, &Value), ours: (u16, &Value)) -> Vec<Difference> {
    let mut differences = Differences::default();
    if recorded.0 == ours.0 {
        differences.bodies(recorded.1, ours.1);
    } else {
        differences.add(format!("status {}, not {}", ours.0, recorded.0), recorded.1, ours.1);
    }
    differences.0
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
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
            (recorded, ours) => self.values("body", recorded, ours),
        }
    }

    fn errors(&mut self, recorded: &Value, ours: &Value) {
        if recorded["type"] != ours["type"] {
            self.add("another error type".to_owned(), recorded, ours);
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
                for (name, recorded) in recorded {
                    if let Some(ours) = ours.get(name) {
                        self.values(&format!("{place}.{name}"), recorded, ours);
                    }
                }
            }
            (Value::Array(recorded), Value::Array(ours)) if recorded.len() == ours.len() => {
                // the order of what was not sorted is nobody's promise
                let (mut recorded, mut ours) = (recorded.clone(), ours.clone());
                recorded.sort_by_cached_key(order);
                ours.sort_by_cached_key(order);
                for (recorded, ours) in recorded.iter().zip(&ours) {
                    self.values(place, recorded, ours);
                }
            }
            (recorded, ours) if kind(recorded) != kind(ours) => {
                self.add(format!("{place}: {}, not {}", kind(ours), kind(recorded)), recorded, ours);
            }
            (recorded, ours) if recorded != ours => self.add(format!("{place}: another value"), recorded, ours),
            _ => {}
        }
    }

    fn add(&mut self, what: String, recorded: &Value, ours: &Value) {
        let short = |value: &Value| value.to_string().chars().take(400).collect::<String>();
        let details = format!("Neutron: {}\n    ours:    {}", short(recorded), short(ours));
        self.0.push(Difference { what, details });
    }
}

/// A list's objects are named as one alone is.
fn singular<'a>(name: &'a str, value: &Value) -> &'a str {
    match name.strip_suffix('s') {
        Some(one) if value.is_array() => one,
        _ => name,
    }
}

/// Sorts lists of objects by what tells them apart.
fn order(value: &Value) -> String {
    let Value::Object(object) = value else { return value.to_string() };
    let telling = [
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
    telling.iter().filter_map(|name| object.get(*name)).map(Value::to_string).collect()
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
