//! Where a value lies on an axis, and which values get a tick.

use crate::report::quantity;

/// An axis' range and kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// Evenly.
    Linear {
        /// Value at the start.
        from: f64,
        /// Value at the end; larger than `from`.
        to: f64,
    },
    /// Evenly, in seconds, with ticks at round minutes and hours.
    Time {
        /// Second at the start.
        from: f64,
        /// Second at the end; larger than `from`.
        to: f64,
    },
    /// By the logarithm; for durations.
    Logarithmic {
        /// Value at the start, positive.
        from: f64,
        /// Value at the end; larger than `from`.
        to: f64,
    },
}

impl Scale {
    /// From 0 to a round number at or above `largest`.
    pub(super) fn from_zero(largest: f64) -> Self {
        let step = round_step(largest.max(1e-9));
        Self::Linear {
            from: 0.0,
            to: (largest / step).ceil().max(1.0) * step,
        }
    }

    /// Between two values, evenly; a range without width gets one of 1.
    pub(super) fn between(from: f64, to: f64) -> Self {
        Self::Linear {
            from,
            to: if to > from { to } else { from + 1.0 },
        }
    }

    /// Between two seconds; a range without width gets one of 1.
    pub(super) fn time(from: f64, to: f64) -> Self {
        Self::Time {
            from,
            to: if to > from { to } else { from + 1.0 },
        }
    }

    /// Whole decades of nanoseconds around the values, at least one.
    pub(super) fn decades(smallest: f64, largest: f64) -> Self {
        let low = smallest.max(1.0).log10().floor();
        let high = largest.max(1.0).log10().ceil().max(low + 1.0);
        Self::Logarithmic {
            from: 10_f64.powf(low),
            to: 10_f64.powf(high),
        }
    }

    /// 0 at the start, 1 at the end; values outside are put on the nearer end.
    pub(super) fn position(self, value: f64) -> f64 {
        let part = match self {
            Self::Linear { from, to } | Self::Time { from, to } => (value - from) / (to - from),
            Self::Logarithmic { from, to } => (value.max(from) / from).ln() / (to / from).ln(),
        };
        part.clamp(0.0, 1.0)
    }

    /// Values for ticks: four to ten of them.
    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { from, to } => evenly(from, to, round_step(to - from)),
            Self::Time { from, to } => evenly(from, to, round_time(to - from)),
            Self::Logarithmic { from, to } => {
                let (low, high) = (from.log10().round(), to.log10().round());
                (0..=20)
                    .map(|index| low + f64::from(index))
                    .filter(|power| *power <= high + 0.5)
                    .map(|power| 10_f64.powf(power))
                    .collect()
            }
        }
    }
}

fn evenly(from: f64, to: f64, step: f64) -> Vec<f64> {
    let first = (from / step).ceil() * step;
    (0..=12)
        .map(|index| first + f64::from(index) * step)
        .filter(|tick| *tick <= to + step * 1e-6)
        .collect()
}

/// A step of seconds, minutes or hours, so that a span has at most eight of them.
fn round_time(span: f64) -> f64 {
    const STEPS: [f64; 15] = [
        1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0,
        7_200.0, 14_400.0,
    ];
    let shorter = STEPS.into_iter().find(|step| span / step <= 8.0);
    shorter.unwrap_or_else(|| round_step(span / 3_600.0) * 3_600.0)
}

/// 1, 2 or 5 times a power of ten, so that a span has four to ten steps.
fn round_step(span: f64) -> f64 {
    let rough = span / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(power)
}

/// A tick of an axis of seconds.
pub(super) fn seconds_label(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "−" } else { "" };
    if seconds == 0.0 {
        return "0".to_owned();
    }
    format!("{sign}{}", quantity::seconds(seconds.abs()))
}

/// A tick of an axis of nanoseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive duration"
)]
pub(super) fn duration_label(nanoseconds: f64) -> String {
    quantity::duration(nanoseconds.round() as u64)
}

/// A tick of an axis of counts.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts below 2^53"
)]
pub(super) fn count_label(number: f64) -> String {
    if number.fract().abs() < 1e-9 {
        quantity::count(number.max(0.0) as u64)
    } else {
        format!("{number:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_round_ticks() {
        assert_eq!(
            Scale::from_zero(873.0).ticks(),
            [0.0, 200.0, 400.0, 600.0, 800.0, 1_000.0]
        );
        let decades = Scale::decades(200_000.0, 1.5e9).ticks();
        assert_eq!(decades.len(), 6);
        assert!((decades[0] - 1e5).abs() < 1.0);
    }

    #[test]
    fn an_axis_of_time_has_its_ticks_at_round_minutes() {
        let ticks = Scale::time(-10.0, 299.0).ticks();
        assert_eq!(ticks, [0.0, 60.0, 120.0, 180.0, 240.0]);
        assert_eq!(seconds_label(240.0), "4 min");
        let day = Scale::time(0.0, 400_000.0).ticks();
        assert!((3..=10).contains(&day.len()), "{day:?}");
    }

    #[test]
    fn an_axis_without_data_still_has_a_width() {
        for scale in [
            Scale::from_zero(0.0),
            Scale::between(3.0, 3.0),
            Scale::decades(0.0, 0.0),
        ] {
            assert!(scale.position(0.0).is_finite());
            assert!(scale.ticks().len() >= 2, "{scale:?}");
        }
    }

    #[test]
    fn a_value_outside_is_put_on_the_end() {
        let scale = Scale::between(0.0, 10.0);
        assert!((scale.position(-5.0), scale.position(50.0)) == (0.0, 1.0));
    }
}
