//! Interfaces that went with the database of Open vSwitch: it was deleted, or made anew. Bridges and tunnels are made again;
//! an interface comes back when its VM is plugged again, and until then it is named here.

use std::collections::BTreeSet;

use sync::messages::Order;

use super::HostState;
use crate::events::Level;

/// Interfaces that the log names; how many there are more it says in the same line.
const NAMED: usize = 20;

impl HostState {
    /// Without an integration bridge nothing is plugged, whatever was: who unplugs a VM leaves the bridge. What is known of
    /// interfaces is from before, or from the disk.
    pub(super) fn note_missing(&mut self) {
        let before = self.missing.len();
        self.missing.retain(|id| !self.facts.plugged.contains_key(id));
        self.unsaved |= self.missing.len() != before;
        if self.facts.bridges.integration.is_some() {
            return;
        }
        let wired = self.orders.iter().filter(|(_, order)| matches!(order.order, Order::Wire(_)));
        let lost: BTreeSet<String> = wired.map(|(id, _)| id.clone()).filter(|id| !self.missing.contains(id)).collect();
        if lost.is_empty() {
            return;
        }
        let named: Vec<_> = lost.iter().take(NAMED).map(String::as_str).collect();
        let more = lost.len().saturating_sub(NAMED);
        let (named, more) = (named.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() });
        self.say(
            Level::Error,
            format!(
                "Open vSwitch has lost its database: {} ports that were plugged here are not: {named}{more}; \
                 they are wired again as soon as they are plugged again",
                lost.len()
            ),
        );
        self.missing.extend(lost);
        self.unsaved = true;
    }
}
