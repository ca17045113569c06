//! How long requests waited in the last minutes, in 200 bytes: a histogram of powers of two, twice.
//!
//! The older of the two windows is forgotten whole when a new one begins, so quantiles speak of the last two to four
//! minutes, without a clock that would have to visit every tenant. What a window had counted is added to the total
//! then: being let through is one addition, not two. A bucket is a factor of two wide and the quantile is interpolated
//! inside, which is exact enough for "at once, half a second, half a minute", and never above the longest wait: a quantile beyond
//! `wait_max` would look like a limit that does not hold.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use schleuse_core::Timestamp;

/// Length of a window.
const WINDOW_MICROS: u64 = 120_000_000;
/// 0: below 128 µs, which is at once; then factors of two; the last: 134 s and more.
const BUCKETS: usize = 22;
/// The upper bound of bucket 0 is two to this power, in µs.
const FIRST_BITS: u32 = 7;

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Recent {
    even: Window,
    odd: Window,
    /// Let through in windows that are forgotten.
    before: AtomicU64,
    /// The greatest total that was ever shown: it never runs back, not even while a window is being folded.
    shown: AtomicU64,
}

/// 100 bytes.
#[derive(Debug, Default)]
struct Window {
    /// Counted from 1; 0: never used.
    number: AtomicU32,
    refused: AtomicU32,
    /// µs; an hour is the most that anybody waits.
    longest: AtomicU32,
    waits: [AtomicU32; BUCKETS],
}

impl Recent {
    /// A request got its seat after `wait`.
    pub fn admitted(&self, wait: Duration, now: Timestamp) {
        let window = self.window(now);
        if !wait.is_zero() {
            let micros = u32::try_from(wait.as_micros()).unwrap_or(u32::MAX);
            window.longest.fetch_max(micros, Relaxed);
        }
        if let Some(count) = window.waits.get(bucket(wait)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A request was refused.
    pub fn refused(&self, now: Timestamp) {
        self.window(now).refused.fetch_add(1, Relaxed);
    }

    /// Requests that got a seat since the start.
    pub fn admitted_total(&self) -> u64 {
        let total = self.before.load(Relaxed) + self.even.admitted() + self.odd.admitted();
        self.shown.fetch_max(total, Relaxed).max(total)
    }

    /// Requests refused in the last two to four minutes; cheaper than [`Self::view`].
    pub fn refused_recently(&self, now: Timestamp) -> u64 {
        let windows = self.remembered(now);
        windows
            .map(|window| u64::from(window.refused.load(Relaxed)))
            .sum()
    }

    /// What happened in the last two to four minutes.
    pub fn view(&self, now: Timestamp) -> RecentView {
        let mut view = RecentView::default();
        for window in self.remembered(now) {
            view.refused += u64::from(window.refused.load(Relaxed));
            view.longest_micros = view.longest_micros.max(window.longest.load(Relaxed));
            for (sum, count) in view.waits.iter_mut().zip(&window.waits) {
                *sum += u64::from(count.load(Relaxed));
            }
        }
        view
    }

    /// The windows that speak of now.
    fn remembered(&self, now: Timestamp) -> impl Iterator<Item = &Window> {
        let current = number(now);
        let windows = [&self.even, &self.odd].into_iter();
        windows.filter(move |window| current.saturating_sub(window.number.load(Relaxed)) <= 1)
    }

    fn window(&self, now: Timestamp) -> &Window {
        let number = number(now);
        let window = if number.is_multiple_of(2) {
            &self.even
        } else {
            &self.odd
        };
        if window.number.load(Relaxed) < number {
            self.begin(window, number);
        }
        window
    }

    /// Of several threads that notice it, one begins the new window. What another counts meanwhile may fall into either.
    #[cold]
    fn begin(&self, window: &Window, number: u32) {
        if window.number.fetch_max(number, Relaxed) >= number {
            return;
        }
        window.refused.store(0, Relaxed);
        window.longest.store(0, Relaxed);
        let folded = window.waits.iter();
        let folded: u64 = folded.map(|count| u64::from(count.swap(0, Relaxed))).sum();
        self.before.fetch_add(folded, Relaxed);
    }
}

impl Window {
    fn admitted(&self) -> u64 {
        let counts = self.waits.iter();
        counts.map(|count| u64::from(count.load(Relaxed))).sum()
    }
}

fn number(now: Timestamp) -> u32 {
    u32::try_from(now.as_micros() / WINDOW_MICROS + 1).unwrap_or(u32::MAX)
}

fn bucket(wait: Duration) -> usize {
    let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
    let bits = u64::BITS - (micros >> FIRST_BITS).leading_zeros();
    (bits as usize).min(BUCKETS - 1)
}

/// The sum of the windows that are not forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecentView {
    /// Requests that were refused.
    pub refused: u64,
    longest_micros: u32,
    waits: [u64; BUCKETS],
}

impl RecentView {
    /// Requests that got a seat.
    pub fn admitted(&self) -> u64 {
        self.waits.iter().sum()
    }

