//! The two bridges, the patch between them, and nobody else's controller.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb::codec::{Atom, Condition, Datum, Operation};
use ovsdb::{BridgeSpec, PortSpec, Transaction};
use pipeline::Bridge;

use uuid::Uuid;

use super::HostState;
use super::database::Purpose;
use super::facts::{PATCH_INT, PATCH_TUN};
use crate::DatapathType;
use crate::events::Level;

const SYSTEM: &str = DatapathType::System.as_str();

impl HostState {
    /// Makes what is missing and adjusts what differs; what is there already is left alone.
    pub(super) fn settle_base(&mut self) {
        if !self.wiring.stale || !self.database.is_free(&Purpose::Base) {
            return;
        }
        self.say_datapath_types();
        match self.base() {
            Ok(transaction) => {
                let operations = transaction.into_operations();
                let wrong: BTreeSet<_> =
                    operations.iter().filter_map(|operation| self.what_was_changed(operation)).collect();
                // What was wrong the last time is being put right.
                if let Some(known) = self.database.base_wrong.take() {
                    for what in wrong.difference(&known) {
                        self.note_changed_bridge(what);
                    }
                    self.database.base_wrong = Some(wrong);
                } else if operations.is_empty() {
                    self.database.base_wrong = Some(wrong);
                }
                let operations = self.expect_flush(operations);
                self.transact(Purpose::Base, operations);
            }
            Err(error) => {
                let text = error.to_string();
                if self.database.base_error.as_ref() != Some(&text) {
                    self.say(Level::Error, text.clone());
                    self.database.base_error = Some(text);
                }
            }
        }
    }

    fn base(&self) -> Result<Transaction, ovsdb::Error> {
        let replica = &self.database.replica;
        let mut transaction = Transaction::new();
        let [integration, tunnel] = self.bridge_names();
        for (which, name, patch, peer) in
            [(Bridge::Integration, integration, PATCH_TUN, PATCH_INT), (Bridge::Tunnel, tunnel, PATCH_INT, PATCH_TUN)]
        {
            let bridge = transaction.ensure_bridge(replica, &self.bridge_spec(name))?;
            // We speak through the bridge's own socket; a stock agent's controller would fight us for the flows.
            self.disarm(&mut transaction, which, &bridge);
            match replica.interfaces().iter().find(|(_, interface)| interface.name == patch) {
                Some((uuid, _)) => transaction.set_interface_options(replica, *uuid, [("peer", Some(peer))]),
                None => transaction.add_ports(&bridge, [&PortSpec::patch(patch, peer)]),
            }
        }
        Ok(transaction)
    }

    /// Of a step that puts a bridge or a patch port right: what was wrong with it, for people.
    fn what_was_changed(&self, operation: &Operation) -> Option<String> {
        let (conditions, columns): (_, Vec<&str>) = match operation {
            Operation::Insert { table, row, .. } if table == "Interface" => {
                let Some(Datum::Atom(Atom::String(name))) = row.get("name") else { return None };
                return Some(format!("{name} was removed"));
            }
            Operation::Update { conditions, row, .. } => {
                // That the controllers which were found are replaced is the end of the hand-over.
                let of_hand_over =
                    |(column, value): &(&String, &Datum)| *column == "controller" && **value != Datum::Set(vec![]);
                (
                    conditions,
                    row.iter().filter(|column| !of_hand_over(column)).map(|(column, _)| column.as_str()).collect(),
                )
            }
            Operation::Mutate { conditions, mutations, .. } => {
                (conditions, mutations.iter().map(|mutation| mutation.column.as_str()).collect())
            }
            _ => return None,
        };
        let is_it = |uuid: &Uuid| *conditions == [Condition::row(*uuid)];
        let replica = &self.database.replica;
        let bridge = replica.bridges().iter().find(|(uuid, _)| is_it(uuid)).map(|(_, bridge)| &bridge.name);
        let interface =
            || replica.interfaces().iter().find(|(uuid, _)| is_it(uuid)).map(|(_, interface)| &interface.name);
        let name = bridge.or_else(interface)?;
        // That it has a port again that was removed is no news.
        let columns: BTreeSet<_> = columns.into_iter().filter(|column| *column != "ports").collect();
        let columns: Vec<_> = columns.into_iter().collect();
        (!columns.is_empty()).then(|| format!("{} of {name} was changed", columns.join(", ")))
    }

    fn bridge_spec(&self, name: &str) -> BridgeSpec {
        // Without a rule of ours nothing passes: a bridge that lost its flows must not fall back to plain switching.
        // The options are Neutron's: no in-band rules above ours, and room for the MACs of a busy host.
        let mut other_config = BTreeMap::from([("disable-in-band".to_owned(), "true".to_owned())]);
        if name == self.config.integration_bridge {
            other_config.insert("mac-table-size".to_owned(), "50000".to_owned());
        }
        BridgeSpec {
            name: name.to_owned(),
            datapath_type: self.datapath_type(name),
            fail_mode: Some("secure".to_owned()),
            other_config,
            protocols: ["OpenFlow13", "OpenFlow14"].map(str::to_owned).into_iter().collect::<BTreeSet<_>>(),
        }
    }

    /// Open vSwitch makes a bridge anew whose type changes, so one that is there keeps its own unless the setting says another;
    /// and a patch joins two bridges of one type only, so a new one is as the other is.
    fn datapath_type(&self, name: &str) -> String {
        let there = self.datapath_type_of(name);
        let wanted = self.config.datapath_type;
        match (there, wanted) {
            (Some(there), Some(wanted)) if wanted.is(there) => there.to_owned(),
            (_, Some(wanted)) => wanted.as_str().to_owned(),
            (Some(there), None) => there.to_owned(),
            (None, None) => self
                .bridge_names()
                .into_iter()
                .find_map(|other| self.datapath_type_of(other))
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn datapath_type_of(&self, bridge: &str) -> Option<&str> {
        self.database.replica.bridge_by_name(bridge).map(|(_, bridge)| bridge.datapath_type.as_str())
    }

    fn bridge_names(&self) -> [&str; 2] {
        [&self.config.integration_bridge, &self.config.tunnel_bridge]
    }

    /// What an operator may not expect of the bridges' datapath types; once, as long as it stays so.
    fn say_datapath_types(&mut self) {
        let written = |bridge| self.datapath_type_of(bridge).map(|there| if there.is_empty() { SYSTEM } else { there });
        let of_one = |bridge| match (written(bridge)?, self.config.datapath_type) {
            (there, Some(wanted)) if !wanted.is(there) => Some((
                Level::Warn,
                format!(
                    "datapath type of {bridge} was {there} and becomes {wanted}, as datapath_type says: it is made anew"
                ),
            )),
            (there, None) if there != SYSTEM => {
                Some((Level::Info, format!("datapath type of {bridge} stays {there}, as datapath_type is not set")))
            }
            _ => None,
        };
        let names = self.bridge_names();
        let mut said: Vec<_> = names.into_iter().filter_map(of_one).collect();
        if let ([Some(one), Some(other)], None) = (names.map(written), self.config.datapath_type)
            && one != other
        {
            let [integration, tunnel] = names;
            said.push((
                Level::Error,
                format!(
                    "datapath type of {integration} is {one}, and that of {tunnel} is {other}: no frame passes between them; \
                     set datapath_type to what both are to be"
                ),
            ));
        }
        if said != self.database.datapath_types_said {
            self.database.datapath_types_said.clone_from(&said);
            for (level, text) in said {
                self.say(level, text);
            }
        }
    }
}
