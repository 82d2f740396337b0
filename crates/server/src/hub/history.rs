//! What an agent holds may be of a history that this database does not have: told by a server on another database, or
//! by this one before its file was replaced by an older copy.

use model::Epoch;
use sync::messages::Hello;
use sync::server::Closing;
use tracing::warn;

use super::State;
use super::events::Command;

/// The database that the facts come from.
#[derive(Debug, Clone)]
pub struct Database {
    pub epoch: Epoch,
    /// Where it is, for people.
    pub place: String,
    /// Let in agents that hold what another database has told them, though this one does not know their hosts.
    pub adopt_agents: bool,
}

impl State {
    /// Why the stream must end, if what the agent holds and what this database has do not go together.
    pub(super) fn of_other_history(&mut self, hello: &Hello) -> Option<Closing> {
        if hello.epoch? == self.database.epoch { self.ahead(hello) } else { self.stranger(hello) }
    }

    /// The outcome of a [`Command::BeginHistory`]; `None`: it failed.
    pub fn history_began(&mut self, epoch: Option<Epoch>) {
        self.history_begins = false;
        if let Some(epoch) = epoch {
            self.database.epoch = epoch;
        }
    }

    /// Every revision that an agent was told of was safe on disk before, so a database that does not have it is an older
    /// copy. Revisions from there on are given out again: under another epoch, which makes agents distrust what they hold
    /// until they have a snapshot.
    fn ahead(&mut self, hello: &Hello) -> Option<Closing> {
        let newest = hello.held.iter().map(|held| held.revision).chain([hello.endpoints_held]).max()?;
        let (here, place) = (self.directory.revision(), &self.database.place);
        if newest <= here {
            return None;
        }
        if !std::mem::replace(&mut self.history_begins, true) {
            warn!(host = %hello.host, held = %newest, %here, database = place, "the database is older than what an agent \
                holds: it was restored from a copy, and a new history begins; agents get everything anew");
            self.commands.push(Command::BeginHistory);
        }
        Some(Closing::Unavailable(format!(
            "the server's database {place} ends at revision {here} and this agent holds {newest}: it was restored from an \
             older copy, and the agent gets everything anew"
        )))
    }

    /// To a database that is not there any more, or not mounted, the server makes an empty one. It has no port of any host,
    /// and no host may lose its ports by that.
    fn stranger(&self, hello: &Hello) -> Option<Closing> {
        let Database { place, adopt_agents, .. } = &self.database;
        if *adopt_agents || self.directory.host(&hello.host).is_some() {
            return None;
        }
        let reason = format!(
            "host {} has its networks from another database than the server's, {place}, to which the host is unknown: its \
             ports would be cut off. See that the server's setting `database` names the right file and that it is not an \
             empty one in its place (not mounted, deleted); to begin anew with it, start the server with adopt_agents = true",
            hello.host
        );
        warn!(host = %hello.host, reason, "refused a host");
        Some(Closing::Refused(reason))
    }
}
