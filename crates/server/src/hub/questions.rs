//! What operators ask, and the way to the hub.

use std::collections::HashMap;

use model::{Entry, HostName, PortId};
use sync::messages::{NetworkInfo, Question, QuestionKind, ToAgent};
use tokio::sync::{mpsc, oneshot};

use super::{Task, confirmations, overview};
use crate::admin::report::{ExplainDrop, Propagation, Status};

/// Asks the hub. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Hub(mpsc::Sender<Ask>);

#[derive(Debug)]
pub(crate) enum Ask {
    Overview(oneshot::Sender<Status>),
    Propagation(PortId, oneshot::Sender<Result<Propagation, Refused>>),
    Watch(HostName, oneshot::Sender<Result<Watch, Refused>>),
    Explain(ExplainDrop, oneshot::Sender<Result<String, Refused>>),
}

/// What is sent to a host from now on.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What it is taken to know already.
    pub(crate) known: Vec<(NetworkInfo, Vec<Entry>)>,
    pub(crate) messages: mpsc::Receiver<ToAgent>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no port {0}: see `culvert port list`")]
    UnknownPort(PortId),
    #[error("no host named {0} has ever registered: see `culvert status` for the names of hosts")]
    UnknownHost(HostName),
    #[error(
        "host {0} is not connected, and only its agent can answer: see that the agent runs and reaches this server"
    )]
    NotConnected(HostName),
    #[error("host {0} does not answer: see the log of its agent")]
    Silent(HostName),
    #[error("the server is shutting down")]
    Ending,
}

impl Hub {
    pub(super) fn new(asks: mpsc::Sender<Ask>) -> Self {
        Hub(asks)
    }

    pub(crate) async fn overview(&self) -> Result<Status, Refused> {
        self.ask(Ask::Overview).await
    }

    pub(crate) async fn propagation(&self, port: PortId) -> Result<Propagation, Refused> {
        self.ask(|answer| Ask::Propagation(port, answer)).await?
    }

    pub(crate) async fn watch(&self, host: HostName) -> Result<Watch, Refused> {
        self.ask(|answer| Ask::Watch(host, answer)).await?
    }

    pub(crate) async fn explain(&self, question: ExplainDrop) -> Result<String, Refused> {
        let host = question.host.clone();
        let (answer, answered) = oneshot::channel();
        self.0.send(Ask::Explain(question, answer)).await.map_err(|_| Refused::Ending)?;
        answered.await.map_err(|_| Refused::NotConnected(host))?
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Refused> {
        let (answer, answered) = oneshot::channel();
        self.0.send(ask(answer)).await.map_err(|_| Refused::Ending)?;
        answered.await.map_err(|_| Refused::Ending)
    }
}

/// Questions that hosts have not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    next: u64,
    open: HashMap<u64, (HostName, oneshot::Sender<Result<String, Refused>>)>,
}

impl Questions {
    pub(crate) fn answered(&mut self, host: &HostName, question: u64, text: String) {
        // A host answers only what it was asked.
        if self.open.get(&question).is_some_and(|(asked, _)| asked == host)
            && let Some((_, answer)) = self.open.remove(&question)
        {
            let _ = answer.send(Ok(text));
        }
    }

    /// The host's stream is gone: who asked gets to know.
    pub(crate) fn lost(&mut self, host: &HostName) {
        self.open.retain(|_, (asked, _)| asked != host);
    }
}

impl Task {
    pub(super) fn asked(&mut self, ask: Ask) {
        // Who asked may have gone meanwhile: then nobody needs the answer.
        match ask {
            Ask::Overview(answer) => {
                let _ = answer.send(overview::overview(&self.state));
            }
            Ask::Propagation(port, answer) => {
                let _ = answer.send(confirmations::propagation(&self.state, port));
            }
            Ask::Watch(host, answer) => {
                let _ = answer.send(self.watch(host));
            }
            Ask::Explain(question, answer) => self.explain(&question, answer),
        }
    }

    fn watch(&mut self, host: HostName) -> Result<Watch, Refused> {
        let directory = self.state.directory();
        if directory.host(&host).is_none() {
            return Err(Refused::UnknownHost(host));
        }
        let networks = directory.networks_of(&host).filter_map(|id| {
            let view = directory.view(id, &host)?;
            Some((NetworkInfo::from(directory.network(id)?), view.entries(None).cloned().collect()))
        });
        let known = networks.collect();
        Ok(Watch { known, messages: self.streams.watch(host) })
    }

    fn explain(&mut self, question: &ExplainDrop, answer: oneshot::Sender<Result<String, Refused>>) {
        let ExplainDrop { host, tunnel_type, key, from } = question.clone();
        if self.state.directory().host(&host).is_none() {
            let _ = answer.send(Err(Refused::UnknownHost(host)));
            return;
        }
        self.questions.next += 1;
        let question = self.questions.next;
        let kind = QuestionKind::ExplainDrop { tunnel_type, key, from };
        if self.state.ask(&host, Question { question, kind }) {
            self.questions.open.retain(|_, (_, waiting)| !waiting.is_closed());
            self.questions.open.insert(question, (host, answer));
        } else {
            let _ = answer.send(Err(Refused::NotConnected(host)));
        }
    }
}
