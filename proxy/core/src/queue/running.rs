//! Those in flight, as the queue sees them: what was charged for each, to be corrected while it runs and at its end.

use super::virtual_time::{Price, Span, Virtual, Weight};
use crate::Timestamp;

/// One request in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) flow: u32,
    /// Multiplies its time.
    pub(crate) cost: u32,
    /// What a seat-microsecond cost its flow when it was dispatched; less, when it costs less by now.
    pub(crate) price: Price,
    pub(crate) charged: Span,
    /// What of that was put on F: no more than the bound of debts left room for.
    pub(crate) applied: Span,
    pub(crate) started: Timestamp,
}

impl Run {
    /// What it has used up until `now`.
    pub(crate) fn used(&self, now: Timestamp) -> Span {
        let micros = u64::try_from((now - self.started).as_micros()).unwrap_or(u64::MAX);
        self.price.of(micros.saturating_mul(u64::from(self.cost)))
    }

    /// F when it is over: with what it used beyond its charge, or without what it did not use of what was put on F. What
    /// the bound of debts forgave is not given back.
    pub(crate) fn settle(&self, finish: Virtual, now: Timestamp) -> Virtual {
        let used = self.used(now);
        (finish + used.beyond(self.charged)).before(self.applied.beyond(used))
    }

    /// Its flow's weight went from `old` to `new`.
    pub(crate) fn reweigh(&mut self, old: Weight, new: Weight) {
        self.reprice(self.price.rescaled(old, new));
    }

    /// Its flow pays less by now, because heavier ones came and raised the floor: who was alone before, and charged by its
    /// own small weight, would else owe or get back many thousand times what its seat is worth.
    pub(crate) fn cheapen(&mut self, price: Price) {
        if price < self.price {
            self.reprice(price);
        }
    }

    fn reprice(&mut self, price: Price) {
        self.charged = self.charged.repriced(self.price, price);
        self.applied = self.applied.repriced(self.price, price);
        self.price = price;
    }
}

/// Names a run; made once, ended once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(u32);

/// All requests in flight, densely enough to be walked through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    places: Vec<Option<Run>>,
    vacant: Vec<u32>,
}

impl Running {
    pub(crate) fn insert(&mut self, run: Run) -> RunId {
        if let Some(index) = self.vacant.pop()
            && let Some(place) = self.places.get_mut(index as usize)
        {
            *place = Some(run);
            return RunId(index);
        }
        let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Some(run));
        RunId(index)
    }

    pub(crate) fn remove(&mut self, id: RunId) -> Option<Run> {
        let run = self.places.get_mut(id.0 as usize)?.take()?;
        self.vacant.push(id.0);
        Some(run)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Run> {
        self.places.iter_mut().flatten()
    }
}
