//! What a threshold asks for, as a type: metric, class of tenants, window, limit. Reading it from text is the scenario's.
//!
//! A closed list of metrics, so that a misspelt one cannot be judged and found good.

use crate::results::{Reason, SizeClass};

/// One threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// As the operator wrote it.
    pub text: String,
    /// What is measured.
    pub metric: Metric,
    /// Only requests of tenants of this size; all when absent.
    pub class: Option<SizeClass>,
    /// Only a part of the run; all when absent.
    pub window: Option<Window>,
    /// What it is compared with.
    pub limit: Limit,
}

/// A part of the run, in seconds from the end of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First second.
    pub from_seconds: i64,
    /// First second after it; open-ended when absent.
    pub to_seconds: Option<i64>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// Response from the plan, in seconds, at a quantile 0–1; 1 is the maximum. Of all requests: who failed ranks behind
    /// every duration.
    Response(f64),
    /// Response from the send, answered requests only, in seconds, at a quantile.
    Service(f64),
    /// Mean response, in seconds; a lower bound as soon as one request was not answered.
    ResponseMean,
    /// Share of the scheduled that failed or stayed unanswered, 0–1.
    Failed,
    /// Share of the scheduled that was answered, 0–1.
    Answered,
    /// Share of the scheduled whose citizens left, 0–1.
    Abandoned,
    /// Share of the scheduled that ended for one reason, 0–1.
    Reason(Reason),
    /// Answers per second.
    AnsweredPerSecond,
    /// Jain's index over the tenants, 0–1.
    Jain,
}

impl Metric {
    /// The quantile, of a percentile.
    pub const fn quantile(self) -> Option<f64> {
        match self {
            Self::Response(quantile) | Self::Service(quantile) => Some(quantile),
            _ => None,
        }
    }

    /// Whether it is a duration, so that its number is in seconds.
    pub const fn is_duration(self) -> bool {
        matches!(
            self,
            Self::Response(_) | Self::Service(_) | Self::ResponseMean
        )
    }

    /// Whether it can be told for a part of the run only; a second holds no reasons, tenants or times from the send.
    pub const fn allows_window(self) -> bool {
        !matches!(self, Self::Service(_) | Self::Reason(_) | Self::Jain)
    }

    /// Whether it can be told for one size class, of which no seconds are kept.
    pub const fn allows_class(self) -> bool {
        !matches!(
            self,
            Self::Service(_) | Self::Reason(_) | Self::AnsweredPerSecond
        )
    }
}

/// What the number must be; in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Smaller than.
    Below(f64),
    /// At most.
    AtMost(f64),
    /// Larger than.
    Above(f64),
    /// At least.
    AtLeast(f64),
}

impl Limit {
    /// Whether `number` satisfies it. No number that is not finite does.
    pub fn allows(self, number: f64) -> bool {
        number.is_finite()
            && match self {
                Self::Below(limit) => number < limit,
                Self::AtMost(limit) => number <= limit,
                Self::Above(limit) => number > limit,
                Self::AtLeast(limit) => number >= limit,
            }
    }

    /// Whether it bounds from above, so that a number of which only a lower bound is known can never satisfy it.
    pub const fn is_upper(self) -> bool {
        matches!(self, Self::Below(_) | Self::AtMost(_))
    }
}

impl Criterion {
    /// What a run is judged by as well whose scenario does not say how many may fail: a dead target must not pass because
    /// nobody asked.
    pub fn implied() -> Self {
        Self {
            text: "failed < 1% (implied)".to_owned(),
            metric: Metric::Failed,
            class: None,
            window: None,
            limit: Limit::Below(0.01),
        }
    }

    /// `written` and, unless one of them says how many may fail, [`Self::implied`].
    #[must_use]
    pub fn with_implied(written: &[Self]) -> Vec<Self> {
        let mut all = written.to_vec();
        if !written.iter().any(Self::says_how_many_may_fail) {
            all.push(Self::implied());
        }
        all
    }

    /// One reason of many does not: who bounds time-outs has said nothing about a closed port. Neither does a window that ends
    /// before the run may: nobody would be asked about what comes after it.
    fn says_how_many_may_fail(&self) -> bool {
        matches!(self.metric, Metric::Failed | Metric::Answered)
            && self.window.is_none_or(|window| window.to_seconds.is_none())
    }

    /// Whether it is about all requests, so that the run's own percentiles speak for it.
    pub const fn is_about_the_whole_run(&self) -> bool {
        self.class.is_none() && self.window.is_none()
    }
}
