use model::TunnelType;
use pipeline::{Modes, Tunnel};

use super::{FoundTunnel, Verdict};
use crate::state::facts::{Facts, TunnelFact};

pub(super) fn found(facts: &Facts) -> Vec<FoundTunnel> {
    let tunnels = facts.tunnels.iter().map(|(tunnel, fact)| {
        let altered = altered(tunnel, fact);
        let (verdict, reason) = match &fact.error {
            Some(error) => (Verdict::Change, format!("Open vSwitch could not make it: {error}")),
            None if altered.is_empty() => (Verdict::Adopt, "removed later if no network here needs it".to_owned()),
            None => (Verdict::Change, format!("if a network here needs it, {altered}; else it is removed later")),
        };
        FoundTunnel {
            name: fact.name.clone(),
            tunnel_type: tunnel.tunnel_type,
            local_ip: fact.options.get("local_ip").cloned(),
            remote_ip: tunnel.remote.to_string(),
            verdict,
            reason,
        }
    });
    tunnels.collect()
}

/// The options that the agent would set, whatever its endpoint's address is: that one is its setting, and said where the
/// tunnel comes from.
fn altered(tunnel: &Tunnel, fact: &TunnelFact) -> String {
    let local = fact.options.get("local_ip").and_then(|ip| ip.parse().ok());
    let Some(modes) = local.and_then(|local| Modes::new(local, &TunnelType::ALL, true, true).ok()) else {
        return "local_ip becomes the agent's own address".to_owned();
    };
    let differs = |(key, value): &(&str, String)| fact.options.get(*key) != Some(value);
    let options = tunnel.options(&modes).into_iter().filter(differs);
    options.map(|(key, value)| format!("{key} becomes {value}")).collect::<Vec<_>>().join(", ")
}
