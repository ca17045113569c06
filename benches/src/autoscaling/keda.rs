//! KEDA's push scaler with Kubernetes' autoscaler as an opponent: KEDA wakes from zero to one and puts to sleep, the
//! autoscaler does the rest every 15 s, from the concurrency that the add-on's interceptor counts.
//!
//! Defaults: sync 15 s, tolerance 0.1, at most the double or four more per sync unless `behavior` says otherwise,
//! downscale stabilisation 300 s, KEDA's `cooldownPeriod` 300 s. The target is 70 % of the seats, as Knative's; the
//! add-on's own default of 100 would never scale replicas of 20 seats.

use std::{collections::VecDeque, time::Duration};

use schleuse_core::{
    Timestamp,
    scale::hpa::{AscentLimit, Hpa},
};

use super::{
    trace::SEATS,
    world::{Autoscaler, Seen},
};

/// 15 s in ticks.
const SYNC: u64 = 300;
/// The interceptor is polled every 500 ms, the stream speaks every 200 ms: half of both, in ticks.
const DETECTION: u64 = 7;
const STABILISATION: Duration = Duration::from_mins(5);
const COOLDOWN: Duration = Duration::from_mins(5);
const TARGET: f64 = 0.7;

/// One `ScaledObject` with its autoscaler.
pub(crate) struct Keda {
    max: u32,
    /// `behavior.scaleUp` lets everything through.
    unlimited: bool,
    /// When the next sync is due; each pool's clock stands differently.
    tick: u64,
    seen_for: u64,
    active_at: Timestamp,
    recommended: VecDeque<(Timestamp, u32)>,
}

impl Keda {
    pub(crate) fn new(max: u32, unlimited: bool, phase: u64) -> Self {
        Self {
            max,
            unlimited,
            tick: phase % SYNC,
            seen_for: 0,
            active_at: Timestamp::default(),
            recommended: VecDeque::new(),
        }
    }

    fn sync(&mut self, concurrency: f64, seen: &Seen<'_>) -> u32 {
        let hpa = Hpa {
            ascent: if self.unlimited {
                AscentLimit::Pods(self.max)
            } else {
                AscentLimit::DoubleOrFour
            },
            ..Hpa::with_defaults(seen.target, 1, self.max)
        };
        let proposed = hpa.proposes(concurrency / (f64::from(SEATS) * TARGET));
        self.recommended.push_back((seen.now, proposed));
        while self
            .recommended
            .front()
            .is_some_and(|&(at, _)| seen.now - at > STABILISATION)
        {
            self.recommended.pop_front();
        }
        let greatest = self.recommended.iter().map(|&(_, replicas)| replicas).max();
        let stabilised = greatest.unwrap_or(proposed);
        // With `behavior` stabilisation holds descents only. Without it the greatest proposal of five minutes is what
        // the autoscaler goes for, step by step, long after it is needed (`stabilizeRecommendation`).
        let goal = if self.unlimited {
            proposed.max(stabilised.min(seen.target))
        } else {
            stabilised
        };
        hpa.limited(goal)
    }
}

impl Autoscaler for Keda {
    fn observe(&mut self, seen: &Seen<'_>) -> Option<u32> {
        self.tick += 1;
        let inside = seen.busy + seen.waiting;
        if inside > 0 {
            self.active_at = seen.now;
            self.seen_for += 1;
        } else {
            self.seen_for = 0;
        }
        if seen.target == 0 {
            return (self.seen_for >= DETECTION).then_some(1);
        }
        if seen.now - self.active_at > COOLDOWN {
            self.recommended.clear();
            return Some(0);
        }
        if !self.tick.is_multiple_of(SYNC) {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "requests in the house")]
        let wanted = self.sync(inside as f64, seen);
        (wanted != seen.target).then_some(wanted)
    }
}
