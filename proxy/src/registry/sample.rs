//! What a pool shows to whoever decides how many endpoints it should have.

use std::sync::atomic::Ordering::Relaxed;

use schleuse_core::Timestamp;

use super::Pool;
use crate::{
    autoscale::sample::{Endpoint, Sample},
    discovery::found::Status,
};

impl Pool {
    /// This moment, and all counters since the pool came into being.
    pub fn sample(&self, now: Timestamp) -> Sample {
        let guarded = self.guarded.lock();
        let (counters, gauges) = guarded.state.demand(now);
        let views = guarded.state.views(&guarded.config.policy, now);
        let endpoints: Vec<_> = views.filter_map(|view| Endpoint::of(&view, now)).collect();
        drop(guarded);
        // Of processes of our own there are none until the first is ordered.
        let knows = |source: Status| source.answered || source.source == "process";
        let is_known = !endpoints.is_empty() || self.source().is_none_or(knows);
        Sample {
            born: self.born,
            counters,
            gauges,
            starts_failed: self.starts_failed.load(Relaxed),
            endpoints: is_known.then_some(endpoints),
        }
    }

    /// A replica that was ordered for this pool could not be started, or crashed as soon as it served.
    pub fn note_failed_start(&self) {
        self.starts_failed.fetch_add(1, Relaxed);
    }
}
