//! What sessions want done.

use model::HostName;
use store::WiredReport;
use sync::server::{Closing, Effect, Refusal};
use tracing::{debug, info, warn};

use super::State;
use super::events::{Command, Now};

impl State {
    pub(super) fn apply(&mut self, host: &HostName, effects: Vec<Effect>, now: Now) {
        for effect in effects {
            match effect {
                Effect::SetWired { port, generation, wired } => {
                    debug!(%host, %port, %generation, wired, "port reported");
                    if wired {
                        self.problems.wired(host, port);
                    }
                    self.writer.wired(WiredReport { port, generation, wired });
                }
                Effect::Confirmed { network, revision } => self.life.confirmed(host, network, revision),
                Effect::Problems { network, problems } => {
                    for problem in &problems {
                        warn!(%host, %network, port = %problem.port, reason = problem.reason, "host cannot program a row");
                    }
                    self.problems.rows(host, network, problems);
                }
                Effect::Refused { port, refusal: Refusal::AdminDown } => {
                    debug!(%host, %port, "a report crossed the port's going down");
                }
                Effect::Refused { port, refusal } => warn!(%host, %port, %refusal, "refused a report of a host"),
                Effect::NotWired { port, reason } => {
                    warn!(%host, %port, reason, "host cannot wire a port");
                    self.problems.not_wired(host, port, reason);
                }
                Effect::Resync { network, reason } => {
                    let network = network.map_or("endpoints".to_owned(), |network| network.to_string());
                    info!(%host, network, reason, "host asks for all of it anew");
                }
                Effect::Ignored(what) => debug!(%host, what, "ignored what a host said"),
                Effect::Answer { question, text } => {
                    self.commands.push(Command::Answer { host: host.clone(), question, text });
                }
                Effect::Violation(what) => {
                    warn!(%host, what, "host breaks the protocol: its stream is closed");
                    if self.sessions.close(host, Closing::Refused(what), &mut self.commands) {
                        self.stream_lost(host, now);
                    }
                }
            }
        }
    }
}
