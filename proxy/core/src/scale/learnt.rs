//! What a pool learns about itself and keeps over restarts: how long a request holds a seat, how long a replica takes
//! to become ready.
//!
//! The mean seat time is what capacity follows from (Little's law), and it must come from a loaded pool: an unloaded
//! one answers faster and so overstates its capacity. It is seat-seconds over completions while at least half of the
//! seats are busy, requests that queued included; until there is any, the same from a quiet pool; until then, the
//! configured prior. Memory is the shorter of ten seconds and a thousand completions: at 2,000 requests a second ten
//! seconds are enough to follow a backend that slows down, at two a second only many completions keep the noise out.

use std::time::Duration;

use super::{
    demand::Counters,
    number::real,
    sketch::{Sketch, SketchValues},
};

/// Completions by which the prior weighs: few enough to be overruled within a second of load.
const PRIOR_COMPLETIONS: f64 = 16.0;
/// Memory of the mean, in completions and in seconds; whichever forgets less.
const MEMORY_COMPLETIONS: f64 = 1_000.0;
const MEMORY_SECONDS: f64 = 10.0;
/// Cold starts are rare, so few of them are remembered.
const COLD_STARTS: u16 = 64;
/// Enough for a p99.
const SEAT_TIMES: u16 = 4_000;

/// Seat-seconds over completions, with a fading memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    seconds: f64,
    completions: f64,
}

impl Mean {
    fn add(&mut self, seconds: f64, completions: f64, elapsed: f64) {
        let forgotten = (elapsed / MEMORY_SECONDS).min(completions / MEMORY_COMPLETIONS);
        let kept = (-forgotten).exp();
        self.seconds = self.seconds * kept + seconds;
        self.completions = self.completions * kept + completions;
    }

    /// The mean, drawn towards `prior` while there are few completions.
    fn towards(self, prior: f64) -> f64 {
        (self.seconds + prior * PRIOR_COMPLETIONS) / (self.completions + PRIOR_COMPLETIONS)
    }
}

/// What one pool has learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Learnt {
    loaded: Mean,
    quiet: Mean,
    /// How long single requests held their seats.
    pub seat_times: Sketch,
    /// From the order of a replica to its readiness.
    pub cold_starts: Sketch,
}

/// [`Learnt`] as a plain value, to be written down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LearntValues {
    /// Seat-seconds and completions of the loaded pool.
    pub loaded: (f64, f64),
    /// Seat-seconds and completions of the quiet pool.
    pub quiet: (f64, f64),
    /// Distribution of seat times.
    pub seat_times: SketchValues,
    /// Distribution of cold starts.
    pub cold_starts: SketchValues,
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            loaded: Mean::default(),
            quiet: Mean::default(),
            seat_times: Sketch::new(SEAT_TIMES),
            cold_starts: Sketch::new(COLD_STARTS),
        }
    }
}

impl Learnt {
    /// Learns from what was counted within `elapsed`, while at least half of the seats were busy (`loaded`) or not.
    pub fn count(&mut self, counters: Counters, elapsed: Duration, loaded: bool) {
        let seconds = real(counters.seat_micros) / 1e6;
        let completions = real(counters.completions);
        let mean = if loaded {
            &mut self.loaded
        } else {
            &mut self.quiet
        };
        mean.add(seconds, completions, elapsed.as_secs_f64());
    }

    /// Whether a request was ever seen to hold a seat.
    pub fn knows_seat_time(&self) -> bool {
        self.loaded.completions + self.quiet.completions > 0.0
    }

    /// Seconds that a request holds a seat on average, at least a microsecond.
    pub fn seat_seconds(&self, prior: Duration) -> f64 {
        let quiet = self.quiet.towards(prior.as_secs_f64());
        self.loaded.towards(quiet).max(1e-6)
    }

    /// The cold start that the share `q` of all starts stays below; `prior` until one was seen.
    pub fn cold_start(&self, q: f64, prior: Duration) -> Duration {
        self.cold_starts.quantile(q).unwrap_or(prior)
    }

    /// Half, nine tenths and 99 of 100 requests held their seat no longer; none before the first.
    pub fn seat_time_quantiles(&self) -> Option<[Duration; 3]> {
        quantiles(&self.seat_times)
    }

    /// Half, nine tenths and 99 of 100 replicas took no longer to become ready; none before the first.
    pub fn cold_start_quantiles(&self) -> Option<[Duration; 3]> {
        quantiles(&self.cold_starts)
    }

