//! What the server is asked, and when.

use super::{FIRST_PAUSE, MOST_CALLS, MOST_DOUBLED, MOST_PAUSE, Session, Stage};
use crate::Ask;
use crate::events::Effect;
use crate::network::Need;

impl Session {
    pub(super) fn settle_calls(&mut self) {
        if self.stage == Stage::Away || self.pause > 0 {
            return;
        }
        if self.need_alive == Need::Wanted {
            self.need_alive = Need::Asked;
            self.call(Ask::Alive { start: !self.started, devices: self.reports.count() });
        }
        if self.stage != Stage::Open {
            return;
        }
        for (tunnel_type, need) in self.need_endpoints.clone() {
            if need == Need::Wanted {
                self.need_endpoints.insert(tunnel_type, Need::Asked);
                self.call(Ask::Endpoints(tunnel_type));
            }
        }
        if let Some(ask) = self.reports.next(self.identity.l2_population, &self.networks, &self.plugged) {
            self.call(ask);
        }
        while self.calls.len() < MOST_CALLS {
            let Some(ask) = self.next_pull() else { break };
            self.call(ask);
        }
    }

    fn next_pull(&mut self) -> Option<Ask> {
        if let Some(ids) = self.ports_to_ask() {
            return Some(Ask::Ports(ids));
        }
        for (id, network) in &mut self.networks {
            if network.need_facts == Need::Wanted {
                network.need_facts = Need::Asked;
                return Some(Ask::Network(*id));
            }
            let endpoints = network.segment.is_some_and(|segment| self.endpoints.is_complete(segment.tunnel_type));
            if self.identity.l2_population && endpoints && network.need_ports == Need::Wanted {
                network.ask_ports();
                return Some(Ask::Members(*id));
            }
        }
        None
    }

    fn call(&mut self, ask: Ask) {
        self.next_call += 1;
        let limit = ask.patience() * 2_u32.pow(self.silences.min(MOST_DOUBLED));
        self.calls.insert(self.next_call, ask.clone());
        self.effects.push(Effect::Call { number: self.next_call, ask, limit });
    }

    /// It is to be asked again, after a while.
    pub(super) fn failed(&mut self, ask: Ask) {
        match ask {
            Ask::Alive { .. } => self.need_alive = Need::Wanted,
            Ask::Endpoints(tunnel_type) => drop(self.need_endpoints.insert(tunnel_type, Need::Wanted)),
            Ask::Ports(ids) => self.ask_again(&ids),
            Ask::Network(id) => {
                self.networks.entry(id).and_modify(|network| network.need_facts = Need::Wanted);
            }
            Ask::Members(id) => {
                self.networks.entry(id).and_modify(|network| network.need_ports = Need::Wanted);
            }
            Ask::Devices { .. } => self.reports.failed(),
        }
        self.fail();
    }

    pub(super) fn fail(&mut self) {
        self.pause = (FIRST_PAUSE << self.failures.min(5)).min(MOST_PAUSE);
        self.failures += 1;
    }
}
