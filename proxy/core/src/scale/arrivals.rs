//! How many arrive, and whether that is growing: counts per slice of 250 ms and what may be concluded from them.
//!
//! Arrivals of people who do not know each other are a Poisson process: a count of `k` has the standard deviation
//! `sqrt(k)`. So a rate is believed only as far as it is statistically there: `(k - z sqrt(k)) / w` for several windows
//! `w`, of which the greatest counts. A jump of hundreds per slice is believed within one slice, one request more or
//! less is never a trend. Growth is the slope of a least-squares line, less `z` of its own standard deviations
//! (`sqrt(12 rate / W^3)` for a line through Poisson counts over `W` seconds).

use std::time::Duration;

use super::number::real;
use crate::{Timestamp, ring::Ring};

/// Arrivals are counted per slice of this length, and a decision is due after each.
pub const SLICE: Duration = Duration::from_millis(250);
/// Windows in which a rate is looked for, in slices: 0.25, 1, 4 and 16 s.
pub const WINDOWS: [usize; 4] = [1, 4, 16, 64];

const SLICE_SECONDS: f64 = 0.25;
const SLICE_MICROS: u64 = 250_000;
/// 64 s, the longest line that is fitted. 1 KiB per pool.
const SLICES: usize = 256;

/// What was counted, in numbers small enough for a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArrivalEvidence {
    /// Arrivals within the last 0.25, 1, 4 and 16 s.
    pub counts: [u64; WINDOWS.len()],
    /// Seconds since the first arrival that was observed, at most 64.
    pub observed: f64,
    /// Seconds over which the lines are fitted: what was observed, at most the window that was asked for.
    pub window: f64,
    /// Arrivals within that window.
    pub in_window: u64,
    /// Least-squares slope over that window, arrivals per second squared.
    pub slope: f64,
    /// The same over the newest quarter of it: tells a step, which is over, from a ramp, which goes on.
    pub recent_slope: f64,
}

impl ArrivalEvidence {
    /// The rate that is there beyond doubt: the greatest of `(k - z sqrt(k)) / w`, per second.
    pub fn certain_rate(&self, z: f64) -> f64 {
        self.counts
            .iter()
            .zip(WINDOWS)
            .map(|(&count, slices)| {
                let count = real(count);
                (count - z * count.sqrt()) / (real(slices as u64) * SLICE_SECONDS)
            })
            .fold(0.0, f64::max)
    }

    /// Arrivals per second over the longest window, or over what was observed when that is shorter.
    pub fn mean_rate(&self) -> f64 {
        let [.., count] = self.counts;
        let longest = real(WINDOWS[WINDOWS.len() - 1] as u64) * SLICE_SECONDS;
        // A pool that is observed for a second has no mean of sixteen; four make one that is worth the name.
        real(count) / self.observed.clamp(4.0, longest)
    }

    /// Where the fitted line ends: arrivals per second now. Zero while the line says less.
    pub fn level(&self) -> f64 {
        if self.window <= 0.0 {
            return 0.0;
        }
        (real(self.in_window) / self.window + self.slope * self.window / 2.0).max(0.0)
    }

    /// Where the fitted line ends beyond doubt: its end scatters by `2 sqrt(rate / W)`. Never negative.
    pub fn certain_level(&self, z: f64) -> f64 {
        let level = self.level();
        if self.window <= 0.0 {
            return 0.0;
        }
        (level - z * 2.0 * (level / self.window).sqrt()).max(0.0)
    }

    /// Arrivals per second within the last slice, noise included.
    pub fn newest_rate(&self) -> f64 {
        real(self.counts[0]) / SLICE_SECONDS
    }

    /// Growth that is there beyond doubt, per second squared; `rate` gives the noise. Never negative.
    ///
    /// The newest quarter must not contradict it: a line through a step climbs long after the step is over.
    pub fn certain_slope(&self, z: f64, rate: f64) -> f64 {
        if self.window <= 0.0 {
            return 0.0;
        }
        let noise = |seconds: f64| z * (12.0 * rate.max(1.0) / seconds.powi(3)).sqrt();
        let whole = self.slope - noise(self.window);
        let newest = self.recent_slope + noise(self.window / 4.0);
        whole.min(newest).max(0.0)
    }
}

/// The last 64 seconds of arrivals of one pool.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    slices: Ring<u32, SLICES>,
    /// Number of the first slice that was observed; none: nothing was, or what was is no longer to be trusted.
    first: Option<u64>,
}

