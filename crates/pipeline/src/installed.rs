use openflow::{Flow, FlowMod, Meaning};
use rustc_hash::FxHashMap;

use crate::{Bridge, Change, Cookie, Op, Ownership, Row, State};

/// What the switch is known to hold of ours: of each flow no more than it takes to compare it.
#[derive(Debug, Default)]
pub struct Installed {
    rows: FxHashMap<Row, Mark>,
    strays: Vec<(Bridge, Flow)>,
}

/// Meaning and cookie of a flow. One is kept for every flow installed, so it is packed: 12 bytes, aligned to 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    meaning: [u32; 2],
    /// The cookie, folded: two cookies that differ and fold to the same go unnoticed once in four thousand million.
    cookie: u32,
}

impl Mark {
    fn of(flow: &Flow) -> Self {
        let Meaning(meaning) = flow.meaning();
        Mark { meaning: halves(meaning), cookie: fold(flow.cookie) }
    }
}

impl Installed {
    /// Takes a flow that was found on a bridge. One of ours is remembered, to be compared; one that is ours but of no
    /// form that we use is kept aside ([`Installed::take_strays`]); what is not ours is left alone.
    pub fn adopt(&mut self, bridge: Bridge, flow: Flow) -> Ownership {
        let ownership = Ownership::of(bridge, &flow);
        match ownership {
            Ownership::Row(row) => self.insert(row, &flow),
            // One mark for all that was learned for a VLAN, and only of ours: a stock agent's expires by itself.
            Ownership::Learned(Row::LearnedMac { vlan, .. }) if Cookie::parse(flow.cookie).is_some() => {
                self.rows.insert(Row::Learned { vlan }, Mark { meaning: [0; 2], cookie: 0 });
            }
            Ownership::Stray => self.strays.push((bridge, flow)),
            Ownership::Learned(_) | Ownership::Foreign => {}
        }
        ownership
    }

    /// The same of a bridge that another agent leaves to us: nothing there is somebody else's.
    pub fn take_over(&mut self, bridge: Bridge, flow: Flow) -> Ownership {
        match (Ownership::of(bridge, &flow), Row::from_flow(bridge, &flow)) {
            (Ownership::Foreign, Some(row)) => {
                self.insert(row, &flow);
                Ownership::Row(row)
            }
            (Ownership::Foreign, None) => {
                self.strays.push((bridge, flow));
                Ownership::Stray
            }
            _ => self.adopt(bridge, flow),
        }
    }

    /// The switch has confirmed what was sent for an operation.
    pub fn confirm(&mut self, op: &Op, sent: &FlowMod) {
        if op.change == Change::Remove {
            self.remove(&op.row);
        } else {
            self.insert(op.row, &sent.flow);
        }
    }

    /// The row is known to be gone: somebody else removed it.
    pub fn remove(&mut self, row: &Row) {
        self.rows.remove(row);
    }

    /// The bridge holds nothing any more: it was made anew, or the switch was restarted.
    pub fn clear(&mut self, bridge: Bridge) {
        self.rows.retain(|row, _| row.bridge() != bridge);
        self.rows.shrink_to_fit();
        self.strays.retain(|(of, _)| *of != bridge);
    }

    /// Flows of ours, of no form that we use. Remove them strictly, when everything is known to be complete and all
    /// that is wanted is in.
    pub fn take_strays(&mut self) -> Vec<(Bridge, Flow)> {
        std::mem::take(&mut self.strays)
    }

    pub fn has_strays(&self) -> bool {
        !self.strays.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn holds(&self, row: &Row) -> bool {
        self.rows.contains_key(row)
    }

    /// Whether the row is there under this cookie.
    pub(crate) fn holds_of(&self, row: &Row, cookie: u64) -> bool {
        self.rows.get(row).is_some_and(|mark| mark.cookie == fold(cookie))
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.keys()
    }

    /// Every row that is installed, wanted, or both: all that can differ.
    pub fn and_wanted(&self, state: &State) -> Vec<Row> {
        let installed = self.rows.keys().copied();
        installed.chain(state.rows().filter(|row| !self.rows.contains_key(row))).collect()
    }

    fn insert(&mut self, row: Row, flow: &Flow) {
        self.rows.insert(row, Mark::of(flow));
    }

    /// How the row must change to become this flow; `None`: it is this flow.
    pub(crate) fn compare(&self, row: &Row, flow: &Flow) -> Option<Change> {
        let Some(mark) = self.rows.get(row) else { return Some(Change::Add) };
        let wanted = Mark::of(flow);
        if mark.meaning != wanted.meaning {
            Some(Change::Modify)
        } else if mark.cookie != wanted.cookie {
            Some(Change::Recookie)
        } else {
            None
        }
    }

    /// Whether there may be something to remove. What the switch learned is not known one by one.
    pub(crate) fn may_hold(&self, row: &Row) -> bool {
        matches!(row, Row::Learned { .. } | Row::LearnedMac { .. } | Row::LearnedTo { .. })
            || self.rows.contains_key(row)
    }
}

fn halves(number: u64) -> [u32; 2] {
    [(number >> 32) as u32, (number & 0xffff_ffff) as u32]
}

fn fold(cookie: u64) -> u32 {
    let [high, low] = halves(cookie.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    high ^ low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_small() {
        assert_eq!(size_of::<(Row, Mark)>(), 24);
    }
}
