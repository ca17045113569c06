//! How long something takes that differs each time: thinking, patience, a backend's work.

use std::time::Duration;

use crate::draw::Stream;

/// A distribution of durations. Values are cut at a day, which nobody waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Fixed(Duration),
    /// Evenly between two.
    Uniform(Duration, Duration),
    /// Exponential with this mean.
    Exponential(Duration),
    /// Lognormal: its median, and the deviation of its logarithm.
    Lognormal(Duration, f64),
    /// The first, with this probability the second.
    Bimodal(Duration, Duration, f64),
}

/// Longest value.
const LONGEST: f64 = 86_400.0;

impl Distribution {
    /// One value; takes two numbers of the stream at most.
    pub fn draw(&self, stream: &mut Stream) -> Duration {
        let seconds = match *self {
            Self::Fixed(duration) => return duration,
            Self::Uniform(from, to) => {
                let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
                from + (to - from) * stream.unit()
            }
            Self::Exponential(mean) => mean.as_secs_f64() * stream.exponential(),
            Self::Lognormal(median, sigma) => {
                median.as_secs_f64() * (sigma * stream.normal()).exp()
            }
            Self::Bimodal(usual, rare, share) => {
                return if stream.unit() < share { rare } else { usual };
            }
        };
        if seconds.is_nan() {
            return Duration::ZERO; // of parameters that a scenario cannot have
        }
        Duration::from_secs_f64(seconds.clamp(0.0, LONGEST))
    }

    /// The mean, of the uncut distribution, in seconds.
    pub fn mean_seconds(&self) -> f64 {
        match *self {
            Self::Fixed(duration) | Self::Exponential(duration) => duration.as_secs_f64(),
            Self::Uniform(from, to) => f64::midpoint(from.as_secs_f64(), to.as_secs_f64()),
            Self::Lognormal(median, sigma) => median.as_secs_f64() * (sigma * sigma / 2.0).exp(),
            Self::Bimodal(usual, rare, share) => {
                usual.as_secs_f64() * (1.0 - share) + rare.as_secs_f64() * share
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Purpose;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_mean_of_many_values_is_the_distributions() {
        for distribution in [
            Distribution::Fixed(MS(70)),
            Distribution::Uniform(MS(10), MS(30)),
            Distribution::Exponential(MS(50)),
            Distribution::Lognormal(MS(40), 1.0),
            Distribution::Bimodal(MS(10), MS(400), 0.1),
        ] {
            let mut stream = Stream::new(11, 0, Purpose::Service(0));
            let sum: f64 = (0..200_000)
                .map(|_| distribution.draw(&mut stream).as_secs_f64())
                .sum();
            let ratio = sum / 200_000.0 / distribution.mean_seconds();
            assert!((ratio - 1.0).abs() < 0.02, "{distribution:?}: {ratio}");
        }
    }

    #[test]
    fn no_parameters_make_a_draw_panic() {
        let mut stream = Stream::new(1, 1, Purpose::Patience);
        for sigma in [0.0, 50.0, f64::NAN, f64::INFINITY] {
            let _ = Distribution::Lognormal(Duration::MAX, sigma).draw(&mut stream);
        }
        let _ = Distribution::Exponential(Duration::MAX).draw(&mut stream);
        let _ = Distribution::Uniform(Duration::MAX, Duration::ZERO).draw(&mut stream);
    }
}
