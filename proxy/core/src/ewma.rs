//! How slow an endpoint is: the peak-sensitive average of its time to first byte.
//!
//! A slower answer replaces the average at once, a faster one fades in over [`DECAY`]: an endpoint that turned slow is
//! avoided after one request and forgiven gradually. Between answers the value falls towards zero, because an endpoint
//! that is avoided has no other way to show that it recovered.
//! Source: Finagle's `PeakEwma`, as ported in tower `load/peak_ewma.rs`.

use std::time::Duration;

use crate::Timestamp;

/// Time constant of the average. Ten seconds is Finagle's and linkerd's choice: long against a response, short against
/// the patience of an operator who repaired something.
pub(crate) const DECAY: Duration = Duration::from_secs(10);

/// Peak-sensitive moving average of a latency; unknown until the first answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeakEwma {
    /// Seconds, as of the last answer.
    average: Option<f64>,
    answered: Timestamp,
}

impl PeakEwma {
    /// Folds one time to first byte into the average.
    pub(crate) fn record(&mut self, sample: Duration, now: Timestamp) {
        let sample = sample.as_secs_f64();
        self.average = Some(match self.average {
            Some(average) if sample < average => {
                let kept = remaining(now - self.answered);
                average * kept + sample * (1.0 - kept)
            }
            Some(_) | None => sample,
        });
        self.answered = self.answered.max(now);
    }

    /// The average in seconds, faded by the time since the last answer; none: nothing was answered yet.
    pub(crate) fn seconds(&self, now: Timestamp) -> Option<f64> {
        self.average
            .map(|average| average * remaining(now - self.answered))
    }

    /// As [`seconds`](Self::seconds), for people and metrics.
    pub(crate) fn duration(&self, now: Timestamp) -> Option<Duration> {
        let seconds = self.seconds(now)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// The share of an old value that is left after `elapsed`.
fn remaining(elapsed: Duration) -> f64 {
    (-elapsed.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn an_endpoint_without_answers_has_no_latency() {
        assert_eq!(PeakEwma::default().duration(at(100)), None);
    }

    #[test]
    fn a_slower_answer_counts_at_once_and_in_full() {
        let mut latency = PeakEwma::default();
        latency.record(Duration::from_millis(5), at(1));
        latency.record(Duration::from_millis(800), at(1));
        assert_eq!(latency.duration(at(1)), Some(Duration::from_millis(800)));
    }

    #[test]
    fn a_faster_answer_fades_in_over_ten_seconds() {
        let mut latency = PeakEwma::default();
        latency.record(Duration::from_secs(1), at(0));
        latency.record(Duration::ZERO, at(10));
        let seconds = latency.seconds(at(10)).unwrap();
        assert!((seconds - (-1.0_f64).exp()).abs() < 1e-9, "{seconds}");
    }

    #[test]
    fn an_avoided_endpoint_is_forgiven_with_time() {
        let mut latency = PeakEwma::default();
        latency.record(Duration::from_secs(2), at(0));
        assert!(latency.seconds(at(60)).unwrap() < 0.01);
    }

    proptest! {
        #[test]
        fn the_average_never_exceeds_the_slowest_answer(
            answers in proptest::collection::vec((0..10_000_u64, 0..5_000_u64), 1..50)
        ) {
            let (mut latency, mut now) = (PeakEwma::default(), Timestamp::default());
            let slowest = answers.iter().map(|(sample, _)| *sample).max().unwrap_or(0);
            for (sample, gap) in answers {
                now = now + Duration::from_millis(gap);
                latency.record(Duration::from_millis(sample), now);
                let average = latency.duration(now).unwrap();
                prop_assert!(average <= Duration::from_millis(slowest) + Duration::from_nanos(1));
            }
        }
    }
}
