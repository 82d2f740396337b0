//! What goes wrong on hosts.

use super::World;
use super::host::Host;
use crate::judge::{Port, Violation};
use crate::setup::Made;

impl World {
    pub(super) fn agent_dies(&mut self, host: u8, kept: u8) -> Result<(), Violation> {
        let now = self.seconds();
        self.on_host(host, |host| host.kill_agent(kept, now))?;
        self.agent_gone(host);
        self.unseen = true;
        Ok(())
    }

    /// Nothing is forwarded until flows are back; what came before is over.
    pub(super) fn vswitchd_restarts(&mut self, host: u8) {
        self.with_host(host, Host::restart_vswitchd);
        self.disturb(host);
    }

    /// Its VMs are gone, and with them their interfaces; the agent finds the database and its checkpoint as they were.
    pub(super) fn host_reboots(&mut self, host: u8) -> Result<(), Violation> {
        self.agent_dies(host, 0)?;
        let here: Vec<u8> =
            self.facts.plugged.iter().filter(|(at, _)| *at == host).map(|(_, port)| port.slot).collect();
        for port in here {
            self.unplug(host, port);
        }
        self.with_host(host, Host::reboot);
        self.disturb(host);
        Ok(())
    }

    /// What used it may have to do without for a while.
    pub(super) fn remove_flow(&mut self, host: u8, nth: u8) {
        let now = self.seconds();
        self.with_host(host, |host| host.remove_flow(nth, now));
        self.disturb(host);
        self.unseen = true;
    }

    /// What leads to others may be missing, or be what it was before, until all is looked at again.
    pub(super) fn refuse(&mut self, host: u8, some: bool) {
        self.with_host(host, |host| host.refuses = some);
        if some {
            self.disturb(host);
        }
    }

    /// Nobody reaches its ports until everybody has heard of it.
    pub(super) fn move_endpoint(&mut self, host: u8) -> Result<(), Violation> {
        self.agent_dies(host, 0)?;
        self.with_host(host, Host::move_endpoint);
        self.disturb(host);
        Ok(())
    }

    fn disturb(&mut self, host: u8) {
        let is_here = |port: &&Port| self.facts.places(port).any(|at| at == host);
        let here: Vec<Made> = self.facts.ports.values().filter(is_here).map(|port| port.made).collect();
        for port in here {
            self.moment.unplugged(port);
            self.facts.unsettle_move(port);
        }
    }
}
