//! What is compared, and what its rounds say.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::{
    report::quantity,
    results::{Latencies, Results, counts::ratio},
    statistics::{
        bootstrap::{deviation_of, interval_95, mean_of},
        percentile::{self, Sample},
    },
};

/// Multiple of s/√R that is found in 80 % of repeats at 5 % false claims: z of 0.975 plus z of 0.8.
const DETECTABLE: f64 = 2.8;

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Response from the plan at a quantile 0–1.
    Response(f64),
    /// Response from the send at a quantile.
    Service(f64),
    /// Answers per second.
    AnsweredPerSecond,
    /// Share failed or unanswered; compared by difference, the others by ratio.
    FailedShare,
}

impl Measure {
    /// All that are shown, in order.
    pub const SHOWN: [Self; 5] = [
        Self::Response(0.5),
        Self::Response(0.9),
        Self::Response(0.99),
        Self::AnsweredPerSecond,
        Self::FailedShare,
    ];

    /// Its name.
    pub fn label(self) -> String {
        match self {
            Self::Response(quantile) => format!("response {}", quantity::quantile(quantile)),
            Self::Service(quantile) => format!("service {}", quantity::quantile(quantile)),
            Self::AnsweredPerSecond => "answered per second".to_owned(),
            Self::FailedShare => "failed share".to_owned(),
        }
    }

    /// The figure of one run; none when too few values vouch for it. One of which only a lower bound is known is that bound.
    pub fn of(self, results: &Results) -> Option<f64> {
        match self {
            Self::Response(quantile) => results
                .sample()
                .shown(quantile)
                .map(|found| ratio(found.value_ns, 1_000_000_000)),
            Self::Service(quantile) => Sample::new(&results.service, &Latencies::default())
                .shown(quantile)
                .map(|found| ratio(found.value_ns, 1_000_000_000)),
            Self::AnsweredPerSecond => results.answered_per_second(),
            Self::FailedShare => results.counts.failed_share(),
        }
    }

    /// The figure of one run for reading, `≥` before one that is only a bound.
    pub fn shown_of(self, results: &Results) -> Option<String> {
        let sign = if self.is_bound(results) { "≥ " } else { "" };
        let value = self.of(results)?;
        Some(format!("{sign}{}", self.value(value)))
    }

    /// Whether [`Self::of`] is only a lower bound, since some answers never came.
    pub fn is_bound(self, results: &Results) -> bool {
        matches!(self, Self::Response(quantile)
            if results.sample().at(quantile).is_some_and(|found| found.is_bound))
    }

    /// Values that a run needs for it.
    pub fn count_needed(self) -> u64 {
        match self {
            Self::Response(quantile) | Self::Service(quantile) => {
                percentile::count_needed(quantile)
            }
            Self::AnsweredPerSecond | Self::FailedShare => 1,
        }
    }

    /// ln(a/b), or a − b of shares; none when a ratio has no meaning.
    pub(crate) fn difference(self, a: f64, b: f64) -> Option<f64> {
        match self {
            Self::FailedShare => Some(a - b),
            _ => (a > 0.0 && b > 0.0).then(|| (a / b).ln()),
        }
    }

    /// A difference for reading, as change of A against B.
    pub(crate) fn change(self, difference: f64) -> String {
        let sign = |value: f64| if value < 0.0 { "−" } else { "+" };
        if self == Self::FailedShare {
            return format!("{}{:.2} points", sign(difference), difference.abs() * 100.0);
        }
        let percent = (difference.exp() - 1.0) * 100.0;
        format!("{}{:.1} %", sign(percent), percent.abs())
    }

    pub(crate) fn value(self, value: f64) -> String {
        match self {
            Self::Response(_) | Self::Service(_) => quantity::seconds(value),
            Self::AnsweredPerSecond => quantity::rate(value),
            Self::FailedShare => quantity::percent(value),
        }
    }
}

impl FromStr for Measure {
    type Err = String;

    /// `p99`, `service p99`, `answered` or `failed`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("`{text}` is no measure; write p50, p99, service p99, answered or failed");
        let (name, percentile) = match text.trim().split_once(' ') {
            Some(("service", rest)) => ("service", rest.trim()),
            Some(_) => return Err(wrong()),
            None => ("response", text.trim()),
        };
        match (name, percentile) {
            ("response", "answered") => return Ok(Self::AnsweredPerSecond),
            ("response", "failed") => return Ok(Self::FailedShare),
            _ => {}
        }
        let digits = percentile.strip_prefix('p').ok_or_else(wrong)?;
        let percent: f64 = digits.parse().map_err(|_| wrong())?;
        if !(percent > 0.0 && percent < 100.0) {
            return Err(wrong());
        }
        Ok(match name {
            "service" => Self::Service(percent / 100.0),
            _ => Self::Response(percent / 100.0),
        })
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.label())
    }
}

