use std::collections::VecDeque;

use directory::{EntryChange, NetworkView, Position};
use model::{Entry, NetworkId, PortId, Revision};

use crate::messages::{Complete, Delta, HeldNetwork, NetworkInfo, Snapshot, ToAgent};

/// Most bytes of entries in one message.
const CHUNK: usize = 60 << 10;

/// How far an agent is with one network. Instead of a queue of messages: what is to be sent is read from the directory
/// when there is room, so a slow agent gets fewer, larger messages, and a session's size does not depend on how much
/// happens.
#[derive(Debug)]
pub(super) struct Cursor {
    /// What was last said of the network itself.
    pub(super) info: Option<NetworkInfo>,
    /// What the agent holds once it has read all that was sent; deltas follow it.
    sent: Revision,
    /// Everything up to here is sent, or was of no concern to the host.
    looked: Position,
    /// Where `looked` was when the delta or snapshot under way began.
    began: Position,
    confirmed: Revision,
    /// What was last reported of it without the agent's word: nothing when it is made, though an agent may hold all there is.
    pub(super) reported: Revision,
    step: Step,
    /// Revisions sent and not confirmed.
    unconfirmed: VecDeque<Revision>,
}

#[derive(Debug)]
enum Step {
    /// Deltas. `open`: parts of one were sent and its last was not.
    Follow { open: bool },
    /// Entries in the order of their ports, as they are when their turn comes; `after`: the last one sent. The network
    /// may change meanwhile: [`Step::Finish`] makes up for it, so no copy of the network is kept for a slow reader.
    Snapshot { after: Option<PortId>, first: bool },
    /// What changed since the snapshot began, then its end.
    Finish,
}

/// What one call of [`Cursor::next`] gives.
pub(super) enum Next {
    /// A message, of about so many bytes; there may be more.
    Message(ToAgent, usize),
    /// Nothing more to send; the cursor may have moved on all the same.
    UpToDate,
}

impl Cursor {
    /// For a network of which the agent holds `held`; it starts with a snapshot if that is of no use.
    pub(super) fn new(held: Option<HeldNetwork>, view: NetworkView<'_>) -> Self {
        let resume = held.and_then(|held| Some((held.revision, view.resume(held.revision, held.sum)?)));
        let mut cursor = Cursor {
            info: None,
            sent: Revision::ZERO,
            looked: Position::end_of(Revision::ZERO),
            began: Position::end_of(Revision::ZERO),
            confirmed: Revision::ZERO,
            reported: Revision::ZERO,
            step: Step::Follow { open: false },
            unconfirmed: VecDeque::new(),
        };
        match resume {
            Some((revision, position)) => {
                (cursor.sent, cursor.confirmed, cursor.looked) = (revision, revision, position);
            }
            None => cursor.restart(view),
        }
        cursor
    }

    /// For an agent in full-mesh mode, which wants no entries.
    pub(super) fn without_entries() -> Self {
        let looked = Position::end_of(Revision(u64::MAX));
        let step = Step::Follow { open: false };
        let (sent, confirmed, unconfirmed) = (Revision::ZERO, Revision::ZERO, VecDeque::new());
        Cursor { info: None, sent, looked, began: looked, confirmed, reported: confirmed, step, unconfirmed }
    }

    /// Everything from the beginning.
    pub(super) fn restart(&mut self, view: NetworkView<'_>) {
        self.step = Step::Snapshot { after: None, first: true };
        self.looked = Position::end_of(view.revision());
        self.began = self.looked;
        self.unconfirmed.clear();
    }

    /// The agent relies no longer on what it holds: it gets everything anew, and what it confirmed before counts no more.
    pub(super) fn distrusted(&mut self, view: NetworkView<'_>) {
        self.confirmed = Revision::ZERO;
        self.restart(view);
    }

    pub(super) fn sent(&self) -> Revision {
        self.sent
    }

    pub(super) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    /// The agent confirmed everything up to `revision`. That may be more than this stream has sent: what an earlier one
    /// sent and OVS confirms now.
    pub(super) fn confirm(&mut self, revision: Revision) {
        self.confirmed = self.confirmed.max(revision.min(self.sent));
        self.unconfirmed.retain(|waiting| *waiting > revision);
    }

    /// Up to which revision the host is known to be right. What holds nothing for the host needs no confirmation.
    pub(super) fn confirmed(&self) -> Revision {
        let idle = matches!(self.step, Step::Follow { open: false });
        if idle && self.confirmed == self.sent { self.confirmed.max(self.looked.revision()) } else { self.confirmed }
    }

