//! The number that a threshold asks for, and whether it holds. No data never holds.
//!
//! A percentile that rests on too few values is not guessed: then only the maximum can vouch for an upper limit. A censored
//! one is a lower bound, which can break an upper limit; it proves one only if that held even had the censored lasted for
//! ever, as when a handful of many requests is still on its way at the end.

use crate::{
    report::{digest, quantity},
    results::{Counts, Judged, Latencies, Results, Struck, counts::ratio},
    statistics::percentile::{Sample, count_needed, is_shown},
};

use super::{
    criterion::{Criterion, Limit, Metric, Window},
    validity,
};

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// In the metric's unit; none without data.
    pub(super) number: Option<f64>,
    /// Whether the true number may be larger.
    pub(super) is_bound: bool,
    /// For reading, with its unit.
    pub(super) text: String,
}

impl Measured {
    fn none(why: &str) -> Self {
        Self {
            number: None,
            is_bound: false,
            text: why.to_owned(),
        }
    }

    pub(super) fn share(share: Option<f64>) -> Self {
        share.map_or_else(
            || Self::none("nothing was scheduled"),
            |share| Self {
                number: Some(share),
                is_bound: false,
                text: quantity::percent(share),
            },
        )
    }

    pub(super) fn rate(per_second: f64) -> Self {
        Self {
            number: Some(per_second),
            is_bound: false,
            text: quantity::rate(per_second),
        }
    }

    /// Whether there is a number and it is not shown to be within `limit`.
    pub(super) fn breaks(&self, limit: Limit) -> bool {
        self.number
            .is_some_and(|number| !limit.allows(number) || self.is_bound && limit.is_upper())
    }
}

/// Judges one threshold.
pub fn judge_one(results: &Results, criterion: &Criterion) -> Judged {
    let measured = measure(results, criterion);
    let why = match measured.number {
        None => format!("no data: {}", measured.text),
        Some(_) if !measured.breaks(criterion.limit) => String::new(),
        Some(number) if criterion.limit.allows(number) => format!(
            "the threshold `{}` cannot be shown to hold: some answers never came",
            criterion.text
        ),
        Some(_) => format!("the threshold `{}` did not hold", criterion.text),
    };
    Judged {
        threshold: criterion.text.clone(),
        held: why.is_empty(),
        found: measured.text,
        why,
    }
}

/// Whether the percentile that `criterion` rests on must be struck out.
pub(super) fn struck_for(
    results: &Results,
    criterion: &Criterion,
    quantile: f64,
) -> Option<Struck> {
    let sample = sample_of(results, criterion);
    validity::struck_at(results, &sample, quantile)
}

fn measure(results: &Results, criterion: &Criterion) -> Measured {
    if criterion.window.is_some() && !criterion.metric.allows_window() {
        return Measured::none("this metric is not kept by second");
    }
    if criterion.class.is_some() && !criterion.metric.allows_class() {
        return Measured::none("this metric is not kept by size class");
    }
    if criterion.class.is_some() && criterion.window.is_some() {
        return Measured::none("seconds are not kept by size class");
    }
    let counts = counts_of(results, criterion);
    match criterion.metric {
        Metric::Response(quantile) => {
            percentile(&sample_of(results, criterion), quantile, criterion.limit)
        }
        Metric::Service(quantile) => {
            let sample = Sample::new(&results.service, &Latencies::default());
            percentile(&sample, quantile, criterion.limit)
        }
        Metric::ResponseMean => mean(&sample_of(results, criterion)),
        Metric::Failed => Measured::share(counts.failed_share()),
        Metric::Answered => Measured::share(counts.share(counts.answered)),
        Metric::Abandoned => Measured::share(counts.share(counts.abandoned)),
        Metric::Reason(reason) => Measured::share(counts.share(results.count_of(reason))),
        Metric::AnsweredPerSecond => answered_per_second(results, criterion),
        Metric::Jain => jain(results, criterion),
    }
}

/// In a window the requests that ended in it, and those that never did although they were planned before its end: they were
/// on their way in it.
fn counts_of(results: &Results, criterion: &Criterion) -> Counts {
    let mut counts = Counts::default();
    if let Some(window) = criterion.window {
        for second in &results.seconds {
            if window.contains(second.at_seconds) {
                counts.answered += second.answered;
                counts.failed += second.failed;
                counts.abandoned += second.abandoned;
            }
            if window.sees_plans_of(second.at_seconds) {
                counts.unanswered += second.unanswered_after.count;
            }
        }
        if window.to_seconds.is_none() {
            // All of them, also in a result of an older version, whose seconds do not know.
            counts.unanswered = results.counts.unanswered;
        }
        counts.scheduled = counts.ended();
    } else if let Some(class) = criterion.class {
        for step in results.steps.iter().filter(|step| step.class == class) {
            counts.add(&step.counts);
        }
    } else {
        counts = results.counts;
    }
    counts
}

