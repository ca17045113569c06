//! Sums over all flows, kept up to date by each change instead of being counted.

use super::{
    flow::{Flow, Standing},
    virtual_time::Weight,
};
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
    /// Of the flows that miss nothing but a seat: who waits, without those whom a rate holds beside one that had a seat.
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

    /// What a dispatch of this flow is charged by if it weighs `weight`, with those who are active now.
    pub(crate) fn floored<R: SharedRate>(&self, flow: &Flow<R>, weight: Weight) -> Weight {
        let own = Self::of(flow);
        let with_it = Self {
            active: self.active - own.active + 1,
            active_weight: self.active_weight - own.active_weight + weight.thousandths(),
            ..Self::default()
        };
        weight.at_least(with_it.weight_floor())
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
        (load.ready, load.ready_weight, load.ready_work) = match flow.standing {
            Standing::Ready => (flow.waiting, weight, flow.work),
            Standing::Again(_) => (flow.readmitted, weight, flow.work_again),
            Standing::Idle | Standing::Limited | Standing::Rated(_) => (0, 0, 0),
        };
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
