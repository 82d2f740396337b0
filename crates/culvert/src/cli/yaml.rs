//! JSON values as YAML 1.2 in block style. Pure.

use serde_json::Value;

/// The value as a document, with its last line's end.
pub(crate) fn of(value: &Value) -> String {
    let mut text = String::new();
    match scalar(value) {
        Some(scalar) => text = scalar + "\n",
        None => block(value, 0, &mut text),
    }
    text
}

/// Lines of a list or an object that is not empty, each indented.
fn block(value: &Value, indent: usize, text: &mut String) {
    let items: Vec<(String, &Value)> = match value {
        Value::Array(items) => items.iter().map(|item| ("-".to_owned(), item)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (string(key) + ":", value)).collect(),
        _ => Vec::new(),
    };
    for (lead, item) in items {
        text.push_str(&" ".repeat(indent));
        text.push_str(&lead);
        if let Some(scalar) = scalar(item) {
            text.push(' ');
            text.push_str(&scalar);
            text.push('\n');
        } else if lead == "-" {
            // The first line of what is in a list stands beside the dash.
            let mut inner = String::new();
            block(item, indent + 2, &mut inner);
            text.push(' ');
            text.push_str(inner.trim_start());
        } else {
            text.push('\n');
            block(item, indent + 2, text);
        }
    }
}

/// What fits on the line of its key; `None`: a list or an object with something in it.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) if items.is_empty() => Some("[]".to_owned()),
        Value::Object(members) if members.is_empty() => Some("{}".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
        Value::String(text) => Some(string(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
    }
}

/// Plain only where no reader of any YAML version can take it for something else; else quoted, as JSON is.
fn string(text: &str) -> String {
    /// Booleans and nulls of YAML 1.1 and 1.2.
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    if starts && plain && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_within_blocks() {
        let value = json!({
            "name": "web-1", "mac": "fa:16:3e:00:00:01", "none": null, "flag": true, "mtu": 1450, "empty": [], "nothing": {},
            "binding:host_id": "compute1",
            "fixed_ips": [{"ip_address": "10.0.0.4", "subnet_id": "a"}, {"ip_address": "10.0.0.5"}],
            "nested": [["a", "b"], [{"c": [1]}]],
        });
        let expected = "\
\"binding:host_id\": compute1
empty: []
fixed_ips:
  - ip_address: \"10.0.0.4\"
    subnet_id: a
  - ip_address: \"10.0.0.5\"
flag: true
mac: \"fa:16:3e:00:00:01\"
mtu: 1450
name: web-1
nested:
  - - a
    - b
  - - c:
        - 1
none: null
nothing: {}
";
        assert_eq!(of(&value), expected);
        assert_eq!((of(&json!([])), of(&json!("x"))), ("[]\n".to_owned(), "x\n".to_owned()));
    }

    #[test]
    fn what_looks_like_something_else_is_quoted() {
        for text in ["", "no", "Yes", "NULL", "1e3", "0x1", "~", "a: b", "- a", "a #b", "a\nb", " a", "\u{1b}[31m", "é"]
        {
            let quoted = of(&json!(text));
            assert!(quoted.starts_with('"') && quoted.lines().count() == 1, "{text:?} is written {quoted}");
        }
        assert_eq!(of(&json!("note")), "note\n");
    }
}
