//! How long the last requests held their seats, for whoever learns the distribution of that.
//!
//! A quantile needs single times; a histogram under the pool's lock would cost every departure a logarithm. The last few
//! are enough: who learns looks four times a second, and what it misses of a busy pool is like what it sees.

use std::time::Duration;

/// Kept between two looks: 128 a second are enough to follow a p99 within a minute. 132 bytes per pool.
const KEPT: usize = 32;

/// Times of the last departures, the newest of them when there were more.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeatTimes {
    micros: [u32; KEPT],
    noted: u32,
}

impl SeatTimes {
    pub(super) fn note(&mut self, held: Duration) {
        let place = usize::try_from(self.noted).unwrap_or_default() % KEPT;
        if let Some(micros) = self.micros.get_mut(place) {
            *micros = u32::try_from(held.as_micros()).unwrap_or(u32::MAX); // an hour and eleven minutes
        }
        self.noted = self.noted.wrapping_add(1);
    }

    /// Nothing departed.
    pub fn is_empty(&self) -> bool {
        self.noted == 0
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Duration> + '_ {
        let count = usize::try_from(self.noted).unwrap_or(KEPT).min(KEPT);
        let kept = self.micros.iter().take(count);
        kept.map(|&micros| Duration::from_micros(micros.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let mut times = SeatTimes::default();
        assert!(times.is_empty());
        (1..=40).for_each(|millis| times.note(Duration::from_millis(millis)));
        let mut kept: Vec<_> = times.iter().collect();
        kept.sort_unstable();
        let expected: Vec<_> = (9..=40).map(Duration::from_millis).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn a_time_beyond_all_bounds_is_a_long_one() {
        let mut times = SeatTimes::default();
        times.note(Duration::MAX);
        assert!(times.iter().eq([Duration::from_micros(u32::MAX.into())]));
    }
}
