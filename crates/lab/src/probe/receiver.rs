//! The receiving end: notes what comes, in the order in which it comes.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::packet::{LENGTH, Packet};

/// A probe that came, with the time since the origin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) slot: u64,
    pub(super) at: Duration,
}

/// How many have come so far, for those who watch.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) run: u32,
    points: usize,
    /// By sender, then by receiver.
    counts: Vec<AtomicU64>,
}

impl Received {
    pub(super) fn new(points: usize) -> Self {
        let run = uuid::Uuid::new_v4().as_fields().0;
        Received { run, points, counts: std::iter::repeat_with(AtomicU64::default).take(points * points).collect() }
    }

    pub(super) fn count(&self, from: usize, to: usize) -> u64 {
        self.counts.get(from * self.points + to).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn add(&self, from: usize, to: usize) {
        if let Some(count) = self.counts.get(from * self.points + to).filter(|_| to < self.points) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Receives until told to end.
pub(super) fn run(socket: &UdpSocket, origin: Instant, received: &Received, receiving: &AtomicBool) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    // What is longer is cut off: the rest is padding.
    let mut bytes = [0; LENGTH];
    while receiving.load(Ordering::Relaxed) {
        // The socket's time-out, or an ICMP error that came back for a probe of ours: neither is a probe.
        let Ok(length) = socket.recv(&mut bytes) else { continue };
        let at = origin.elapsed();
        let Some(packet) = bytes.get(..length).and_then(Packet::decode) else { continue };
        if packet.run == received.run {
            let (from, to) = (packet.from.into(), packet.to.into());
            arrivals.push(Arrival { from, to, slot: packet.slot, at });
            received.add(from, to);
        }
    }
    arrivals
}
