//! Timers of one worker: at most one for each citizen, set and cancelled in constant time, fired to the nanosecond.
//!
//! Ready-made timers have milliseconds of granularity, which is what a fast answer takes altogether. Here far timers lie
//! in a hierarchical wheel (Varghese and Lauck, SOSP 1987, scheme 6) whose slots are lists inside one table, and only those
//! of the current millisecond are sorted. No clock: time is an argument, nanoseconds since the start of the run.

use std::{cmp::Reverse, collections::BinaryHeap};

/// log2 of a slot of the lowest level in nanoseconds: 1.05 ms.
const SLOT_BITS: u32 = 20;
/// log2 of the slots of a level.
const LEVEL_BITS: u32 = 8;
/// Slots of a level.
const SLOTS: usize = 1 << LEVEL_BITS;
/// Levels: 268 ms, 69 s, 4.9 h, 52 days. What lies beyond waits in the last slot and is sorted in again.
const LEVELS: usize = 4;
/// No node, no slot.
const NONE: u32 = u32::MAX;

/// Where a timer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Unset,
    /// In this list: level × [`SLOTS`] + slot.
    Slot(u32),
    /// Among those of the current millisecond.
    Near,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    due: u64,
    previous: u32,
    next: u32,
    place: Place,
}

const UNSET: Node = Node {
    due: 0,
    previous: NONE,
    next: NONE,
    place: Place::Unset,
};

/// Timers, each known by a small number that the user chooses (the place of a citizen in its table).
#[derive(Debug)]
pub struct Wheel {
    nodes: Vec<Node>,
    heads: Vec<u32>,
    /// One bit per slot that is not empty.
    used: [[u64; SLOTS / 64]; LEVELS],
    /// Due times of the current slot with their numbers; may hold cancelled ones.
    near: BinaryHeap<Reverse<(u64, u32)>>,
    /// The lowest level's slot up to which everything is in `near`, counted from the start of time.
    current: u64,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            heads: vec![NONE; SLOTS * LEVELS],
            used: [[0; SLOTS / 64]; LEVELS],
            near: BinaryHeap::new(),
            current: 0,
        }
    }
}

impl Wheel {
    /// Sets timer `number` to `due`; its former time is forgotten.
    pub fn set(&mut self, number: u32, due: u64) {
        self.cancel(number);
        let index = number as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, UNSET);
        }
        self.insert(number, due);
    }

    /// Forgets timer `number`; nothing happens if it is not set.
    pub fn cancel(&mut self, number: u32) {
        let Some(node) = self.nodes.get_mut(number as usize) else {
            return;
        };
        let Node { previous, next, .. } = *node;
        let place = std::mem::replace(&mut node.place, Place::Unset);
        if let Place::Slot(slot) = place {
            self.unlink(slot, previous, next);
        }
    }

    /// The earliest time at which [`pop`](Self::pop) may have something: never later than the first timer.
    pub fn next_due(&mut self) -> Option<u64> {
        while let Some(&Reverse((due, number))) = self.near.peek() {
            if self.is_near(number, due) {
                return Some(due);
            }
            self.near.pop();
        }
        (0..LEVELS)
            .filter_map(|level| self.first_slot(level))
            .min()
            .map(|slot| slot << SLOT_BITS)
    }

    /// A timer that is due at `now`, the earliest first; it is unset by that.
    pub fn pop(&mut self, now: u64) -> Option<u32> {
        self.advance(now >> SLOT_BITS);
        while let Some(&Reverse((due, number))) = self.near.peek() {
            if self.is_near(number, due) {
                if due > now {
                    return None;
                }
                if let Some(node) = self.nodes.get_mut(number as usize) {
                    node.place = Place::Unset;
                }
                self.near.pop();
                return Some(number);
            }
            self.near.pop();
        }
        None
    }

    fn is_near(&self, number: u32, due: u64) -> bool {
        self.nodes
            .get(number as usize)
            .is_some_and(|node| node.place == Place::Near && node.due == due)
    }

    fn insert(&mut self, number: u32, due: u64) {
        let tick = due >> SLOT_BITS;
        let place = if tick <= self.current {
            self.near.push(Reverse((due, number)));
            Place::Near
        } else {
            Place::Slot(self.slot_of(tick))
        };
        let mut next = NONE;
        if let Place::Slot(slot) = place {
            next = self.head_replaced(slot, number);
            if let Some(node) = self.nodes.get_mut(next as usize) {
                node.previous = number;
            }
            self.mark(slot, true);
        }
        if let Some(node) = self.nodes.get_mut(number as usize) {
            *node = Node {
                due,
                previous: NONE,
                next,
                place,
            };
        }
    }

    /// The list for a tick after the current one: of the lowest level whose slots tell the two apart without wrapping.
    fn slot_of(&self, tick: u64) -> u32 {
        let mut level = 0;
        while level + 1 < LEVELS && self.distance(tick, level) >= SLOTS as u64 {
            level += 1;
        }
        let shift = shift_of(level);
        let farthest = (self.current >> shift) + SLOTS as u64 - 1;
        let slot = (tick >> shift).min(farthest) % SLOTS as u64;
        narrow(level as u64 * SLOTS as u64 + slot)
    }

    fn distance(&self, tick: u64, level: usize) -> u64 {
        let shift = shift_of(level);
        (tick >> shift) - (self.current >> shift)
    }

    /// Brings everything up to `tick` into `near`, jumping over what is empty.
    fn advance(&mut self, tick: u64) {
        while self.current < tick {
            let next = (0..LEVELS).filter_map(|level| self.first_slot(level)).min();
            let Some(next) = next.filter(|next| *next <= tick) else {
                self.current = tick;
                return;
            };
            self.current = next;
            for level in (0..LEVELS).rev() {
                self.empty(level);
            }
        }
    }

    /// Sorts the current slot of a level in again; lists never lie at or before the current tick of their own level.
    fn empty(&mut self, level: usize) {
        let slot = (self.current >> shift_of(level)) % SLOTS as u64;
        let slot = narrow(level as u64 * SLOTS as u64 + slot);
        let mut number = self.head_replaced(slot, NONE);
        self.mark(slot, false);
        while let Some(node) = self.nodes.get(number as usize).copied() {
            self.insert(number, node.due);
            number = node.next;
        }
    }

    /// The first tick of the first used slot of a level at or after the current one.
    fn first_slot(&self, level: usize) -> Option<u64> {
        let used = self.used.get(level)?;
        if used.iter().all(|word| *word == 0) {
            return None;
        }
        let shift = shift_of(level);
        let base = self.current >> shift;
        let ahead = first_set_from(used, base % SLOTS as u64)?;
        Some(((base + ahead) << shift).max(self.current))
    }

    fn head_replaced(&mut self, slot: u32, number: u32) -> u32 {
        self.heads
            .get_mut(slot as usize)
            .map_or(NONE, |head| std::mem::replace(head, number))
    }

    fn unlink(&mut self, slot: u32, previous: u32, next: u32) {
        if let Some(node) = self.nodes.get_mut(next as usize) {
            node.previous = previous;
        }
        if let Some(node) = self.nodes.get_mut(previous as usize) {
            node.next = next;
        } else {
            self.head_replaced(slot, next);
            self.mark(slot, next != NONE);
        }
    }

    fn mark(&mut self, slot: u32, used: bool) {
        let (level, slot) = (slot as usize / SLOTS, slot as usize % SLOTS);
        let word = self
            .used
            .get_mut(level)
            .and_then(|words| words.get_mut(slot / 64));
        if let Some(word) = word {
            *word = if used {
                *word | 1 << (slot % 64)
            } else {
                *word & !(1 << (slot % 64))
            };
        }
    }
}

