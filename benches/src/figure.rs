//! One line of the table: what was measured, against whom, and what it may be.

use crate::statistics::Estimate;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A ratio to the named peer.
    Times,
    /// Between 0 and 1.
    Index,
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Kibibytes,
    Mebibytes,
    Percent,
    Count,
}

impl Unit {
    pub(crate) fn text(self, value: f64) -> String {
        if value.is_nan() {
            return "–".to_owned();
        }
        match self {
            Self::Times => format!("{value:.2}×"),
            Self::Index => format!("{value:.4}"),
            Self::Nanoseconds => format!("{value:.0} ns"),
            Self::Microseconds => format!("{value:.1} µs"),
            Self::Milliseconds if value.abs() < 10.0 => format!("{value:.1} ms"),
            Self::Milliseconds => format!("{value:.0} ms"),
            Self::Seconds => format!("{value:.1} s"),
            Self::Kibibytes => format!("{value:.2} KiB"),
            Self::Mebibytes => format!("{value:.1} MiB"),
            Self::Percent => format!("{value:+.1} %"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// What a figure is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// A figure and its goal.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
    /// 95 % bootstrap interval of the median.
    pub(crate) interval: Option<(f64, f64)>,
    /// None: printed for information.
    pub(crate) goal: Option<Goal>,
    /// Values behind the figure, in words.
    pub(crate) beside: String,
}

impl Figure {
    /// A single value.
    pub(crate) fn value(what: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self {
            what: what.into(),
            unit,
            value,
            interval: None,
            goal: None,
            beside: String::new(),
        }
    }

    /// A median over pairs.
    pub(crate) fn estimate(what: impl Into<String>, unit: Unit, estimate: Estimate) -> Self {
        Self {
            interval: Some((estimate.low, estimate.high)),
            ..Self::value(what, unit, estimate.median)
        }
    }

    /// Sets the most it may be.
    pub(crate) fn at_most(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtMost(goal));
        self
    }

    /// Sets the least it must be.
    pub(crate) fn at_least(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtLeast(goal));
        self
    }

    /// Says what is behind it.
    pub(crate) fn beside(mut self, words: impl Into<String>) -> Self {
        self.beside = words.into();
        self
    }

    /// The goal is reached; none when there is none. A value that is not a number reaches nothing.
    pub(crate) fn met(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            Goal::AtMost(goal) => self.value <= goal,
            Goal::AtLeast(goal) => self.value >= goal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_without_value_misses_its_goal() {
        assert_eq!(
            Figure::value("x", Unit::Count, f64::NAN).at_most(1.0).met(),
            Some(false)
        );
        assert_eq!(
            Figure::value("x", Unit::Count, 1.0).at_most(1.0).met(),
            Some(true)
        );
        assert_eq!(Figure::value("x", Unit::Count, 1.0).met(), None);
        let index = Figure::value("x", Unit::Index, 0.98).at_least(0.99);
        assert_eq!(index.met(), Some(false));
    }
}
