//! What a pool shows to whoever decides how many endpoints it should have.

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
        let activation = guarded.state.activation(&guarded.config.policy, now);
        drop(guarded);
        let starts_failed = activation.map_or(0, |view| view.failed_starts);
        // Of processes of our own there are none until the first is ordered.
        let knows = |source: Status| source.answered || source.source == "process";
        let is_known = !endpoints.is_empty() || self.source().is_none_or(knows);
        Sample {
            born: self.born,
            counters,
            gauges,
            starts_failed,
            endpoints: is_known.then_some(endpoints),
        }
    }
}
