//! What is to happen, by time; at one moment in the order in which it was planned, so that a seed is a run.
//!
//! Whoever waits for something else by then is not searched for in the heap: what was planned keeps its number, and who
//! finds that another number is expected lets it pass.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// Which plan an event came of.
pub(super) type Number = u64;

#[derive(Debug)]
struct Entry<E> {
    at: u64,
    number: Number,
    event: E,
}

impl<E> Entry<E> {
    const fn key(&self) -> (u64, Number) {
        (self.at, self.number)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    planned: Number,
}

impl<E> Agenda<E> {
    pub(super) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            planned: 0,
        }
    }

    /// Plans `event` at `at`, nanoseconds; its number, above 0.
    pub(super) fn plan(&mut self, at: u64, event: E) -> Number {
        self.planned += 1;
        let number = self.planned;
        self.heap.push(Reverse(Entry { at, number, event }));
        number
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<(u64, Number, E)> {
        let Reverse(Entry { at, number, event }) = self.heap.pop()?;
        Some((at, number, event))
    }

    /// How many were planned so far.
    pub(super) const fn planned(&self) -> Number {
        self.planned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planned_for_one_moment_happens_in_the_order_of_planning() {
        let mut agenda = Agenda::new();
        for (at, event) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b')] {
            agenda.plan(at, event);
        }
        let order = std::iter::from_fn(|| agenda.pop().map(|(_, _, event)| event));
        assert_eq!(order.collect::<String>(), "abcd");
    }
}
