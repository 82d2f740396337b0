//! From the rows that may differ to flow-mods, in the order in which nothing breaks on the way.

use std::collections::BTreeSet;

use openflow::{FlowFilter, FlowMod, PortNo};
use pipeline::{Bridge, Change, Cookie, Kind, Op, PatchPorts, Row, Scope, State, plan, plan_in_turn};

use super::HostState;
use super::switch::{Batch, Switch};
use crate::events::{Command, Level, Way};

/// Flow-mods up to which a batch takes effect in one moment, as a bundle. A larger one would stop forwarding for too
/// long (measured on OVS 3.1: 150 ms for 100,000) and is sent plain, stage by stage.
const BUNDLE: usize = 500;

impl HostState {
    /// The number of the last change of what is wanted; see [`HostState::is_confirmed`].
    pub(super) fn change(&self) -> u64 {
        self.change
    }

    /// Both switches have confirmed all that was wanted as of this change.
    pub(super) fn is_confirmed(&self, change: u64) -> bool {
        let switches = [(Bridge::Integration, &self.integration), (Bridge::Tunnel, &self.tunnel)];
        let confirmed = |(bridge, switch): &(Bridge, &Switch)| {
            switch.is_ready() && switch.confirmed >= change && !self.flush.is_due(*bridge)
        };
        switches.iter().all(confirmed)
    }

    /// What both switches hold has been read and compared.
    pub(super) fn is_adopted(&self) -> bool {
        self.is_confirmed(1)
    }

    pub(super) fn settle_flows(&mut self) {
        if self.pipeline.is_dirty() {
            self.change += 1;
            let (integration, tunnel): (Vec<Row>, Vec<Row>) =
                self.pipeline.take_dirty().into_iter().partition(|row| row.bridge() == Bridge::Integration);
            self.integration.look_at(integration);
            self.tunnel.look_at(tunnel);
        }
        if self.link.host_complete() && (self.may_take_over() || !self.is_handing_over(Bridge::Integration)) {
            self.remove_strays();
        }
        // Without the patch ports everything would look unwanted.
        if self.facts.patch_ports().is_some() && self.wiring.surveyed {
            self.apply(Bridge::Integration);
            self.apply(Bridge::Tunnel);
        }
    }

    /// What is known to be complete may have become more: the orphans are looked at again.
    pub(super) fn review_orphans(&mut self) {
        for switch in [&mut self.integration, &mut self.tunnel] {
            switch.pending.extend(&switch.orphans);
        }
    }

    /// Removes what the switch learned towards a tunnel port, which is about to go.
    pub(super) fn unlearn_port(&mut self, port: PortNo) -> u64 {
        let learned = Cookie { kind: Kind::Learned, object: 0 };
        let filter = FlowFilter::all().cookie(learned.to_u64(), Cookie::KIND_MASK).out_port(port);
        self.tunnel.removals.push(FlowMod::delete(filter));
        self.change += 1;
        self.change
    }

    /// Flows of ours, of no form that we use: an earlier release's, or a stock agent's that was here before.
    fn remove_strays(&mut self) {
        let ready = self.integration.is_ready() && self.tunnel.is_ready();
        if !ready {
            return;
        }
        let strays = self.installed.take_strays();
        self.change += u64::from(!strays.is_empty());
        for (bridge, flow) in strays {
            self.switch(bridge).removals.push(FlowMod::delete_strict(&flow));
        }
    }

    fn apply(&mut self, bridge: Bridge) {
        if self.flush.is_due(bridge) {
            return;
        }
        let switch = self.switch(bridge);
        // What is under way is followed only by the rest of its plan: the next one is compared with what is known to be in,
        // and would overtake a bundle.
        if !switch.is_ready() || (!switch.under_way.is_empty() && !switch.pending.is_empty()) {
            return;
        }
        if !switch.pending.is_empty() {
            // What is left of the last plan is planned anew with it, so that the order holds over all of it.
            let mut rows = std::mem::take(&mut switch.pending);
            rows.extend(switch.planned.drain(..).map(|op| op.row));
            let ops = self.compare(bridge, &rows);
            self.switch(bridge).planned = ops.into();
        }
        let (mut flow_mods, mut sent, mut spread) = (Vec::new(), Vec::new(), None);
        // Steps whose turn shows that there is nothing to be done are passed over.
        while flow_mods.is_empty()
            && let Some(next) = self.switch(bridge).take_next()
        {
            spread = next.spread;
            (flow_mods, sent) = (Vec::with_capacity(next.ops.len()), Vec::with_capacity(next.ops.len()));
            for op in next.ops {
                if let Some(flow_mod) = op.flow_mod(&self.pipeline) {
                    // From here on it counts as installed, until the switch says otherwise.
                    self.installed.confirm(&op, &flow_mod);
                    flow_mods.push(flow_mod);
                    sent.push(op);
                }
            }
        }
        let change = self.change;
        let switch = self.switch(bridge);
        // Removals of what is no row come last, and nothing is spread beside them.
        let is_last = switch.planned.is_empty() && (switch.removals.is_empty() || spread.is_none());
        if is_last && (switch.under_way.is_empty() || !flow_mods.is_empty()) {
            flow_mods.append(&mut switch.removals);
        }
        if flow_mods.is_empty() {
            if is_last && switch.under_way.is_empty() {
                switch.confirmed = change;
            }
            return;
        }
        let alone = switch.under_way.is_empty() && switch.planned.is_empty();
        let plain = sent.len() == flow_mods.len() && sent.iter().all(is_news);
        let way = if spread.is_some() {
            Way::Spread
        } else if switch.bundles() && alone && !plain && flow_mods.len() <= BUNDLE {
            Way::Together
        } else {
            Way::InOrder
        };
        let change = if is_last { change } else { switch.confirmed };
        let session = switch.session();
        switch.under_way.push_back(Batch { ops: sent, change, spread });
        self.commands.push(Command::Apply { bridge, session, flow_mods, way });
    }

