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
struct Measured {
    /// In the metric's unit; none without data.
    number: Option<f64>,
    /// Whether the true number may be larger.
    is_bound: bool,
    /// For reading, with its unit.
    text: String,
}

impl Measured {
    fn none(why: &str) -> Self {
        Self {
            number: None,
            is_bound: false,
            text: why.to_owned(),
        }
    }

    fn share(share: Option<f64>) -> Self {
        share.map_or_else(
            || Self::none("nothing was scheduled"),
            |share| Self {
                number: Some(share),
                is_bound: false,
                text: quantity::percent(share),
            },
        )
    }
}

/// Judges one threshold.
pub fn judge_one(results: &Results, criterion: &Criterion) -> Judged {
    let measured = measure(results, criterion);
    let why = match measured.number {
        None => format!("no data: {}", measured.text),
        Some(number) if !criterion.limit.allows(number) => {
            format!("the threshold `{}` did not hold", criterion.text)
        }
        Some(_) if measured.is_bound && criterion.limit.is_upper() => format!(
            "the threshold `{}` cannot be shown to hold: some answers never came",
            criterion.text
        ),
        Some(_) => String::new(),
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
        Metric::ResponseMean => mean(&answered_of(results, criterion)),
        Metric::Failed => Measured::share(counts.failed_share()),
        Metric::Answered => Measured::share(counts.share(counts.answered)),
        Metric::Abandoned => Measured::share(counts.share(counts.abandoned)),
        Metric::Reason(reason) => Measured::share(counts.share(results.count_of(reason))),
        Metric::AnsweredPerSecond => answered_per_second(results, criterion, &counts),
        Metric::Jain => jain(results, criterion),
    }
}

/// In a window the requests that ended in it, and those that never did whenever it reaches the end.
fn counts_of(results: &Results, criterion: &Criterion) -> Counts {
    if let Some(window) = criterion.window {
        let mut counts = Counts::default();
        for second in &results.seconds {
            if window.contains(second.at_seconds) {
                counts.answered += second.answered;
                counts.failed += second.failed;
                counts.abandoned += second.abandoned;
            }
        }
        if window.to_seconds.is_none() {
            counts.unanswered = results.counts.unanswered;
        }
        counts.scheduled = counts.ended();
        return counts;
    }
    let Some(class) = criterion.class else {
        return results.counts;
    };
    let mut counts = Counts::default();
    for step in results.steps.iter().filter(|step| step.class == class) {
        counts.add(&step.counts);
    }
    counts
}

fn answered_of(results: &Results, criterion: &Criterion) -> Latencies {
    let mut answered = Latencies::default();
    if let Some(class) = criterion.class {
        for step in results.steps.iter().filter(|step| step.class == class) {
            answered.merge(&step.response);
        }
    } else if let Some(window) = criterion.window {
        for second in &results.seconds {
            if window.contains(second.at_seconds) {
                answered.merge(&second.response);
            }
        }
    } else {
        answered.merge(&results.response);
    }
    answered
}

/// Answered and censored together. In a window the censored are those of the whole run whenever it reaches the end: a
/// second does not know what never happened in it.
fn sample_of(results: &Results, criterion: &Criterion) -> Sample {
    let mut censored = Latencies::default();
    if let Some(class) = criterion.class {
        for step in results.steps.iter().filter(|step| step.class == class) {
            censored.merge(&step.censored);
        }
    } else if criterion
        .window
        .is_none_or(|window| window.to_seconds.is_none())
    {
        censored = results.censored();
    }
    Sample::new(&answered_of(results, criterion), &censored)
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

fn mean(answered: &Latencies) -> Measured {
    answered.mean_ns().map_or_else(
        || Measured::none("no request was answered"),
        |ns| Measured {
            number: Some(ns / 1e9),
            is_bound: false,
            text: quantity::seconds(ns / 1e9),
        },
    )
}

fn answered_per_second(results: &Results, criterion: &Criterion, counts: &Counts) -> Measured {
    let (answered, seconds) = if let Some(window) = criterion.window {
        let inside = results
            .seconds
            .iter()
            .filter(|second| window.contains(second.at_seconds));
        inside.fold((0_u64, 0.0), |(answered, seconds), second| {
            (answered + second.answered, seconds + 1.0)
        })
    } else {
        (counts.answered, results.duration_seconds)
    };
    if seconds <= 0.0 {
        return Measured::none("the run has no second in this window");
    }
    let rate = ratio(answered, 1) / seconds;
    Measured {
        number: Some(rate),
        is_bound: false,
        text: quantity::rate(rate),
    }
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
    /// Whether the second that starts at `at_seconds` lies in it; the warm-up never does.
    pub const fn contains(&self, at_seconds: i64) -> bool {
        at_seconds >= 0
            && at_seconds >= self.from_seconds
            && match self.to_seconds {
                Some(to) => at_seconds < to,
                None => true,
            }
    }
}
