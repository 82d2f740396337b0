use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::Message;
use crate::error::{Error, Result};

/// Requests in flight, by transaction id.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u32,
    /// By the first of their ids.
    waiting: BTreeMap<u32, Waiting>,
    lost: Option<Arc<Error>>,
}

#[derive(Debug)]
struct Waiting {
    last: u32,
    answers: Answers,
}

#[derive(Debug)]
enum Answers {
    /// At most so many more, held until the caller takes them.
    Few(usize, mpsc::UnboundedSender<Answer>),
    /// Any number; the socket is not read while they are not taken.
    Many(mpsc::Sender<Answer>),
}

/// Which of a request's messages is answered (0 is the first), and with what.
pub(super) type Answer = (usize, Result<Message>);

/// What the connection's task has to do with an answer.
#[derive(Debug)]
pub(super) enum Delivery {
    Done,
    /// Wait until there is room for it.
    Wait(mpsc::Sender<Answer>, Answer),
    /// Nobody waits for it (any more).
    Unclaimed,
    /// More answers than there were questions.
    TooMany,
}

/// A claim to the answers for a range of ids, given up when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    pending: Arc<Pending>,
    pub(super) first: u32,
}

impl Pending {
    /// Claims `count` ids in a row, each of which is answered a few times at most.
    pub(super) fn few(self: &Arc<Self>, count: usize) -> Result<(Ticket, mpsc::UnboundedReceiver<Answer>)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        // Twice: a bundled message may be refused when it is added, or when the bundle is committed.
        let ticket = self.claim(count, Answers::Few(count.saturating_mul(2), sender))?;
        Ok((ticket, receiver))
    }

    /// Claims one id that is answered by any number of messages, of which at most `room` wait.
    pub(super) fn many(self: &Arc<Self>, room: usize) -> Result<(Ticket, mpsc::Receiver<Answer>)> {
        let (sender, receiver) = mpsc::channel(room);
        Ok((self.claim(1, Answers::Many(sender))?, receiver))
    }

    fn claim(self: &Arc<Self>, count: usize, answers: Answers) -> Result<Ticket> {
        let mut state = self.state();
        if let Some(lost) = &state.lost {
            return Err(Error::Lost(lost.clone()));
        }
        let too_many = || Error::TooLong { what: "a batch of messages", length: count };
        let span = u32::try_from(count).ok().filter(|count| *count < 1 << 24).ok_or_else(too_many)?.max(1) - 1;
        // Id 0 is for signs of life. A range does not wrap, and passes over what is still claimed.
        let mut first = state.next.max(1);
        loop {
            let Some(last) = first.checked_add(span) else {
                first = 1;
                continue;
            };
            match state.waiting.range(..=last).next_back() {
                Some((_, other)) if other.last >= first => first = other.last.checked_add(1).unwrap_or(1),
                _ => {
                    state.next = last.wrapping_add(1);
                    state.waiting.insert(first, Waiting { last, answers });
                    return Ok(Ticket { pending: self.clone(), first });
                }
            }
        }
    }

    pub(super) fn deliver(&self, xid: u32, message: Result<Message>) -> Delivery {
        let mut state = self.state();
        let claimed = state.waiting.range_mut(..=xid).next_back().filter(|(_, waiting)| xid <= waiting.last);
        let Some((first, waiting)) = claimed else { return Delivery::Unclaimed };
        let answer = ((xid - first) as usize, message);
        match &mut waiting.answers {
            Answers::Few(0, _) => Delivery::TooMany,
            Answers::Few(left, sender) => {
                *left -= 1;
                // Fails only if the caller has just gone.
                let _ = sender.send(answer);
                Delivery::Done
            }
            Answers::Many(sender) => Delivery::Wait(sender.clone(), answer),
        }
    }

    /// Fails all requests, now and later.
    pub(super) fn lose(&self, reason: &Arc<Error>) {
        let mut state = self.state();
        state.lost = Some(reason.clone());
        state.waiting.clear();
    }

    /// Why the answers ended.
    pub(super) fn reason(&self) -> Error {
        let lost = self.state().lost.clone();
        Error::Lost(lost.unwrap_or_else(|| Arc::new(Error::Closed)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock, and each step leaves the state whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pending.state().waiting.remove(&self.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_neither_wrap_nor_overlap() {
        let pending = Arc::new(Pending::default());
        let (first, _answers) = pending.few(10).unwrap();
        assert_eq!(first.first, 1);
        pending.state().next = u32::MAX - 3;
        let (second, _answers) = pending.few(3).unwrap();
        assert_eq!(second.first, u32::MAX - 3);
        let (third, _answers) = pending.few(5).unwrap();
        assert_eq!(third.first, 11);
        drop(first);
        pending.state().next = 0;
        assert_eq!(pending.few(5).unwrap().0.first, 1);
    }

    #[test]
    fn answers_find_their_question_by_id() {
        let pending = Arc::new(Pending::default());
        let (ticket, mut answers) = pending.few(3).unwrap();
        let answer = |xid| pending.deliver(xid, Ok(Message::BarrierReply));
        assert!(matches!(answer(ticket.first + 2), Delivery::Done));
        assert!(matches!(answers.try_recv(), Ok((2, Ok(Message::BarrierReply)))));
        assert!(matches!(answer(ticket.first + 3), Delivery::Unclaimed));
        assert!((0..5).all(|_| matches!(answer(ticket.first), Delivery::Done)));
        assert!(matches!(answer(ticket.first), Delivery::TooMany));
        let first = ticket.first;
        drop(ticket);
        assert!(matches!(answer(first), Delivery::Unclaimed));
        pending.lose(&Arc::new(Error::Closed));
        assert!(matches!(pending.few(1), Err(Error::Lost(_))));
    }
}