/// The requests that [`counts_of`] counts: durations of the answered, and bounds of those whose answer never came.
fn sample_of(results: &Results, criterion: &Criterion) -> Sample {
    let (mut answered, mut censored) = (Latencies::default(), Latencies::default());
    if let Some(class) = criterion.class {
        for step in results.steps.iter().filter(|step| step.class == class) {
            answered.merge(&step.response);
            censored.merge(&step.censored);
        }
    } else if let Some(window) = criterion.window {
        for second in &results.seconds {
            if window.contains(second.at_seconds) {
                answered.merge(&second.response);
                censored.merge(&second.gave_up_after);
            }
            if window.to_seconds.is_some() && window.sees_plans_of(second.at_seconds) {
                censored.merge(&second.unanswered_after);
            }
        }
        if window.to_seconds.is_none() {
            censored.merge(&results.unanswered_after);
        }
    } else {
        return results.sample();
    }
    Sample::of(&counts_of(results, criterion), &answered, &censored)
}

/// A percentile as seconds; of too few values the maximum in its place where that proves the limit.
fn percentile(sample: &Sample, quantile: f64, limit: Limit) -> Measured {
    let Some((max_ns, max_is_bound)) = sample.maximum() else {
        return Measured::none("no request was answered");
    };
    if quantile >= 1.0 {
        return Measured {
            number: Some(in_seconds(max_ns)),
            is_bound: max_is_bound,
            text: quantity::bounded(max_ns, max_is_bound),
        };
    }
    if !is_shown(quantile, sample.count()) {
        let max = quantity::bounded(max_ns, max_is_bound);
        let too_few = format!(
            "{} needs {} requests, there were {}; the maximum was {max}",
            quantity::quantile(quantile),
            quantity::count(count_needed(quantile)),
            quantity::count(sample.count())
        );
        let proven = limit.is_upper() && !max_is_bound && limit.allows(in_seconds(max_ns));
        return Measured {
            number: proven.then(|| in_seconds(max_ns)),
            is_bound: false,
            text: too_few,
        };
    }
    at(sample, quantile, limit)
}

/// The percentile itself, however few values there are. One of which only a lower bound is known proves an upper limit if that
/// held even had those who were never answered waited for ever.
pub(super) fn at(sample: &Sample, quantile: f64, limit: Limit) -> Measured {
    let Some(found) = sample.at(quantile) else {
        return Measured::none("no request was answered");
    };
    let ceiling = sample.ceiling_ns(quantile);
    let proven = ceiling.is_some_and(|most| limit.allows(in_seconds(most)));
    Measured {
        number: Some(in_seconds(found.value_ns)),
        is_bound: found.is_bound && !proven,
        text: quantity::bounded(found.value_ns, found.is_bound),
    }
}

/// Of all durations that are known; at least that, as soon as one request was not answered.
pub(super) fn mean(sample: &Sample) -> Measured {
    sample.mean_ns().map_or_else(
        || Measured::none("no request was answered"),
        |(ns, is_bound)| Measured {
            number: Some(ns / 1e9),
            is_bound,
            text: format!(
                "{}{}",
                if is_bound { "≥ " } else { "" },
                quantity::seconds(ns / 1e9)
            ),
        },
    )
}

fn answered_per_second(results: &Results, criterion: &Criterion) -> Measured {
    let found = match criterion.window {
        None => results.answered_per_second(),
        Some(window) => {
            let inside = results
                .seconds
                .iter()
                .filter(|second| window.contains(second.at_seconds));
            let (answered, seconds) = inside.fold((0_u64, 0_u64), |(answered, seconds), second| {
                (answered + second.answered, seconds + 1)
            });
            (seconds > 0).then(|| ratio(answered, seconds))
        }
    };
    found.map_or_else(
        || Measured::none("the run has no second in this window"),
        Measured::rate,
    )
}

fn jain(results: &Results, criterion: &Criterion) -> Measured {
    let found = match criterion.class {
        None => digest::fairness_of(results).map(|found| found.jain),
        Some(class) => digest::by_class(results)
            .into_iter()
            .find(|group| group.name == class.label())
            .and_then(|group| group.jain),
    };
    found.map_or_else(
        || Measured::none("no tenant was answered"),
        |jain| Measured {
            number: Some(jain),
            is_bound: false,
            text: format!("{jain:.4}"),
        },
    )
}

/// Nanoseconds as seconds; exact below 104 days.
fn in_seconds(nanoseconds: u64) -> f64 {
    ratio(nanoseconds, 1_000_000_000)
}

impl Window {
    /// Whether what was planned in the second that starts at `at_seconds` and never ended was on its way in it.
    const fn sees_plans_of(&self, at_seconds: i64) -> bool {
        at_seconds >= 0
            && match self.to_seconds {
                Some(to) => at_seconds < to,
                None => true,
            }
    }

    /// Whether the second that starts at `at_seconds` lies in it; the warm-up never does.
    pub const fn contains(&self, at_seconds: i64) -> bool {
        at_seconds >= self.from_seconds && self.sees_plans_of(at_seconds)
    }
}
