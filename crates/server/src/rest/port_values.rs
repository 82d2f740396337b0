//! The lists of ports that have rules of their own: read into one form, in Neutron's words. Pure.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::kind::{Key, Kind, object, shown};

pub(crate) const DHCP_OPTION: &[Key] = &[
    Key { name: "opt_name", kind: &Kind::Text(64), required: true },
    Key { name: "opt_value", kind: &Kind::OptionalText(255), required: true },
    Key { name: "ip_version", kind: &Kind::Integer(4, 6), required: false },
];
/// A DHCP server may have to hear that these are empty.
const MAY_BE_BLANK: [&str; 2] = ["router", "classless-static-route"];

pub(crate) const ADDRESS_PAIR: &[Key] = &[
    Key { name: "ip_address", kind: &Kind::Text(64), required: true },
    Key { name: "mac_address", kind: &Kind::Mac, required: false },
];

/// `extra_dhcp_opts`: what a port's list is to have, or with null as its value no longer to have.
pub(super) fn dhcp_options(value: &Value) -> Result<Value> {
    let options = value.as_array().ok_or_else(|| ApiError::invalid(format!("'{}' is not a list", shown(value))))?;
    options.iter().map(dhcp_option).collect()
}

fn dhcp_option(value: &Value) -> Result<Value> {
    let unfit = || ApiError::invalid(format!("No valid key specs matched for: {}", shown(value)));
    if let Some(version) = value.get("ip_version") {
        Kind::Integer(i64::MIN, i64::MAX).parse("ip_version", version)?;
    }
    let mut option = object(value, DHCP_OPTION).map_err(|_| unfit())?;
    let text = |name: &str| option.get(name).and_then(Value::as_str);
    let name = text("opt_name").unwrap_or_default();
    let words = |text: &str| !text.trim().is_empty() && !text.contains(['\n', '\r']);
    let value_fits = MAY_BE_BLANK.contains(&name) || text("opt_value").is_none_or(words);
    let version = option.get("ip_version").and_then(Value::as_i64).unwrap_or(4);
    if !words(name) || !value_fits || ![4, 6].contains(&version) {
        return Err(unfit());
    }
    option.insert("ip_version".to_owned(), version.into());
    Ok(option.into())
}

/// The options of a port after an update: those that it names are set or, with null, taken away; the others stay. By
/// name and IP version.
pub(super) fn merge_dhcp_options(before: Option<&Value>, update: &Value) -> Value {
    let mut options = BTreeMap::new();
    let lists = before.into_iter().chain([update]).filter_map(Value::as_array);
    for option in lists.flatten() {
        let value = |name: &str| option.get(name);
        let name = value("opt_name").and_then(Value::as_str).unwrap_or_default();
        let version = value("ip_version").and_then(Value::as_i64).unwrap_or(4);
        if value("opt_value").is_none_or(Value::is_null) {
            options.remove(&(name, version));
        } else {
            options.insert((name, version), option.clone());
        }
    }
    options.into_values().collect()
}

/// `allowed_address_pairs`: addresses and prefixes. A pair without a MAC means the port's own.
pub(super) fn address_pairs(value: &Value) -> Result<Value> {
    let pairs = value.as_array().ok_or_else(|| ApiError::bad_request("Allowed address pairs must be a list."))?;
    let pairs = pairs.iter().map(address_pair).collect::<Result<Vec<_>>>()?;
    let mut seen = HashSet::new();
    if let Some(pair) = pairs.iter().find(|pair| !seen.insert(*pair)) {
        let message = format!(
            "Request contains duplicate address pair: mac_address {} ip_address {}.",
            shown(&pair["mac_address"]),
            shown(&pair["ip_address"])
        );
        return Err(ApiError::bad("DuplicateAddressPairInRequest", message));
    }
    Ok(pairs.into())
}

fn address_pair(value: &Value) -> Result<Value> {
    let Some(pair) = value.as_object() else {
        let message =
            format!("Invalid input for allowed_address_pairs. Reason: '{}' is not a dictionary.", shown(value));
        return Err(ApiError::bad_request(message));
    };
    let mac = pair.get("mac_address").map(|mac| Kind::Mac.read(mac)).transpose().map_err(ApiError::bad_request)?;
    let Some(ip) = pair.get("ip_address") else {
        let message = "AllowedAddressPair must contain ip_address";
        return Err(ApiError::bad("AllowedAddressPairsMissingIP", message));
    };
    if let Some(stray) = pair.keys().find(|key| ADDRESS_PAIR.iter().all(|known| known.name != *key)) {
        return Err(ApiError::bad_request(format!("Unrecognized attribute(s) '{stray}'")));
    }
    let kind = if ip.as_str().is_some_and(|ip| ip.contains('/')) { Kind::Cidr } else { Kind::Ip };
    let ip = kind.read(ip).map_err(ApiError::bad_request)?;
    Ok(match mac {
        Some(mac) => json!({"ip_address": ip, "mac_address": mac}),
        None => json!({"ip_address": ip}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, value: &Value, version: u8) -> Value {
        json!({"opt_name": name, "opt_value": value, "ip_version": version})
    }

    #[test]
    fn an_update_sets_the_options_that_it_names_and_takes_away_those_that_are_null() {
        let before = json!([option("mtu", &json!("1400"), 4), option("mtu", &json!("1400"), 6)]);
        let update = json!([
            option("mtu", &Value::Null, 6),
            option("mtu", &json!("1300"), 4),
            option("router", &json!(""), 4),
            option("tftp-server", &Value::Null, 4),
        ]);
        let after = json!([option("mtu", &json!("1300"), 4), option("router", &json!(""), 4)]);
        assert_eq!(merge_dhcp_options(Some(&before), &update), after);
        assert_eq!(merge_dhcp_options(None, &update), after);
        assert_eq!(merge_dhcp_options(Some(&before), &json!([])), before);
    }

    #[test]
    fn an_option_has_a_name_and_words_for_a_value() {
        let parse = |name: &str, value: Value| dhcp_options(&json!([{"opt_name": name, "opt_value": value}])).is_ok();
        assert!(parse("mtu", json!("1400")) && parse("mtu", Value::Null) && parse("router", json!("")));
        assert!(!parse("mtu", json!("")) && !parse("mtu", json!("a\nb")) && !parse(" ", json!("x")));
        let versioned = json!([{"opt_name": "mtu", "opt_value": "1400", "ip_version": "6"}]);
        assert_eq!(dhcp_options(&versioned).unwrap(), json!([option("mtu", &json!("1400"), 6)]));
    }

    #[test]
    fn a_pair_is_an_address_or_a_prefix_and_comes_once() {
        let parse = |pairs: Value| address_pairs(&pairs);
        let normal = parse(json!([{"ip_address": "2001:DB8::1", "mac_address": "FA:16:3E:00:00:01"}])).unwrap();
        assert_eq!(normal, json!([{"ip_address": "2001:db8::1", "mac_address": "fa:16:3e:00:00:01"}]));
        assert!(parse(json!([{"ip_address": "10.0.0.0/24"}, {"ip_address": "10.0.0.0/25"}])).is_ok());
        assert!(parse(json!([{"ip_address": "2001:db8::1"}, {"ip_address": "2001:DB8::1"}])).is_err());
        assert!(parse(json!([{"ip_address": "10.0.0.1/24"}])).is_err());
    }
}
