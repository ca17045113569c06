//! Knative's autoscaler as an opponent, re-implemented from `pkg/autoscaler/scaling/autoscaler.go` of knative/serving
//! (98e5ef9, 2026-08-21) with its published defaults, and as if its metrics were exact and its scale-to-zero immediate.

use std::collections::VecDeque;

use schleuse_core::Timestamp;

use super::{
    trace::SEATS,
    world::{Autoscaler, Seen},
};

/// Seconds of the stable and of the panic window (`stable-window`, `panic-window-percentage` 10).
const STABLE: usize = 60;
const PANIC: usize = 6;
/// `container-concurrency-target-percentage`.
const UTILISATION: f64 = 0.7;
/// `max-scale-up-rate`, `max-scale-down-rate`, `panic-threshold-percentage`.
const UP: f64 = 1_000.0;
const DOWN: f64 = 2.0;
const PANIC_THRESHOLD: f64 = 2.0;
/// Two seconds between decisions, in ticks; buckets of one second.
const PERIOD: u64 = 40;
const BUCKET: u64 = 20;

/// One revision's autoscaler.
pub(crate) struct Knative {
    max: u32,
    tick: u64,
    /// Mean concurrency of the last 60 s, newest last.
    buckets: VecDeque<f64>,
    bucket: f64,
    panics_since: Option<Timestamp>,
    panic_replicas: u32,
}

impl Knative {
    pub(crate) fn new(max: u32) -> Self {
        Self {
            max,
            tick: 0,
            buckets: VecDeque::new(),
            bucket: 0.0,
            panics_since: None,
            panic_replicas: 0,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "sixty buckets")]
    fn mean(&self, seconds: usize) -> f64 {
        let valid = self.buckets.len().min(seconds);
        let sum: f64 = self.buckets.iter().rev().take(seconds).sum();
        if valid == 0 { 0.0 } else { sum / valid as f64 }
    }

    fn decide(&mut self, seen: &Seen<'_>) -> u32 {
        let ready = f64::from(seen.replicas.ready.max(1));
        let target = f64::from(SEATS) * UTILISATION;
        let (least, most) = ((ready / DOWN).floor(), (ready * UP).ceil());
        let stable = (self.mean(STABLE) / target).ceil();
        let panic = (self.mean(PANIC) / target).ceil();
        let over = panic / ready >= PANIC_THRESHOLD;
        if over {
            self.panics_since = Some(seen.now);
        } else if self
            .panics_since
            .is_some_and(|since| (seen.now - since).as_secs() >= STABLE as u64)
        {
            (self.panics_since, self.panic_replicas) = (None, 0);
        }
        let stable = whole(stable.clamp(least, most));
        if self.panics_since.is_some() {
            let panic = whole(panic.clamp(least, most));
            self.panic_replicas = self.panic_replicas.max(stable).max(panic);
            self.panic_replicas.min(self.max)
        } else {
            stable.min(self.max)
        }
    }
}

impl Autoscaler for Knative {
    fn observe(&mut self, seen: &Seen<'_>) -> Option<u32> {
        self.tick += 1;
        #[expect(clippy::cast_precision_loss, reason = "requests in the house")]
        let concurrency = (seen.busy + seen.waiting) as f64;
        self.bucket += concurrency;
        if self.tick.is_multiple_of(BUCKET) {
            self.buckets.push_back(self.bucket / 20.0);
            self.bucket = 0.0;
            if self.buckets.len() > STABLE {
                self.buckets.pop_front();
            }
        }
        // The activator reports the first request of a sleeping revision at once, with a concurrency of 1.
        if seen.target == 0 && concurrency > 0.0 && self.mean(STABLE) <= 0.0 {
            return Some(1);
        }
        if !self.tick.is_multiple_of(PERIOD) {
            return None;
        }
        Some(self.decide(seen)).filter(|&replicas| replicas != seen.target)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates"
)]
fn whole(value: f64) -> u32 {
    value as u32
}
