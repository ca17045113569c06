//! Expected arrivals over time: constant, a ramp, or a table; piecewise linear all of them.

use std::{borrow::Cow, time::Duration};

use super::WallTime;

/// Arrivals per second as a function of the time since the launch began.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// The same from the first second on.
    Constant(f64),
    /// Grows evenly from nothing and then stays.
    Ramp {
        /// Arrivals per second at its end.
        rate: f64,
        /// How long it grows.
        over: Duration,
    },
    /// Points in ascending time, linear between them, constant before the first and after the last. Two points at one
    /// time are a jump.
    Table(Vec<(Duration, f64)>),
}

impl Profile {
    /// The points between which it is linear.
    fn points(&self) -> Cow<'_, [(Duration, f64)]> {
        match self {
            Self::Constant(rate) => vec![(Duration::ZERO, *rate)].into(),
            Self::Ramp { rate, over } => vec![(Duration::ZERO, 0.0), (*over, *rate)].into(),
            Self::Table(points) => points.into(),
        }
    }

    /// When it bends.
    pub fn bends(&self) -> Vec<Duration> {
        self.points().iter().map(|&(at, _)| at).collect()
    }

    /// Arrivals per second at `since`; where it jumps, just before it when `before`. Never negative.
    pub fn rate(&self, since: Duration, before: bool) -> f64 {
        let points = self.points();
        let past = points.partition_point(|&(at, _)| at < since || (!before && at == since));
        let left = past.checked_sub(1).and_then(|index| points.get(index));
        let rate = match (left, points.get(past)) {
            (Some(&(from, low)), Some(&(to, high))) => {
                let whole = to.saturating_sub(from).as_secs_f64();
                if whole > 0.0 {
                    let gone = since.saturating_sub(from).as_secs_f64();
                    low + (high - low) * (gone / whole)
                } else {
                    high
                }
            }
            (Some(&(_, rate)), None) | (None, Some(&(_, rate))) => rate,
            (None, None) => 0.0,
        };
        if rate.is_finite() { rate.max(0.0) } else { 0.0 }
    }
}

/// An announced launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Its name in the configuration.
    pub name: String,
    /// When it begins.
    pub at: WallTime,
    /// What is expected, counted from then.
    pub arrivals: Profile,
    /// Within this time 99 of 100 arrivals are to get their seat.
    pub wait_p99: Duration,
    /// How long it lasts.
    pub duration: Duration,
}

impl Launch {
    /// When it ends.
    pub fn end(&self) -> WallTime {
        self.at + self.duration
    }

    /// Arrivals per second that it expects at a moment; at a jump, just before it when `before`.
    fn rate(&self, moment: WallTime, before: bool) -> f64 {
        let lasts = if before {
            self.at < moment && moment <= self.end()
        } else {
            self.at <= moment && moment < self.end()
        };
        if lasts {
            self.arrivals.rate(moment.since(self.at), before)
        } else {
            0.0
        }
    }

    /// The moments at which its expectation bends or jumps, in order.
    pub(super) fn bends(&self) -> impl Iterator<Item = WallTime> + '_ {
        self.arrivals
            .bends()
            .into_iter()
            .filter(|&since| since <= self.duration)
            .map(|since| self.at + since)
            .chain([self.at, self.end()])
    }
}

/// Arrivals per second that all launches together expect at a moment.
pub fn rate_at(launches: &[Launch], moment: WallTime) -> f64 {
    launches
        .iter()
        .map(|launch| launch.rate(moment, false))
        .sum()
}

/// The most that all launches together expect between two moments, both included.
pub fn peak_between(launches: &[Launch], from: WallTime, to: WallTime) -> f64 {
    let before = |moment| -> f64 {
        launches
            .iter()
            .map(|launch| launch.rate(moment, true))
            .sum()
    };
    launches
        .iter()
        .flat_map(Launch::bends)
        .filter(|&bend| from < bend && bend <= to)
        .flat_map(|bend| [before(bend), rate_at(launches, bend)])
        .chain([rate_at(launches, from), rate_at(launches, to)])
        .fold(0.0, f64::max)
}