    /// The next message of the network, if the agent is behind; of about `room` bytes at most.
    pub(super) fn next(&mut self, network: NetworkId, view: NetworkView<'_>, room: usize) -> Next {
        let chunk = room.min(CHUNK);
        let lost = !view.reaches(self.looked);
        if lost {
            self.restart(view);
        }
        match self.step {
            Step::Snapshot { after, first } => self.snapshot_part(network, view, after, first, chunk),
            Step::Finish => self.finish(network, view, chunk),
            Step::Follow { open } => self.delta(network, view, open, chunk),
        }
    }

    fn snapshot_part(
        &mut self,
        network: NetworkId,
        view: NetworkView<'_>,
        after: Option<PortId>,
        first: bool,
        chunk: usize,
    ) -> Next {
        let (mut entries, mut size) = (Vec::new(), 0);
        for entry in view.entries(after) {
            if size >= chunk {
                break;
            }
            size += size_of_entry(entry);
            entries.push(entry.clone());
        }
        // A part that is not full is the last; an empty one is sent only to say "first".
        if size < chunk {
            self.step = Step::Finish;
            if entries.is_empty() && !first {
                return self.finish(network, view, chunk);
            }
        } else {
            self.step = Step::Snapshot { after: entries.last().map(|entry| entry.port), first: false };
        }
        Next::Message(ToAgent::Snapshot(Snapshot { network, first, entries, removes: Vec::new() }), size + OVERHEAD)
    }

    fn finish(&mut self, network: NetworkId, view: NetworkView<'_>, chunk: usize) -> Next {
        let part = self.read(view, chunk);
        if part.is_empty() {
            self.step = Step::Follow { open: false };
            self.sent_all(view.revision());
            let complete = Complete { network, revision: view.revision(), sum: view.sum() };
            return Next::Message(ToAgent::Complete(complete), OVERHEAD);
        }
        self.looked = part.position;
        let snapshot = Snapshot { network, first: false, entries: part.upserts, removes: part.removes };
        Next::Message(ToAgent::Snapshot(snapshot), part.size + OVERHEAD)
    }

    fn delta(&mut self, network: NetworkId, view: NetworkView<'_>, open: bool, chunk: usize) -> Next {
        if !open {
            self.began = self.looked;
        }
        let part = self.read(view, chunk);
        let (previous, revision) = (self.sent, view.revision());
        if part.is_empty() && !open {
            self.looked = self.looked.max(Position::end_of(revision));
            return Next::UpToDate;
        }
        if part.more {
            self.looked = part.position;
        } else {
            self.sent_all(revision);
        }
        self.step = Step::Follow { open: part.more };
        let (upserts, removes, more) = (part.upserts, part.removes, part.more);
        let delta = Delta { network, previous, revision, upserts, removes, sum: view.sum(), more };
        Next::Message(ToAgent::Delta(delta), part.size + OVERHEAD)
    }

    /// As many changes as fit.
    fn read(&self, view: NetworkView<'_>, chunk: usize) -> Part {
        let mut part = Part { upserts: Vec::new(), removes: Vec::new(), position: self.looked, size: 0, more: false };
        for (position, change) in view.changes(self.looked, self.began) {
            if part.size >= chunk {
                part.more = true;
                break;
            }
            match change {
                EntryChange::Upsert(entry) => {
                    part.size += size_of_entry(entry);
                    part.upserts.push(entry.clone());
                }
                EntryChange::Remove(port) => {
                    part.size += 18;
                    part.removes.push(port);
                }
            }
            part.position = position;
        }
        part
    }

    fn sent_all(&mut self, revision: Revision) {
        self.sent = revision;
        self.looked = self.looked.max(Position::end_of(revision));
        self.unconfirmed.push_back(revision);
    }
}

/// As many changes as fit one message.
struct Part {
    upserts: Vec<Entry>,
    removes: Vec<PortId>,
    position: Position,
    size: usize,
    more: bool,
}

impl Part {
    fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.removes.is_empty()
    }
}

/// Bytes of a message beside its entries, roughly.
const OVERHEAD: usize = 64;

/// Bytes on the wire, at most, for addresses of sixteen bytes.
fn size_of_entry(entry: &Entry) -> usize {
    48 + 18 * entry.ips.len()
}
