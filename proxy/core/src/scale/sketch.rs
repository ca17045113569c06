//! Quantiles of times in fixed memory: how long a request holds its seat, how long a replica takes to become ready.
//!
//! A histogram with logarithmic buckets, eight per octave from 100 µs on, so that every quantile is within 4.5 % of a
//! value that was recorded, whatever the distribution (the idea of `DDSketch`, Masson et al. 2019, with fixed bounds).
//! 400 bytes. When the weight reaches its limit all counts are halved: what is learnt follows a change within about as
//! many values as the limit, without a clock. No randomness: the same values give the same sketch.

use std::time::Duration;

use super::number::{ceil, real};

/// Eight per octave over 25 octaves: 100 µs to 56 minutes.
const BUCKETS: usize = 200;
const PER_OCTAVE: f64 = 8.0;
const LEAST_SECONDS: f64 = 100e-6;

/// A histogram of times with a memory of `limit` values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    counts: [u16; BUCKETS],
    total: u32,
    limit: u16,
}

/// A sketch as a plain value, to be written down and read back: (bucket, count), ascending by bucket.
pub type SketchValues = Vec<(u16, u16)>;

impl Sketch {
    /// An empty one that remembers about `limit` values, at least 2.
    pub fn new(limit: u16) -> Self {
        Self {
            counts: [0; BUCKETS],
            total: 0,
            limit: limit.max(2),
        }
    }

    /// Adds a value; those outside the range count at its ends.
    pub fn record(&mut self, time: Duration) {
        if self.total >= u32::from(self.limit) {
            self.halve();
        }
        if let Some(count) = self.counts.get_mut(bucket(time)) {
            *count = count.saturating_add(1);
            self.total += 1;
        }
    }

    /// The time within which the share `q` (0 to 1) of the values lies; none without values.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let rank = ceil(q.clamp(0.0, 1.0) * f64::from(self.total)).max(1);
        let mut seen = 0;
        self.counts
            .iter()
            .position(|&count| {
                seen += u32::from(count);
                seen >= rank
            })
            .map(middle)
    }

    /// How many values the answer rests on, halvings included.
    pub fn weight(&self) -> u32 {
        self.total
    }

    /// The plain value; empty buckets are left out.
    pub fn export(&self) -> SketchValues {
        (0_u16..)
            .zip(self.counts)
            .filter(|&(_, count)| count > 0)
            .collect()
    }

    /// Reads a plain value back. Whatever could not have been exported is left out: a file is untrusted, and a learnt
    /// value is worth less than a start.
    pub fn import(limit: u16, values: &[(u16, u16)]) -> Self {
        let mut sketch = Self::new(limit);
        for &(bucket, count) in values {
            if let Some(counted) = sketch.counts.get_mut(usize::from(bucket)) {
                *counted = count;
            }
        }
        sketch.total = sketch.counts.iter().map(|&count| u32::from(count)).sum();
        while sketch.total > u32::from(sketch.limit) {
            sketch.halve();
        }
        sketch
    }

    /// Rounds up, so that a rare slow value outlives many halvings.
    fn halve(&mut self) {
        let before = self.total;
        for count in &mut self.counts {
            *count = count.div_ceil(2);
        }
        self.total = self.counts.iter().map(|&count| u32::from(count)).sum();
        if self.total >= before {
            // Only ones were left, which rounding up keeps: more buckets than the memory has values. The oldest truth is
            // that all were equally often, so every other one goes.
            let mut keep = false;
            for count in self.counts.iter_mut().filter(|count| **count > 0) {
                keep = !keep;
                *count = u16::from(keep);
            }
            self.total = self.counts.iter().map(|&count| u32::from(count)).sum();
        }
    }
}

/// Where a time counts.
fn bucket(time: Duration) -> usize {
    let octaves = (time.as_secs_f64() / LEAST_SECONDS).max(1.0).log2();
    let number = super::number::floor(octaves * PER_OCTAVE);
    usize::try_from(number).map_or(BUCKETS - 1, |number| number.min(BUCKETS - 1))
}

/// The geometric middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let octaves = (real(bucket as u64) + 0.5) / PER_OCTAVE;
    Duration::from_secs_f64(LEAST_SECONDS * octaves.exp2())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Sketch {
        let mut sketch = Sketch::new(1_000);
        for millis in millis {
            sketch.record(Duration::from_millis(millis));
        }
        sketch
    }

    #[test]
    fn nothing_recorded_has_no_quantile() {
        assert_eq!(Sketch::new(10).quantile(0.5), None);
    }

    #[test]
    fn a_changed_cold_start_is_learnt_within_the_memory() {
        let mut sketch = Sketch::new(16);
        (0..100).for_each(|_| sketch.record(Duration::from_secs(2)));
        (0..40).for_each(|_| sketch.record(Duration::from_secs(20)));
        assert!(sketch.quantile(0.5).unwrap() > Duration::from_secs(18));
    }

    #[test]
    fn a_rare_slow_start_outlives_halvings() {
        let mut sketch = Sketch::new(64);
        sketch.record(Duration::from_mins(1));
        (0..200).for_each(|_| sketch.record(Duration::from_secs(2)));
        assert!(sketch.quantile(0.5).unwrap() < Duration::from_secs(3));
        assert!(sketch.quantile(0.99).unwrap() > Duration::from_secs(55));
    }

    #[test]
    fn values_outside_the_range_count_at_its_ends() {
        let mut sketch = Sketch::new(10);
        sketch.record(Duration::ZERO);
        assert!(sketch.quantile(1.0).unwrap() < Duration::from_micros(110));
        sketch.record(Duration::MAX);
        assert!(sketch.quantile(1.0).unwrap() > Duration::from_mins(50));
    }

    #[test]
    fn a_file_full_of_nonsense_gives_a_sketch_within_its_limit() {
        let sketch = Sketch::import(100, &[(7, 60_000), (7, 60_000), (999, 5), (8, u16::MAX)]);
        assert!(sketch.weight() <= 100 && sketch.weight() > 0);
    }

    proptest! {
        #[test]
        fn every_quantile_is_within_five_per_cent_of_a_recorded_value(
            millis in proptest::collection::vec(1..1_000_000_u64, 1..200), q in 0.0..1.0_f64
        ) {
            let sketch = of(millis.iter().copied());
            let mut sorted = millis;
            sorted.sort_unstable();
            let rank = usize::try_from(ceil(q * real(sorted.len() as u64)).max(1)).unwrap() - 1;
            let (told, is) = (sketch.quantile(q).unwrap().as_secs_f64(), real(sorted[rank]) / 1e3);
            prop_assert!((told / is - 1.0).abs() < 0.05, "{told} {is}");
        }

        #[test]
        fn what_is_written_down_is_read_back(
            millis in proptest::collection::vec(0..1_000_000_u64, 0..2_000)
        ) {
            let sketch = of(millis);
            prop_assert_eq!(Sketch::import(1_000, &sketch.export()), sketch);
        }

        #[test]
        fn the_weight_never_exceeds_the_limit(
            limit in 0..50_u16, micros in proptest::collection::vec(any::<u32>(), 0..300)
        ) {
            let mut sketch = Sketch::new(limit);
            for micros in micros {
                sketch.record(Duration::from_micros(u64::from(micros)));
                prop_assert!(sketch.weight() <= u32::from(limit.max(2)));
            }
        }
    }
}
