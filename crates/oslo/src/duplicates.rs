use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

/// Knows the messages that came last, by their `_unique_id`: a broker delivers again what it has no acknowledgement for.
#[derive(Debug)]
pub struct Duplicates {
    known: HashSet<Uuid>,
    /// Oldest first.
    order: VecDeque<Uuid>,
    most: usize,
}

/// oslo.messaging keeps 16 for each of its many connections.
const MOST: usize = 1024;

impl Duplicates {
    /// That many messages are remembered, and one at least.
    pub fn of_last(most: usize) -> Self {
        Duplicates { known: HashSet::new(), order: VecDeque::new(), most: most.max(1) }
    }

    /// Whether the message has not come before; from now on it has.
    pub fn is_new(&mut self, id: Uuid) -> bool {
        if !self.known.insert(id) {
            return false;
        }
        if self.order.len() == self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(id);
        true
    }
}

impl Default for Duplicates {
    fn default() -> Self {
        Duplicates::of_last(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_lately_is_known_and_memory_is_bounded() {
        let mut duplicates = Duplicates::of_last(3);
        let id = Uuid::from_u128;
        assert!((0..4).all(|n| duplicates.is_new(id(n))));
        assert!((1..4).all(|n| !duplicates.is_new(id(n))), "the last three");
        assert!(duplicates.is_new(id(0)), "forgotten");
        for n in 0..10_000 {
            duplicates.is_new(id(n));
        }
        assert_eq!((duplicates.known.len(), duplicates.order.len()), (3, 3));
    }
}
