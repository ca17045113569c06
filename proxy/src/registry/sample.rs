//! What a pool shows to whoever decides how many endpoints it should have.

use std::time::Duration;

use schleuse_core::{SeatTimes, Timestamp};

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
        let orders_failed = guarded.ordered.failed();
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
            orders_failed,
            endpoints: is_known.then_some(endpoints),
        }
    }

    /// How long requests held their seats that were answered since the last call.
    pub fn take_seat_times(&self) -> SeatTimes {
        self.guarded.lock().state.take_seat_times()
    }

    /// Takes over what is known of the seconds that a request holds its seat, until the first one departs.
    pub fn expect_seat_time(&self, seconds: f64) {
        if let Ok(seat_time) = Duration::try_from_secs_f64(seconds) {
            self.guarded.lock().state.expect_seat_time(seat_time);
        }
    }
}