    /// The plain value.
    pub fn export(&self) -> LearntValues {
        LearntValues {
            loaded: (self.loaded.seconds, self.loaded.completions),
            quiet: (self.quiet.seconds, self.quiet.completions),
            seat_times: self.seat_times.export(),
            cold_starts: self.cold_starts.export(),
        }
    }

    /// Reads a plain value back; what makes no sense (negative, not a number, more than the memory holds) is left out.
    pub fn import(values: &LearntValues) -> Self {
        Self {
            loaded: mean(values.loaded),
            quiet: mean(values.quiet),
            seat_times: Sketch::import(SEAT_TIMES, &values.seat_times),
            cold_starts: Sketch::import(COLD_STARTS, &values.cold_starts),
        }
    }
}

fn quantiles(sketch: &Sketch) -> Option<[Duration; 3]> {
    Some([
        sketch.quantile(0.5)?,
        sketch.quantile(0.9)?,
        sketch.quantile(0.99)?,
    ])
}

/// A mean from a file. Completions of 1e12 would never be overruled again; an hour per request is no request.
fn mean((seconds, completions): (f64, f64)) -> Mean {
    let sensible = completions > 0.0 && completions < 1e9 && seconds > 0.0;
    if sensible && seconds / completions < 3_600.0 {
        Mean {
            seconds,
            completions,
        }
    } else {
        Mean::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRIOR: Duration = Duration::from_millis(100);
    const SLICE: Duration = Duration::from_millis(250);

    fn counters(completions: u64, each: u64) -> Counters {
        Counters {
            arrivals: completions,
            completions,
            seat_micros: completions * each * 1_000,
        }
    }

    #[test]
    fn nothing_learnt_is_the_prior() {
        let learnt = Learnt::default();
        assert!((learnt.seat_seconds(PRIOR) - 0.1).abs() < 1e-12);
        assert_eq!(learnt.cold_start(0.9, PRIOR), PRIOR);
    }

    #[test]
    fn a_loaded_pool_overrules_what_a_quiet_one_taught() {
        let mut learnt = Learnt::default();
        (0..1_000).for_each(|_| learnt.count(counters(5, 40), SLICE, false));
        assert!((learnt.seat_seconds(PRIOR) - 0.04).abs() < 0.005);
        (0..40).for_each(|_| learnt.count(counters(500, 200), SLICE, true));
        assert!((learnt.seat_seconds(PRIOR) - 0.2).abs() < 0.005);
    }

    #[test]
    fn a_backend_that_slows_down_is_noticed_within_seconds() {
        let mut learnt = Learnt::default();
        (0..400).for_each(|_| learnt.count(counters(500, 100), SLICE, true));
        (0..80).for_each(|_| learnt.count(counters(250, 200), SLICE, true));
        assert!(learnt.seat_seconds(PRIOR) > 0.17);
    }

    #[test]
    fn a_few_odd_requests_of_a_quiet_pool_change_little() {
        let mut learnt = Learnt::default();
        (0..1_000).for_each(|_| learnt.count(counters(1, 100), SLICE, true));
        (0..10).for_each(|_| learnt.count(counters(1, 500), SLICE, true));
        assert!(learnt.seat_seconds(PRIOR) < 0.11);
    }

    #[test]
    fn seats_that_are_held_without_completions_raise_the_mean() {
        let mut learnt = Learnt::default();
        (0..40).for_each(|_| learnt.count(counters(50, 100), SLICE, true));
        let before = learnt.seat_seconds(PRIOR);
        let stalled = Counters {
            seat_micros: 20 * 250_000,
            ..Counters::default()
        };
        (0..40).for_each(|_| learnt.count(stalled, SLICE, true));
        assert!(learnt.seat_seconds(PRIOR) > 1.5 * before);
    }

    #[test]
    fn a_corrupt_file_gives_the_prior_and_not_a_panic() {
        let corrupt = LearntValues {
            loaded: (f64::NAN, f64::INFINITY),
            quiet: (-3.0, 7.0),
            seat_times: vec![(u16::MAX, u16::MAX)],
            cold_starts: vec![],
        };
        assert_eq!(Learnt::import(&corrupt), Learnt::default());
    }

    proptest! {
        #[test]
        fn what_is_written_down_is_read_back(
            steps in proptest::collection::vec((1..1_000_u64, 1..10_000_u64, any::<bool>()), 0..50)
        ) {
            let mut learnt = Learnt::default();
            for (completions, each, loaded) in steps {
                learnt.count(counters(completions, each), SLICE, loaded);
                learnt.cold_starts.record(Duration::from_millis(each));
                learnt.seat_times.record(Duration::from_micros(each));
            }
            prop_assert_eq!(Learnt::import(&learnt.export()), learnt);
        }
    }
}
