//! What became of the probes. Pure.

use std::time::Duration;

use serde::Serialize;

use super::Point;
use super::receiver::Arrival;
use super::sender::Sent;

/// What became of all probes of a run. Times are in milliseconds since its first slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeReport {
    pub interval_ms: f64,
    pub duration_ms: f64,
    pub pairs: Vec<PairReport>,
}

/// What became of the probes from one point to another.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PairReport {
    pub group: String,
    pub from: String,
    pub to: String,
    pub sent: u64,
    /// Slots in which the sender itself was held up. Nothing is known of them, and they count as nothing else.
    pub unsent: u64,
    /// Refused by the sender's own kernel, for want of a neighbour or a route: these never reached the wire.
    pub refused: u64,
    pub received: u64,
    pub lost: u64,
    pub duplicates: u64,
    /// Came after one that was sent later (RFC 4737, section 3).
    pub reordered: u64,
    pub worst_delay_ms: f64,
    /// The longest of `losses`.
    pub worst_gap_ms: f64,
    pub losses: Vec<Loss>,
}

/// Probes that were lost one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Loss {
    /// When the first of them was sent.
    pub from_ms: f64,
    /// When the next that arrived was sent, or the last at all.
    pub to_ms: f64,
    pub lost: u64,
}

impl ProbeReport {
    /// The pairs of a group.
    pub fn group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a PairReport> {
        self.pairs.iter().filter(move |pair| pair.group == group)
    }

    pub fn pair(&self, from: &str, to: &str) -> Option<&PairReport> {
        self.pairs.iter().find(|pair| pair.from == from && pair.to == to)
    }

    pub(super) fn draw(
        interval: Duration,
        duration: Duration,
        points: &[Point],
        pairs: &[(usize, usize)],
        sent: &[Sent],
        arrivals: &[Arrival],
    ) -> ProbeReport {
        let drawn = pairs.iter().filter_map(|(from, to)| {
            let (sender, receiver) = (points.get(*from)?, points.get(*to)?);
            let arrivals = arrivals.iter().filter(|arrival| (arrival.from, arrival.to) == (*from, *to));
            let report = PairReport {
                group: sender.group.clone(),
                from: sender.name.clone(),
                to: receiver.name.clone(),
                ..PairReport::default()
            };
            Some(draw_pair(report, sent.get(*from)?, *to, arrivals))
        });
        ProbeReport { interval_ms: ms(interval), duration_ms: ms(duration), pairs: drawn.collect() }
    }
}

fn draw_pair<'a>(
    mut report: PairReport,
    sent: &Sent,
    to: usize,
    arrivals: impl Iterator<Item = &'a Arrival>,
) -> PairReport {
    let mut arrived = vec![false; sent.slots.len()];
    let mut newest = None;
    for arrival in arrivals {
        let Some(slot) = usize::try_from(arrival.slot).ok().filter(|slot| *slot < arrived.len()) else { continue };
        if let Some(arrived) = arrived.get_mut(slot) {
            report.duplicates += u64::from(std::mem::replace(arrived, true));
        }
        report.reordered += u64::from(newest > Some(slot));
        newest = newest.max(Some(slot));
        let left = sent.slots.get(slot).copied().flatten().unwrap_or(arrival.at);
        report.worst_delay_ms = report.worst_delay_ms.max(ms(arrival.at.saturating_sub(left)));
    }

    let mut refused = sent.refused.iter().filter(|(_, peer)| *peer == to).map(|(slot, _)| *slot).peekable();
    let mut loss: Option<Loss> = None;
    for (slot, (left, arrived)) in sent.slots.iter().zip(&arrived).enumerate() {
        let Some(left) = left.map(ms) else {
            report.unsent += 1;
            continue;
        };
        if refused.next_if(|refused| *refused == slot as u64).is_some() {
            report.refused += 1;
            continue;
        }
        report.sent += 1;
        if *arrived {
            report.received += 1;
            report.losses.extend(loss.take().map(|loss| Loss { to_ms: left, ..loss }));
        } else {
            report.lost += 1;
            let begun = loss.unwrap_or(Loss { from_ms: left, to_ms: left, lost: 0 });
            loss = Some(Loss { to_ms: left, lost: begun.lost + 1, ..begun });
        }
    }
    report.losses.extend(loss);
    report.worst_gap_ms = report.losses.iter().map(|loss| loss.to_ms - loss.from_ms).fold(0.0, f64::max);
    report
}

/// Milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: usize = 1;

    /// Slots 1 ms apart that were sent 0.5 ms late, but for those not in time; arrivals 0.25 ms after that.
    fn drawn(slots: u64, unsent: &[u64], refused: &[u64], arrived: &[u64]) -> PairReport {
        let at = |slot| Duration::from_millis(slot) + Duration::from_micros(500);
        let slots = (0..slots).map(|slot| (!unsent.contains(&slot)).then_some(at(slot))).collect();
        let refused = refused.iter().map(|slot| (*slot, TO)).collect();
        let arrival = |slot: &u64| Arrival { from: 0, to: TO, slot: *slot, at: at(*slot) + Duration::from_micros(250) };
        let arrivals: Vec<_> = arrived.iter().map(arrival).collect();
        draw_pair(PairReport::default(), &Sent { slots, refused, ..Sent::default() }, TO, arrivals.iter())
    }

    #[test]
    fn what_was_not_sent_is_not_lost() {
        let report = drawn(6, &[1, 2], &[4], &[0, 3, 5]);
        assert_eq!((report.sent, report.unsent, report.refused), (3, 2, 1));
        assert_eq!((report.received, report.lost, report.losses.len()), (3, 0, 0));
        assert!((report.worst_delay_ms - 0.25).abs() < 1e-9);
    }

    #[test]
    fn a_loss_reaches_to_the_next_probe_that_arrives() {
        let report = drawn(10, &[4], &[], &[0, 1, 5, 7, 8]);
        let losses: Vec<_> = report.losses.iter().map(|loss| (loss.from_ms, loss.to_ms, loss.lost)).collect();
        assert_eq!(losses, [(2.5, 5.5, 2), (6.5, 7.5, 1), (9.5, 9.5, 1)]);
        assert_eq!((report.lost, report.worst_gap_ms.to_bits()), (4, 3.0f64.to_bits()));
    }

    #[test]
    fn late_and_repeated_probes_are_told_from_lost_ones() {
        let report = drawn(5, &[], &[], &[0, 2, 1, 3, 3, 4]);
        assert_eq!((report.received, report.lost, report.reordered, report.duplicates), (5, 0, 1, 1));
        let nothing = drawn(5, &[], &[], &[7]);
        assert_eq!((nothing.received, nothing.lost), (0, 5));
    }
}
