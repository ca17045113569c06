//! The newest values of a numbered sequence: what has become too old makes room for what is new.
//!
//! Slots are numbered since the start of time (a time divided by the slot's width), so that nothing has to be shifted
//! and an idle ring costs nothing. Counts, maxima and arrivals over the last while are rings with a rule of their own.

use std::time::Duration;

/// The slots `newest - N + 1 ..= newest`; those that nobody wrote have the default.
#[derive(Clone, Debug)]
pub(crate) struct Ring<T, const N: usize> {
    slots: [T; N],
    newest: u64,
}

impl<T: Copy + Default, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self {
            slots: [T::default(); N],
            newest: 0,
        }
    }
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    /// The width in microseconds of slots that cover `length` together; never zero.
    pub(crate) fn width(length: Duration) -> u64 {
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        (micros / N as u64).max(1)
    }

    /// Makes room up to slot `number`; an earlier one than the newest changes nothing.
    pub(crate) fn advance(&mut self, number: u64) {
        let passed = number.saturating_sub(self.newest);
        if passed >= N as u64 {
            self.clear();
        } else {
            for number in self.newest + 1..=number {
                *self.slot_mut(number) = T::default();
            }
        }
        self.newest = self.newest.max(number);
    }

    /// Forgets everything, and goes on from slot `number`, which may lie before the newest.
    pub(crate) fn restart(&mut self, number: u64) {
        self.clear();
        self.newest = number;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.slots = [T::default(); N];
    }

    /// Number of the newest slot.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// All slots, in no order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = T> + '_ {
        self.slots.iter().copied()
    }

    /// Slot `number`, which must be one of the newest.
    pub(crate) fn slot(&self, number: u64) -> T {
        self.slots[Self::position(number)]
    }

    /// As [`slot`](Self::slot), to write.
    pub(crate) fn slot_mut(&mut self, number: u64) -> &mut T {
        &mut self.slots[Self::position(number)]
    }

    /// Always below N.
    fn position(number: u64) -> usize {
        usize::try_from(number % N as u64).unwrap_or(0)
    }
}
