//! Until nothing is left to do, and what must be so then.

use agent::events::Event;
use pipeline::Bridge;

use super::World;
use crate::defect::Defect;
use crate::judge::{Expected, NOBODY, Violation};
use crate::ovs::{Kind, Vlans};

/// Steps until all must be quiet; it takes some hundreds.
const PATIENCE: usize = 50_000;
/// Times that agents try again what was refused.
const RETRIES: usize = 10;
/// Longer than a host counts as alive that has gone.
const PATIENT: u16 = 11;
/// Longer than anything that is learned is kept.
const FORGOTTEN: u16 = 301;

impl World {
    /// Everything that was stopped goes on, and everything that is on its way arrives; then all must be right.
    pub(super) fn quiet(&mut self) -> Result<(), Violation> {
        self.settle()?;
        self.review_refusals()?;
        self.facts.check_statuses(&self.statuses())?;
        (0..self.setup.hosts).try_for_each(|host| self.check_learned(host))?;
        self.wait(FORGOTTEN)?;
        self.settle()?;
        for port in self.facts.ports.values().map(|port| port.made).collect::<Vec<_>>() {
            self.facts.settle_move(port, self.still_at(port))?;
        }
        for host in 0..self.setup.hosts {
            self.check_host(host)?;
        }
        // A VM that has never said a word is not known on its own `br-int`, and frames for it go to all ports there.
        let placed: Vec<(u8, u8)> = self.facts.placed().map(|(host, port)| (host, port.made.slot)).collect();
        for (host, port) in placed {
            self.announce(host, port);
        }
        self.facts.check_frames(self)?;
        self.moment.quiet(&self.facts);
        self.restored = false;
        Ok(())
    }

    /// Bridges take all flows again, and the next comparison of everything finds those that they refused before.
    fn review_refusals(&mut self) -> Result<(), Violation> {
        let reviewed = !Defect::NeverReviewed.is(self.defect);
        for host in &mut self.hosts {
            if std::mem::take(&mut host.has_refused) && reviewed {
                host.tell(Event::Review)?;
            }
        }
        self.settle()
    }

    /// Nothing differs, so nobody may be told anything.
    pub(super) fn restart_all(&mut self, agents: bool, server: bool) -> Result<(), Violation> {
        self.quiet()?;
        let before = self.work();
        if server {
            self.server_dies();
        }
        for host in (0..self.setup.hosts).filter(|_| agents) {
            self.agent_dies(host, 0)?;
        }
        self.quiet()?;
        if self.work() == before {
            return Ok(());
        }
        let detail = format!("flow-mods and transactions of all hosts: {before:?} became {:?}", self.work());
        Err(Violation::new("a restart with nothing changed sends nothing", detail))
    }

    fn work(&self) -> Vec<(u64, u64)> {
        self.hosts.iter().map(|host| (host.flow_mods, host.writes)).collect()
    }

    fn settle(&mut self) -> Result<(), Violation> {
        self.store_fails = false;
        self.hosts.iter_mut().for_each(|host| host.refuses = false);
        let mut retries = 0;
        for taken in 0..PATIENCE {
            let possible = self.possible();
            // Round and round, so that nothing has to wait for ever.
            if let Some(step) = possible.get(taken % possible.len().max(1)).copied() {
                self.steps += 1;
                self.step(step)?;
            } else if self.hosts.iter().any(|host| host.turned_away) {
                self.wait(PATIENT)?;
            } else if let Some(restless) = self.restless() {
                retries += 1;
                if retries > RETRIES {
                    return Err(Violation::new("all becomes quiet", restless));
                }
                self.hosts.iter_mut().try_for_each(|host| host.tell(Event::Retry))?;
            } else {
                return Ok(());
            }
            self.flush()?;
            self.look()?;
        }
        Err(Violation::new("all becomes quiet", format!("{:?} for ever", self.possible())))
    }

    /// Nothing is on its way, and yet an agent says that it waits for something.
    fn restless(&self) -> Option<String> {
        let waits = |host: &&super::Host| host.agent.as_ref().is_none_or(|agent| !agent.status().settled);
        let host = self.hosts.iter().find(waits)?;
        let status = host.agent.as_ref().map(agent::HostState::status);
        Some(format!("{} waits for what nobody will bring: {status:?}; it said {:?}", host.name, host.said))
    }

    /// No row and no tunnel port more or less than there must be.
    fn check_host(&self, host: u8) -> Result<(), Violation> {
        let expected = self.facts.expected(host);
        let found = self.found(host);
        if found != expected {
            let detail = format!("host{host} has {found:?}, and should have {expected:?}");
            return Err(Violation::new("no stale entry once quiet", detail));
        }
        Ok(())
    }

    /// Nothing is kept that was learned for a VLAN that no interface is in: whose it is next would meet it.
    fn check_learned(&self, host: u8) -> Result<(), Violation> {
        let Some(state) = self.hosts.get(usize::from(host)) else { return Ok(()) };
        let vswitch = &state.ovs.vswitch;
        let used = |vlan| vswitch.integration.ports.values().any(|port| port.vlans == Vlans::Access(vlan));
        let learned = vswitch.tunnel.tables.flows().filter(|flow| flow.table == 20 && flow.priority == 1);
        for flow in learned {
            let vid = flow.matching.get(openflow::Field::VlanVid).map_or(0, |masked| masked.value);
            let vlan = u16::try_from(vid & 0xfff).unwrap_or_default();
            if !used(vlan) {
                let detail = format!("host{host} keeps what was learned in VLAN {vlan}, which nobody is in: {flow}");
                return Err(Violation::new("no stale entry once quiet", detail));
            }
        }
        Ok(())
    }

    fn found(&self, host: u8) -> Expected {
        let mut found = Expected::default();
        let Some(state) = self.hosts.get(usize::from(host)) else { return found };
        let vswitch = &state.ovs.vswitch;
        for flow in vswitch.of(Bridge::Tunnel).tables.flows().filter(|flow| flow.priority > 0) {
            match (flow.table, flow.priority) {
                (3 | 4, _) => found.keys += 1,
                (20, 2..) => found.unicast += 1,
                (20, _) => found.learned += 1,
                (21, _) => found.answers += 1,
                (22, _) => found.floods += 1,
                _ => {}
            }
        }
        let tunnel = |kind: &Kind| match kind {
            Kind::Tunnel(tunnel) => Some(*tunnel),
            _ => None,
        };
        for tunnel in vswitch.of(Bridge::Tunnel).ports.values().filter_map(|port| tunnel(&port.kind)) {
            let remote = self.host_at(tunnel.remote).filter(|_| tunnel.local == state.endpoint());
            found.tunnels.insert((tunnel.tunnel_type, remote.unwrap_or(NOBODY)));
        }
        found
    }
}