    /// The wait that `percent` of those who got a seat did not exceed; zero: at once. None: nobody got one.
    pub fn wait(&self, percent: u64) -> Option<Duration> {
        let rank = (self.admitted() * percent).div_ceil(100);
        let mut below = 0;
        for (bits, count) in (FIRST_BITS..).zip(self.waits) {
            if count > 0 && below + count >= rank {
                let longest = Duration::from_micros(self.longest_micros.into());
                return Some(within(bits, rank.saturating_sub(below), count).min(longest));
            }
            below += count;
        }
        None
    }
}

/// Where the request of this rank lies, had all `count` of the bucket come evenly.
fn within(bits: u32, rank: u64, count: u64) -> Duration {
    if bits == FIRST_BITS {
        return Duration::ZERO;
    }
    let lower = 1_u64 << (bits - 1);
    Duration::from_micros(lower + lower * rank / count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn both_windows_of_a_tenant_fit_into_200_bytes() {
        assert!(2 * size_of::<Window>() <= 200);
    }

    #[test]
    fn who_got_a_seat_at_once_waited_zero_and_nobody_waited_nothing() {
        let recent = Recent::default();
        assert_eq!(recent.view(at(0)).wait(50), None);
        recent.admitted(Duration::ZERO, at(0));
        assert_eq!(recent.view(at(0)).wait(99), Some(Duration::ZERO));
    }

    #[test]
    fn the_tail_shows_in_p99_and_not_in_p50() {
        let recent = Recent::default();
        for _ in 0..95 {
            recent.admitted(Duration::ZERO, at(1));
        }
        for _ in 0..5 {
            recent.admitted(Duration::from_secs(3), at(1));
        }
        let view = recent.view(at(1));
        assert_eq!(view.wait(50), Some(Duration::ZERO));
        let p99 = view.wait(99).unwrap().as_secs_f64();
        assert!((2.0..4.2).contains(&p99), "{p99}");
    }

    #[test]
    fn no_quantile_is_above_the_longest_wait() {
        let recent = Recent::default();
        for millis in 1..=9_000 {
            recent.admitted(Duration::from_millis(millis), at(1));
        }
        let view = recent.view(at(1));
        assert_eq!(view.wait(100), Some(Duration::from_secs(9)));
        assert!(view.wait(99).unwrap() <= Duration::from_secs(9));
    }

    #[test]
    fn quantiles_forget_after_minutes_and_the_total_does_not() {
        let recent = Recent::default();
        recent.admitted(Duration::from_secs(9), at(10));
        recent.refused(at(10));
        assert!(recent.view(at(200)).wait(50).is_some());
        assert_eq!(recent.view(at(500)), RecentView::default());
        for minutes in 0..20 {
            recent.admitted(Duration::ZERO, at(600 + 60 * minutes));
        }
        let view = recent.view(at(600 + 60 * 19));
        assert_eq!(view.wait(99), Some(Duration::ZERO));
        assert_eq!(view.refused, 0);
        assert_eq!(recent.admitted_total(), 21);
    }

    #[test]
    fn no_request_is_lost_or_counted_twice_whoever_begins_the_window() {
        let recent = Recent::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for step in 0..2_000 {
                        recent.admitted(Duration::ZERO, at(step));
                    }
                });
            }
        });
        assert_eq!(recent.admitted_total(), 8_000);
    }

    proptest! {
        #[test]
        fn a_wait_is_shown_within_a_factor_of_two(micros in 128_u64..100_000_000) {
            let recent = Recent::default();
            recent.admitted(Duration::from_micros(micros), at(0));
            let shown = recent.view(at(0)).wait(50).unwrap().as_micros();
            let micros = u128::from(micros);
            prop_assert!(shown >= micros && shown <= 2 * micros, "{shown} for {micros}");
        }
    }
}
