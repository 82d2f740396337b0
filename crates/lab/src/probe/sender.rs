//! The sending end: one probe to each peer in each slot of an absolute schedule.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::packet::Packet;

/// A slot that is later than this is given up: to make up for a long stall would be a burst, which says nothing of a steady
/// pace.
const LATEST: Duration = Duration::from_millis(20);

/// Through what a point sends; another socket once the point has moved.
pub(super) type Outlet = Arc<Mutex<UdpSocket>>;

pub(super) struct Sender {
    pub(super) number: usize,
    pub(super) peers: Vec<(usize, SocketAddr)>,
    pub(super) outlet: Outlet,
    pub(super) origin: Instant,
    pub(super) interval: Duration,
    pub(super) run: u32,
    pub(super) bytes: usize,
    pub(super) sending: Arc<AtomicBool>,
}

/// What a point has sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// By slot, when it was really sent, since the origin; `None`: not in time.
    pub(super) slots: Vec<Option<Duration>>,
    /// Slots and peers for which the sender's own kernel refused a probe, for want of a neighbour or a route.
    pub(super) refused: Vec<(u64, usize)>,
    pub(super) peers: usize,
}

impl Sent {
    /// How many packets went out.
    pub(super) fn total(&self) -> u64 {
        let slots = self.slots.iter().flatten().count() * self.peers;
        slots.saturating_sub(self.refused.len()) as u64
    }
}

impl Sender {
    pub(super) fn run(self) -> Sent {
        let mut sent = Sent { peers: self.peers.len(), ..Sent::default() };
        let mut due = self.origin;
        while self.sending.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let slot = sent.slots.len() as u64;
            let at = Instant::now();
            let in_time = at.saturating_duration_since(due) <= LATEST;
            sent.slots.push(in_time.then(|| at - self.origin));
            if in_time {
                self.send(slot, &mut sent);
            }
            due += self.interval;
        }
        sent
    }

    fn send(&self, slot: u64, sent: &mut Sent) {
        let outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner);
        for (to, address) in &self.peers {
            let number = |point: usize| u16::try_from(point).unwrap_or(u16::MAX);
            let packet = Packet { run: self.run, from: number(self.number), to: number(*to), slot };
            if outlet.send_to(&packet.encode(self.bytes), address).is_err() {
                sent.refused.push((slot, *to));
            }
        }
    }
}
