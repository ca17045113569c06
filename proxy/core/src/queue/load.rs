//! Sums over all flows, kept up to date by each change instead of being counted.

use super::flow::{Flow, Standing};
use crate::rate::SharedRate;

/// What one flow adds to the sums, or the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// n: flows with somebody waiting or in flight.
    pub(crate) active: u64,
    /// W: their weights, in thousandths.
    pub(crate) active_weight: u64,
    pub(crate) waiting: u32,
    pub(crate) bytes: u64,
    /// Of the flows that miss nothing but a seat: who waits.
    pub(crate) ready: u32,
    /// Their weights, in thousandths.
    pub(crate) ready_weight: u64,
    /// Seat-microseconds that they are expected to need.
    pub(crate) ready_work: u64,
}

/// The least weight, as a part of the active flows' mean: Gröde's seven people do not wait a minute behind Berlin.
const WEIGHT_FLOOR_DIVISOR: u64 = 10;

impl Load {
    /// What a flow weighs at least, in thousandths.
    pub(crate) fn weight_floor(&self) -> u64 {
        self.active_weight / self.active.max(1) / WEIGHT_FLOOR_DIVISOR
    }

    pub(crate) fn of<R: SharedRate>(flow: &Flow<R>) -> Self {
        let weight = flow.weight.thousandths();
        let mut load = Self {
            waiting: flow.waiting,
            bytes: flow.bytes,
            ..Self::default()
        };
        if flow.active() {
            (load.active, load.active_weight) = (1, weight);
        }
        if flow.standing == Standing::Ready {
            (load.ready, load.ready_weight, load.ready_work) = (flow.waiting, weight, flow.work);
        }
        load
    }

    /// One flow's part is `after` now and was `before`.
    pub(crate) fn replace(&mut self, before: Self, after: Self) {
        self.active = self.active + after.active - before.active;
        self.active_weight = self.active_weight + after.active_weight - before.active_weight;
        self.waiting = self.waiting + after.waiting - before.waiting;
        self.bytes = self.bytes + after.bytes - before.bytes;
        self.ready = self.ready + after.ready - before.ready;
        self.ready_weight = self.ready_weight + after.ready_weight - before.ready_weight;
        self.ready_work =
            (self.ready_work.saturating_add(after.ready_work)).saturating_sub(before.ready_work);
    }
}
