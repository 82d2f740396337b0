//! What hosts reported that they cannot do, for the status.

use std::collections::{BTreeMap, HashMap};

use model::{HostName, NetworkId, PortId};
use sync::messages::RowProblem;

/// As last reported, by host; gone with the host's stream, as the next one reports anew.
#[derive(Debug, Default)]
pub(crate) struct Problems(HashMap<HostName, OfHost>);

#[derive(Debug, Default)]
struct OfHost {
    not_wired: BTreeMap<PortId, String>,
    rows: BTreeMap<NetworkId, Vec<RowProblem>>,
}

impl Problems {
    pub(crate) fn not_wired(&mut self, host: &HostName, port: PortId, reason: String) {
        self.0.entry(host.clone()).or_default().not_wired.insert(port, reason);
    }

    pub(crate) fn wired(&mut self, host: &HostName, port: PortId) {
        if let Some(problems) = self.0.get_mut(host) {
            problems.not_wired.remove(&port);
        }
    }

    /// The port is gone.
    pub(crate) fn deleted(&mut self, port: PortId) {
        for problems in self.0.values_mut() {
            problems.not_wired.remove(&port);
        }
    }

    pub(crate) fn rows(&mut self, host: &HostName, network: NetworkId, rows: Vec<RowProblem>) {
        let of = self.0.entry(host.clone()).or_default();
        if rows.is_empty() {
            of.rows.remove(&network);
        } else {
            of.rows.insert(network, rows);
        }
    }

    pub(crate) fn forget(&mut self, host: &HostName) {
        self.0.remove(host);
    }

    /// Ports that the host cannot wire, and why.
    pub(crate) fn not_wired_on(&self, host: &HostName) -> impl Iterator<Item = (PortId, &str)> {
        self.0.get(host).into_iter().flat_map(|of| of.not_wired.iter().map(|(port, reason)| (*port, reason.as_str())))
    }

    /// Ports of other hosts whose rows the host cannot program, and why.
    pub(crate) fn rows_on(&self, host: &HostName) -> impl Iterator<Item = (PortId, &str)> {
        let rows = self.0.get(host).into_iter().flat_map(|of| of.rows.values().flatten());
        rows.map(|row| (row.port, row.reason.as_str()))
    }
}