const fn shift_of(level: usize) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "a level is below LEVELS")]
    let level = level as u32;
    level * LEVEL_BITS
}

#[expect(clippy::cast_possible_truncation, reason = "below LEVELS × SLOTS")]
const fn narrow(slot: u64) -> u32 {
    slot as u32
}

/// How far the first set bit lies behind bit `start`, going round.
fn first_set_from(words: &[u64; SLOTS / 64], start: u64) -> Option<u64> {
    let count = words.len() as u64;
    (0..=count).find_map(|step| {
        let index = (start / 64 + step) % count;
        let word = *words.get(usize::try_from(index).ok()?)?;
        let below = (1_u64 << (start % 64)) - 1;
        let word = match step {
            0 => word & !below,
            _ if step == count => word & below,
            _ => word,
        };
        let bit = index * 64 + u64::from(word.trailing_zeros());
        (word != 0).then_some((bit + SLOTS as u64 - start) % SLOTS as u64)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn a_timer_fires_at_its_nanosecond_and_not_before() {
        for due in [5, 1 << 20, 999_999_999, 77 * HOUR, 4_000 * HOUR] {
            let mut wheel = Wheel::default();
            wheel.set(3, due);
            assert_eq!(wheel.pop(due - 1), None, "{due}");
            assert_eq!(wheel.pop(due), Some(3), "{due}");
            assert_eq!(wheel.pop(u64::MAX), None);
        }
    }

    #[test]
    fn a_cancelled_timer_never_fires() {
        let mut wheel = Wheel::default();
        for number in 0..100 {
            wheel.set(number, u64::from(number) * 700_000);
        }
        for number in (0..100).filter(|number| number % 3 != 0) {
            wheel.cancel(number);
        }
        let fired: Vec<u32> = std::iter::from_fn(|| wheel.pop(HOUR)).collect();
        assert_eq!(fired, (0..100).step_by(3).collect::<Vec<u32>>());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(u32, u64),
        Cancel(u32),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let ahead = prop_oneof![0..3_000_000_u64, 0..2_000_000_000_u64, 0..90 * HOUR];
        let step = prop_oneof![
            4 => (0..40_u32, ahead.clone()).prop_map(|(number, ahead)| Step::Set(number, ahead)),
            1 => (0..40_u32).prop_map(Step::Cancel),
            2 => ahead.prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 0..120)
    }

    proptest! {
        #[test]
        fn it_fires_what_a_sorted_list_would(steps in steps()) {
            let (mut wheel, mut list, mut now) = (Wheel::default(), BTreeMap::new(), 0);
            for step in steps {
                match step {
                    Step::Set(number, ahead) => {
                        wheel.set(number, now + ahead);
                        list.insert(number, now + ahead);
                    }
                    Step::Cancel(number) => {
                        wheel.cancel(number);
                        list.remove(&number);
                    }
                    Step::Wait(ahead) => {
                        now += ahead;
                        let mut due: Vec<(u64, u32)> = list
                            .iter()
                            .filter(|(_, due)| **due <= now)
                            .map(|(number, due)| (*due, *number))
                            .collect();
                        due.sort_unstable();
                        list.retain(|_, due| *due > now);
                        let fired: Vec<u32> = std::iter::from_fn(|| wheel.pop(now)).collect();
                        prop_assert_eq!(fired, due.iter().map(|(_, number)| *number).collect::<Vec<_>>());
                    }
                }
                let next = wheel.next_due();
                prop_assert_eq!(next.is_some(), !list.is_empty());
                prop_assert!(next <= list.values().min().copied());
            }
        }
    }
}