impl Arrivals {
    /// Adds what arrived from `from` up to `to`, evenly: a report that comes late is no burst.
    ///
    /// Whatever is older than 64 s is left out.
    pub fn add(&mut self, count: u64, from: Timestamp, to: Timestamp) {
        let (from, to) = (from.as_micros(), to.as_micros());
        let last = to.saturating_sub(1).max(from) / SLICE_MICROS;
        self.slices.advance(last);
        let oldest = self.slices.newest().saturating_sub(SLICES as u64 - 1);
        let start = (from / SLICE_MICROS).max(oldest);
        self.first = Some(self.first.map_or(start, |first| first.min(start)));
        let until =
            |micros: u64| share(count, micros.saturating_sub(from), to.saturating_sub(from));
        for slice in start..=last {
            let begins = until(slice.saturating_mul(SLICE_MICROS).max(from));
            let ends = if slice == last {
                count
            } else {
                until((slice + 1).saturating_mul(SLICE_MICROS))
            };
            // Before `from` nothing arrived; `begins` of the first slice is 0 unless older slices were left out.
            let more = u32::try_from(ends.saturating_sub(begins)).unwrap_or(u32::MAX);
            let counted = self.slices.slot_mut(slice);
            *counted = counted.saturating_add(more);
        }
    }

    /// Observation was interrupted: what was before says nothing about growth.
    pub fn interrupt(&mut self) {
        self.slices.clear();
        self.first = None;
    }

    /// What the complete slices before `now` say; the lines are fitted over `window`.
    pub fn evidence(&mut self, window: Duration, now: Timestamp) -> ArrivalEvidence {
        let current = now.as_micros() / SLICE_MICROS;
        self.slices.advance(current);
        let Some(observed) = self
            .first
            .map(|first| current.saturating_sub(first))
            .filter(|&observed| observed > 0)
        else {
            return ArrivalEvidence::default();
        };
        let wanted = window.as_micros() / u128::from(SLICE_MICROS);
        let slices = usize::try_from(wanted.min(u128::from(observed)))
            .unwrap_or(SLICES)
            .clamp(1, SLICES - 1);
        let line = self.line(current, slices);
        ArrivalEvidence {
            counts: WINDOWS.map(|slices| self.count(current, slices)),
            observed: real(observed.min(SLICES as u64)) * SLICE_SECONDS,
            window: real(slices as u64) * SLICE_SECONDS,
            in_window: self.count(current, slices),
            slope: line,
            recent_slope: self.line(current, (slices / 4).max(2)),
        }
    }

    /// Arrivals in the `slices` slices before number `end`.
    fn count(&self, end: u64, slices: usize) -> u64 {
        self.before(end, slices).map(u64::from).sum()
    }

    /// Least-squares slope through the `slices` slices before number `end`, per second squared.
    fn line(&self, end: u64, slices: usize) -> f64 {
        let number = real(slices as u64);
        let middle = (number - 1.0) / 2.0;
        // Newest first, so a slice's distance from the middle counts backwards.
        let moment: f64 = self
            .before(end, slices)
            .enumerate()
            .map(|(age, count)| (middle - real(age as u64)) * f64::from(count))
            .sum();
        let spread = number * (number * number - 1.0) / 12.0;
        if spread > 0.0 {
            moment / spread / (SLICE_SECONDS * SLICE_SECONDS)
        } else {
            0.0
        }
    }

    /// The slices before number `end`, newest first; those before the start of time are missing.
    fn before(&self, end: u64, slices: usize) -> impl Iterator<Item = u32> + '_ {
        (1..=slices.min(SLICES - 1) as u64)
            .map_while(move |age| end.checked_sub(age))
            .map(|slice| self.slices.slot(slice))
    }
}