    /// The steps from what is installed to what is wanted, for these rows.
    fn compare(&mut self, bridge: Bridge, rows: &BTreeSet<Row>) -> Vec<Op> {
        let switch = self.switch(bridge);
        let known = std::mem::replace(&mut switch.compared, true);
        let orphans = std::mem::take(&mut switch.orphans);
        let refused = std::mem::take(&mut switch.refused);
        if !known {
            self.compared_with_parked();
        }
        // Without a row for each port, what another agent let in would be shut out.
        let too_early = bridge == Bridge::Integration
            && self.is_handing_over(bridge)
            && !self.may_take_over()
            && rows.contains(&Row::Refuse);
        let candidates =
            rows.iter().filter(|row| !(refused.contains(row) || too_early && **row == Row::Refuse)).copied();
        // At first every row that nobody wants is an orphan; later only what was one then.
        let may_remove = |row: &Row| (known && !orphans.contains(row)) || self.is_settled(row.scope());
        let plan = if self.repair.counts_steps(bridge) {
            plan(&self.pipeline, &self.installed, candidates, may_remove)
        } else {
            plan_in_turn(&self.pipeline, &self.installed, candidates, may_remove)
        };
        self.note_repairs(bridge, &plan.ops);
        let untouched = orphans.into_iter().filter(|row| !rows.contains(row));
        let later = too_early.then_some(Row::Refuse);
        let orphans = untouched.chain(plan.held).chain(later).collect::<BTreeSet<_>>();
        for row in &orphans {
            if let Scope::Vlan(vlan) = row.scope()
                && self.pipeline.network_at(vlan).is_none()
            {
                self.vlans.found(vlan);
            }
        }
        let switch = self.switch(bridge);
        (switch.orphans, switch.refused) = (orphans, refused);
        plan.ops
    }

    /// Enough is known to say that a row of this scope, found on a switch and not wanted, is nobody's.
    fn is_settled(&self, scope: Scope) -> bool {
        match scope {
            Scope::Base => true,
            Scope::Local(port) => !self.wiring.is_kept_port(port),
            Scope::Vlan(vlan) => match self.pipeline.network_at(vlan) {
                Some(network) => self.link.is_complete(network) && !self.wiring.is_kept_network(network),
                None => self.link.host_complete(),
            },
            Scope::Segment(_) | Scope::Tunnel(_) => self.link.host_complete(),
        }
    }

    /// The switch cannot write `arp_op` (OVS before 2.1). `false`: that is known already.
    pub(super) fn lose_responder(&mut self, reason: &str) -> bool {
        if !self.pipeline.modes().arp_responder() {
            return false;
        }
        let modes = self.pipeline.modes().clone().without_arp_op();
        let before = std::mem::replace(&mut self.pipeline, State::new(modes));
        self.teach_pipeline(&before);
        self.say(
            Level::Warn,
            format!(
                "Open vSwitch cannot turn ARP requests into replies ({reason}): the responder is off on this host, ARP \
                 requests are flooded to every host of the network; Open vSwitch 2.1 or later can"
            ),
        );
        true
    }

    /// Tells a new pipeline all that is known.
    fn teach_pipeline(&mut self, before: &State) {
        for (network, segment, vlan) in self.vlans.places() {
            // The same places did not clash before.
            let _ = self.pipeline.set_network(network, segment, vlan);
        }
        for network in self.link.known_networks().chain(self.parked.loaded()) {
            self.pipeline.apply_entries(network, before.entries(network).collect(), &[]);
        }
        for (id, port) in self.wiring.ports_in_effect() {
            self.pipeline.set_local_port(id, port.clone());
        }
        self.pipeline.set_patch_ports(PatchPorts { on_int: self.facts.patch_tun, on_tun: self.facts.patch_int });
        self.foreign.iter().for_each(|port| self.pipeline.set_foreign_port(*port));
        self.pipeline.set_tunnel_ports(self.tunnels.told().map(|(tunnel, port)| (tunnel, Some(port))));
    }

    /// Hands the patch ports and others' ports to the pipeline.
    pub(super) fn settle_ports_of_others(&mut self) {
        self.pipeline.set_patch_ports(PatchPorts { on_int: self.facts.patch_tun, on_tun: self.facts.patch_int });
        for port in self.foreign.difference(&self.facts.foreign) {
            self.pipeline.remove_foreign_port(*port);
        }
        for port in self.facts.foreign.difference(&self.foreign) {
            self.pipeline.set_foreign_port(*port);
        }
        self.foreign.clone_from(&self.facts.foreign);
        let shut_out: Vec<_> = self.facts.trunks.difference(&self.trunks).cloned().collect();
        for name in shut_out {
            self.say(
                Level::Warn,
                format!(
                    "nothing is let in from port {name} of {}: it is somebody else's and has no VLAN of its own, so what it sends \
                     could be in any network; give it a tag, or take it away",
                    self.config.integration_bridge
                ),
            );
        }
        self.trunks.clone_from(&self.facts.trunks);
    }
}

/// A port of another host that was not known: half of it breaks nothing, in the order of the stages. Plain, it is in with
/// one answer of the switch; a bundle takes two.
fn is_news(op: &Op) -> bool {
    op.change == Change::Add && matches!(op.row, Row::Unicast { .. } | Row::Responder { .. })
}
