//! DNS names of ports and domains of networks, as RFC 1123 section 2.1 has them, and what the addresses of a port are
//! called: in Neutron's words. Pure; nobody serves these names.

use std::net::IpAddr;

use serde_json::Value;

use super::error::{ApiError, Result};
use super::kind::shown;
use super::shown::Name;

/// Characters of a whole name, without the dot at its end.
const NAME_MAX: usize = 255;
const LABEL_MAX: usize = 63;

/// `dns_name`, in small letters; empty: none. Whether it fits the server's domain is for [`check_domain`] to say.
pub(super) fn name(value: &Value) -> Result<Value> {
    let name = small(value)?;
    check(&name).map_err(|reason| invalid("dns_name", &reason))?;
    Ok(name.into())
}

/// `dns_domain`: whole, so with a dot at its end; in small letters; empty: none.
pub(super) fn domain(value: &Value) -> Result<Value> {
    let domain = small(value)?;
    if domain.is_empty() {
        return Ok(domain.into());
    }
    let checked = if domain.ends_with('.') { check(&domain) } else { Err(format!("'{domain}' is not a FQDN")) };
    checked.map_err(|reason| invalid("dns_domain", &reason))?;
    if domain.len() > NAME_MAX - 2 {
        let reason = format!(
            "'{domain}' contains {} characters. Adding a sub-domain will cause it to exceed the maximum length of a FQDN of \
             '{NAME_MAX}'",
            domain.len()
        );
        return Err(invalid("dns_domain", &reason));
    }
    Ok(domain.into())
}

/// A name without a dot at its end lies in the server's domain; one with a dot must.
pub(super) fn check_domain(name: &str, domain: &str) -> Result<()> {
    let above = above(domain);
    let size = name.len();
    if name.ends_with('.') {
        if size > above.len() && name.ends_with(&above) {
            return Ok(());
        }
        let reason = format!(
            "The dns_name passed is a FQDN. Its higher level labels must be equal to the server's dns_domain '{domain}', \
             and there must be a label to the left of them"
        );
        return Err(invalid("dns_name", &reason));
    }
    if size + above.len() <= NAME_MAX {
        return Ok(());
    }
    let reason = format!(
        "The dns_name passed is a PQDN and its size is '{size}'. With the server's dns_domain '{domain}' it exceeds the \
         maximum size of '{NAME_MAX}' of a FQDN"
    );
    Err(invalid("dns_name", &reason))
}

/// `dns_assignment`: a port without a name is called after each of its addresses.
pub(super) fn assignment(name: &str, domain: &str, ips: impl Iterator<Item = IpAddr>) -> Vec<Name> {
    let call = |ip_address: IpAddr| {
        let hostname = if name.is_empty() {
            format!("host-{}", ip_address.to_string().replace(['.', ':'], "-"))
        } else {
            name.to_owned()
        };
        let fqdn = if hostname.ends_with('.') { hostname.clone() } else { format!("{hostname}{}", above(domain)) };
        Name { ip_address, hostname, fqdn }
    };
    ips.map(call).collect()
}

/// What follows a name in this domain: `example.org` → `.example.org.`
fn above(domain: &str) -> String {
    match domain.trim_end_matches('.') {
        "" => String::new(),
        domain => format!(".{domain}."),
    }
}

fn small(value: &Value) -> Result<String> {
    let text = value.as_str().map(str::to_lowercase);
    text.ok_or_else(|| ApiError::invalid(format!("Input value {} must be string type", shown(value))))
}

fn invalid(attribute: &str, reason: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid input for {attribute}. Reason: {reason}."))
}

fn check(name: &str) -> std::result::Result<(), String> {
    if name.is_empty() {
        return Ok(());
    }
    check_labels(name.strip_suffix('.').unwrap_or(name))
        .map_err(|reason| format!("'{name}' not a valid PQDN or FQDN. Reason: {reason}"))
}

fn check_labels(name: &str) -> std::result::Result<(), String> {
    if name.len() > NAME_MAX {
        return Err(format!("'{name}' exceeds the {NAME_MAX} character FQDN limit"));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("Encountered an empty component".to_owned());
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(format!("Name '{label}' must not start or end with a hyphen"));
        }
        let known = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
        if label.len() > LABEL_MAX || !label.bytes().all(known) {
            return Err(format!(
                "Name '{label}' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen"
            ));
        }
    }
    match name.rsplit_once('.') {
        Some((_, top)) if top.bytes().all(|letter| letter.is_ascii_digit()) => {
            Err(format!("TLD '{top}' must not be all numeric"))
        }
        _ => Ok(()),
    }
}