/// `count * part / whole` without overflow; everything when there is no whole.
fn share(count: u64, part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return count;
    }
    let product = u128::from(count) * u128::from(part.min(whole));
    u64::try_from(product / u128::from(whole)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(millis)
    }

    /// `rate(second)` arrivals per second, without noise, for `seconds`.
    fn counted(seconds: u64, rate: impl Fn(f64) -> f64) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for slice in 0..seconds * 4 {
            let count = u64::from(super::super::number::ceil(
                rate(real(slice) / 4.0) * SLICE_SECONDS,
            ));
            arrivals.add(count, at(slice * 250), at(slice * 250 + 250));
        }
        arrivals
    }

    #[test]
    fn a_constant_rate_has_no_slope() {
        let evidence = counted(60, |_| 400.0).evidence(WINDOW, at(60_000));
        assert_eq!(evidence.counts, [100, 400, 1_600, 6_400]);
        assert!((evidence.level() - 400.0).abs() < 1e-6);
        assert!(evidence.slope.abs() < 1e-9 && evidence.certain_slope(2.0, 400.0) <= 0.0);
    }

    #[test]
    fn a_ramp_shows_its_slope_and_where_it_stands() {
        let evidence = counted(30, |second| 600.0 * second).evidence(WINDOW, at(30_000));
        assert!((evidence.slope - 600.0).abs() < 1.0, "{evidence:?}");
        assert!((evidence.level() - 18_000.0).abs() < 200.0, "{evidence:?}");
        assert!(evidence.certain_slope(2.0, 18_000.0) > 500.0);
    }

    #[test]
    fn a_step_that_is_over_is_no_growth_though_the_line_still_climbs() {
        let step = |second: f64| if second < 55.0 { 0.0 } else { 2_000.0 };
        let evidence = counted(60, step).evidence(WINDOW, at(60_000));
        assert!(evidence.slope > 250.0, "{evidence:?}");
        assert!(evidence.certain_slope(2.0, 2_000.0) < 100.0);
    }

    #[test]
    fn a_jump_is_believed_within_one_slice_and_a_single_arrival_never() {
        let mut arrivals = counted(10, |_| 0.0);
        arrivals.add(500, at(10_000), at(10_250));
        let rate = arrivals.evidence(WINDOW, at(10_250)).certain_rate(2.0);
        assert!(rate > 1_800.0 && rate < 2_000.0, "{rate}");
        let mut arrivals = counted(10, |_| 0.0);
        arrivals.add(1, at(10_000), at(10_250));
        assert!(arrivals.evidence(WINDOW, at(10_250)).certain_rate(2.0) <= 0.0);
    }

    #[test]
    fn an_unfinished_slice_is_not_judged_yet() {
        let mut arrivals = counted(1, |_| 40.0);
        arrivals.add(30, at(1_000), at(1_100));
        assert_eq!(arrivals.evidence(WINDOW, at(1_100)).counts[0], 10);
    }

    #[test]
    fn a_late_report_is_spread_over_the_time_it_speaks_of() {
        let mut arrivals = counted(5, |_| 40.0);
        arrivals.add(200, at(5_000), at(10_000));
        let evidence = arrivals.evidence(WINDOW, at(10_000));
        assert_eq!(evidence.counts, [10, 40, 160, 400]);
        assert!(evidence.slope.abs() < 1e-9);
    }

    #[test]
    fn after_an_interruption_the_first_seconds_are_no_growth_from_zero() {
        let mut arrivals = counted(20, |_| 400.0);
        arrivals.interrupt();
        arrivals.add(200, at(30_000), at(30_500));
        let evidence = arrivals.evidence(WINDOW, at(30_500));
        assert!((evidence.window - 0.5).abs() < 1e-9 && evidence.slope.abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn nothing_that_was_added_within_a_minute_is_lost_or_counted_twice(
            reports in proptest::collection::vec((0..5_000_u64, 1..2_000_u64), 1..30)
        ) {
            let (mut arrivals, mut now, mut sum) = (Arrivals::default(), 0, 0);
            for (count, gap) in reports {
                arrivals.add(count, at(now), at(now + gap));
                (now, sum) = (now + gap, sum + count);
            }
            // Up to the end of the slice that `now` lies in.
            let end = now / 250 * 250 + 250;
            let evidence = arrivals.evidence(Duration::from_secs(64), at(end));
            prop_assert_eq!(arrivals.count(end / 250, SLICES - 1), sum);
            prop_assert!(evidence.in_window <= sum);
        }

        #[test]
        fn every_number_stays_finite(
            reports in proptest::collection::vec((any::<u64>(), 0..u64::MAX / 4, 0..100_000_u64), 1..20),
            window in 0..100_u64,
        ) {
            let mut arrivals = Arrivals::default();
            for (count, from, length) in reports {
                arrivals.add(count, Timestamp::from_micros(from), Timestamp::from_micros(from + length));
                let now = Timestamp::from_micros(from + length);
                let evidence = arrivals.evidence(Duration::from_secs(window), now);
                for number in [
                    evidence.certain_rate(2.0), evidence.mean_rate(), evidence.level(),
                    evidence.certain_slope(2.0, evidence.level()),
                ] {
                    prop_assert!(number.is_finite() && number >= 0.0, "{evidence:?}");
                }
            }
        }
    }
}