/// What the rounds say about one measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Which.
    pub measure: Measure,
    /// Rounds in which both sides have the figure.
    pub rounds: usize,
    /// Geometric mean over the rounds of A (arithmetic for shares); seconds, per second, or a share.
    pub a: f64,
    /// The same of B.
    pub b: f64,
    /// Mean of ln(A/B), or of A − B for shares.
    pub difference: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The difference that this many rounds with this noise find in four of five repeats.
    pub detectable: f64,
    /// Whether 0 lies outside the interval, and the smaller figures are known to be that small.
    pub is_different: bool,
    /// Whether 0 lies outside the interval, and yet nothing can be claimed: the side that seems to be faster has rounds of which
    /// only a lower bound is known.
    pub is_open: bool,
    /// The figures themselves, A and B by round.
    pub pairs: Vec<(f64, f64)>,
}

impl Measured {
    /// From pairs (A, B) of figures; none with fewer than three pairs that can be compared. `bounds`: whether some of A's, some
    /// of B's are only lower bounds.
    pub(crate) fn from_pairs(
        measure: Measure,
        pairs: &[(f64, f64)],
        bounds: (bool, bool),
        seed: u64,
    ) -> Option<Self> {
        let comparable: Vec<(f64, f64, f64)> = pairs
            .iter()
            .filter_map(|(a, b)| Some((*a, *b, measure.difference(*a, *b)?)))
            .collect();
        let differences: Vec<f64> = comparable.iter().map(|entry| entry.2).collect();
        let found = interval_95(&differences, seed)?;
        let centre = |values: Vec<f64>| match measure {
            Measure::FailedShare => mean_of(&values),
            _ => mean_of(&values.iter().map(|value| value.ln()).collect::<Vec<_>>()).exp(),
        };
        let has_interval = !found.contains(0.0);
        let is_open = has_interval && if found.mean < 0.0 { bounds.0 } else { bounds.1 };
        Some(Self {
            measure,
            rounds: differences.len(),
            a: centre(comparable.iter().map(|entry| entry.0).collect()),
            b: centre(comparable.iter().map(|entry| entry.1).collect()),
            difference: found.mean,
            low: found.low,
            high: found.high,
            detectable: DETECTABLE * deviation_of(&differences)
                / ratio(differences.len() as u64, 1).sqrt(),
            is_different: has_interval && !is_open,
            is_open,
            pairs: comparable.iter().map(|entry| (entry.0, entry.1)).collect(),
        })
    }

    /// The answer in words.
    pub(super) fn sentence(&self, a: &str, b: &str) -> String {
        let label = self.measure.label();
        if self.is_open {
            let faster = if self.difference < 0.0 { a } else { b };
            format!("{label}: nothing can be claimed; that of {faster} is only known from below")
        } else if self.is_different {
            format!(
                "{label}: {a} {} against {b} (95 %: {} to {})",
                self.change(),
                self.measure.change(self.low),
                self.measure.change(self.high)
            )
        } else {
            format!(
                "{label}: no difference shown between {a} and {b}; one of {} or more would probably have been found",
                self.measure.change(self.detectable)
            )
        }
    }

    /// Mean change of A against B.
    pub(super) fn change(&self) -> String {
        self.measure.change(self.difference)
    }

    /// Cells of a table: measure, A, B, change, interval, detectable, claim.
    pub(crate) fn cells(&self) -> [String; 7] {
        let claim = if self.is_open {
            "none: a bound"
        } else if self.is_different {
            "different"
        } else {
            "no difference shown"
        };
        [
            self.measure.label(),
            self.measure.value(self.a),
            self.measure.value(self.b),
            self.change(),
            format!(
                "{} to {}",
                self.measure.change(self.low),
                self.measure.change(self.high)
            ),
            self.measure.change(self.detectable),
            claim.to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_read_as_people_write_them() {
        for (text, measure) in [
            ("p99", Measure::Response(0.99)),
            ("service p50", Measure::Service(0.5)),
            ("answered", Measure::AnsweredPerSecond),
            ("failed", Measure::FailedShare),
        ] {
            assert_eq!(text.parse(), Ok(measure));
        }
        for text in [
            "",
            "p",
            "p0",
            "p100",
            "pNaN",
            "rate p99",
            "service failed",
            "p-1",
        ] {
            assert!(text.parse::<Measure>().is_err(), "{text}");
        }
    }
}
