//! The answer and the curve: what the target did at each rate that was tried.

use crate::report::quantity;

use super::{Answer, Capacity, Purpose, Step};

/// Characters of the longest bar.
const BAR: f64 = 24.0;

/// Lines for a terminal or a log: the answer first, then the curve in order of rate.
pub fn lines(capacity: &Capacity) -> Vec<String> {
    let mut lines = vec![sentence(&capacity.answer)];
    let mut steps: Vec<&Step> = capacity
        .steps
        .iter()
        .filter(|step| step.purpose != Purpose::Rest)
        .collect();
    steps.sort_by(|left, right| left.rate_per_second.total_cmp(&right.rate_per_second));
    let largest = steps
        .iter()
        .filter_map(|step| step.p99_ns)
        .max()
        .unwrap_or(1);
    lines.push(format!(
        "{:>12} {:>12} {:>9} {:>10} {:>12}  {:<8} p99",
        "offered", "answered", "failed", "p50", "p99", "judged"
    ));
    lines.extend(steps.into_iter().map(|step| line(step, largest)));
    let rests = capacity
        .steps
        .iter()
        .filter(|step| step.purpose == Purpose::Rest);
    let rests = rests.count();
    if rests > 0 {
        lines.push(format!(
            "steps of light load until it was well again after a failure: {rests}"
        ));
    }
    lines
}

/// The answer in one sentence.
pub(crate) fn sentence(answer: &Answer) -> String {
    let rate = |per_second: &f64| quantity::rate(*per_second);
    match answer {
        Answer::Bears {
            rate_per_second,
            fails_at_per_second,
        } => format!(
            "capacity {}: passed 3 of 3 there, failed 3 of 3 at {}",
            rate(rate_per_second),
            rate(fails_at_per_second)
        ),
        Answer::AtLeast {
            rate_per_second,
            failed_per_second,
            why,
        } => {
            let failed = failed_per_second.as_ref();
            let failed = failed.map_or_else(String::new, |failed| {
                format!("; the target failed at {}", rate(failed))
            });
            format!(
                "capacity ≥ {}, limited by the generator: {why}{failed}",
                rate(rate_per_second)
            )
        }
        Answer::AtLeastTheMaximum { rate_per_second } => format!(
            "capacity ≥ {}, the highest rate that was to be tried",
            rate(rate_per_second)
        ),
        Answer::Below { rate_per_second } => format!(
            "capacity < {}: not even that passed; look at thresholds and target",
            rate(rate_per_second)
        ),
        Answer::NeverRecovered {
            rate_per_second,
            broken_at_per_second,
        } => format!(
            "capacity ≥ {}, and {} broke the target: it did not become well again under light load",
            rate(rate_per_second),
            rate(broken_at_per_second)
        ),
        Answer::Unsettled {
            passed_per_second,
            failed_per_second,
        } => format!(
            "no capacity shown: it passed up to {} and failed from {}, and between them now this, now that; use longer steps",
            rate(passed_per_second),
            rate(failed_per_second)
        ),
        Answer::Interrupted { rate_per_second } => {
            format!("interrupted; it had passed at {}", rate(rate_per_second))
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a bar of at most BAR characters"
)]
fn line(step: &Step, largest_ns: u64) -> String {
    let optional = |ns: Option<u64>, bound| {
        ns.map_or_else(|| "–".to_owned(), |ns| quantity::bounded(ns, bound))
    };
    let length = step
        .p99_ns
        .map_or(0.0, |ns| (ns as f64 / largest_ns as f64 * BAR).ceil());
    let text = format!(
        "{:>12} {:>12} {:>9} {:>10} {:>12}  {:<8} {}",
        quantity::rate(step.rate_per_second),
        quantity::rate(step.answered_per_second),
        quantity::percent(step.failed_share),
        optional(step.p50_ns, false),
        optional(step.p99_ns, step.p99_is_bound),
        step.outcome.label(),
        "#".repeat(length as usize)
    );
    text.trim_end().to_owned()
}
