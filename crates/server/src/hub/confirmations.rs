//! Who has confirmed a port's entry, and who has not and why.

use model::{HostName, NetworkId, Port, PortId, Revision};

use super::State;
use super::overview::{LOST_WITH_DATABASE, describe_port};
use super::questions::Refused;
use crate::admin::report::{self, Confirmation, Propagation};

pub(super) fn propagation(state: &State, id: PortId) -> Result<Propagation, Refused> {
    let directory = &state.directory;
    let port = directory.port(id).ok_or(Refused::UnknownPort(id))?;
    let published = directory.entry_revision(id);
    let mut hosts: Vec<_> = state.confirmations().concerned(port.network).collect();
    hosts.sort();
    let hosts = hosts.into_iter().map(|host| confirmation(state, port, published, host));
    let hosts: Vec<_> = if published.is_some() { hosts.collect() } else { Vec::new() };
    Ok(Propagation {
        port: id,
        network: port.network,
        status: port.status,
        published,
        // A host that is not connected is not waited for.
        propagated: published.is_some() && hosts.iter().all(|host| host.state != report::Confirmed::Lagging),
        unpublished: published.is_none().then(|| why_not_published(state, port)),
        hosts,
    })
}

fn confirmation(state: &State, port: &Port, published: Option<Revision>, host: &HostName) -> Confirmation {
    let own = port.binding.as_ref().is_some_and(|binding| binding.host == *host);
    let session = state.sessions.of(host);
    let confirmed = session.and_then(|session| session.confirmed_up_to(port.network));
    let sent = session.and_then(|session| session.sent_up_to(port.network));
    let lags = || published.is_some_and(|revision| state.confirmations().lags(host, port.network, revision));
    let problem = || state.problems.rows_on(host).find(|(of, _)| *of == port.id).map(|(_, reason)| reason.to_owned());
    let (is, reason) = match session {
        None if !own && lags() => (
            report::Confirmed::Lagging,
            Some("its agent has not come back since this server started; the host still counts as alive".to_owned()),
        ),
        None => (report::Confirmed::Disconnected, Some("its agent is not connected: it is not waited for".to_owned())),
        // It confirmed the port by wiring it.
        Some(_) if own => (report::Confirmed::Confirmed, Some("the port's own host: it has wired it".to_owned())),
        Some(_) if lags() => {
            let backlog = published.filter(|revision| sent < Some(*revision));
            (report::Confirmed::Lagging, Some(behind(port.network, confirmed, backlog)))
        }
        Some(_) => (report::Confirmed::Confirmed, problem()),
    };
    Confirmation { host: host.clone(), state: is, confirmed, reason }
}

/// `backlog`: what it has not even been sent.
fn behind(network: NetworkId, confirmed: Option<Revision>, backlog: Option<Revision>) -> String {
    let confirmed = match confirmed.filter(|revision| *revision > Revision::ZERO) {
        Some(revision) => format!("its switch has confirmed network {network} up to revision {revision} only"),
        None => format!("it has confirmed nothing of network {network} since its agent connected"),
    };
    match backlog {
        Some(revision) => format!("{confirmed}, and has a backlog: revision {revision} waits until it has caught up"),
        None => confirmed,
    }
}

/// What the port's own host has not done, or what it was not told to do.
fn why_not_published(state: &State, port: &Port) -> String {
    let Some(binding) = &port.binding else { return "it is bound to no host".to_owned() };
    let host = &binding.host;
    if !port.admin_up {
        return "it is administratively down".to_owned();
    }
    if !state.directory.is_plugged(host, port.id) {
        let lost = if state.is_missing(host, port.id) { format!(": {LOST_WITH_DATABASE}") } else { String::new() };
        return format!("no interface with its id is plugged on {host}{lost}");
    }
    let problems = describe_port(state, port).problems;
    let problems: Vec<_> = problems.into_iter().map(|problem| problem.reason).collect();
    if problems.is_empty() { format!("{host} has not wired it yet") } else { problems.join("; ") }
}
