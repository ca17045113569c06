//! The verdict over a run: is it valid, did the thresholds hold, what does the process exit with.
//!
//! Judged from the raw figures alone, the same way for a run that just ended and for one that was saved. No run can pass
//! without an answer: a dead target fails even when the scenario names no threshold.
//!
//! | module | decides |
//! |---|---|
//! | [`validity`] | whether the generator disturbed what it measured |
//! | [`criterion`] | what a threshold asks for, typed |
//! | [`abort`] | whether to end a run before its time |
//! | [`measure`] | the number that a threshold asks for, or why there is none |

pub mod abort;
pub mod criterion;
pub mod measure;
pub mod validity;

use crate::{
    report::quantity,
    results::{Blame, Ending, Finding, Outcome, ReasonCount, Results, Verdict},
};

pub use criterion::{Criterion, Limit, Metric, Window};

/// Judges `results` and writes `thresholds` and `verdict` into them.
///
/// Unless a criterion says how many requests may fail, [`Criterion::implied`] is judged as well.
pub fn judge(results: &mut Results, criteria: &[Criterion]) {
    let struck = validity::struck(results);
    let mut findings = validity::findings(results, &struck);
    let criteria = &Criterion::with_implied(criteria);
    let interrupted = results.is_interrupted();
    results.thresholds = if interrupted {
        Vec::new()
    } else {
        criteria
            .iter()
            .map(|criterion| measure::judge_one(results, criterion))
            .collect()
    };
    findings.extend(struck_in_thresholds(results, criteria, interrupted));
    let outcome = if interrupted {
        Outcome::Interrupted
    } else if findings.is_empty() || is_dead(results) {
        let failures = failures(results);
        let outcome = if failures.is_empty() {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        findings.splice(..0, failures);
        outcome
    } else {
        Outcome::Invalid
    };
    results.verdict = Some(Verdict {
        ok: outcome == Outcome::Passed,
        outcome,
        exit_code: outcome.exit_code(),
        findings,
        struck,
    });
}

/// A percentile that a threshold rests on was struck out, although it is none of p50 to p99.
fn struck_in_thresholds(
    results: &Results,
    criteria: &[Criterion],
    interrupted: bool,
) -> Vec<Finding> {
    if interrupted {
        return Vec::new();
    }
    criteria
        .iter()
        .filter_map(|criterion| {
            let quantile = criterion.metric.quantile()?;
            if quantile <= validity::DECISIVE_QUANTILE_MAX && criterion.is_about_the_whole_run() {
                return None; // said already by the percentile itself
            }
            let figure = measure::struck_for(results, criterion, quantile)?;
            Some(Finding {
                what: format!(
                    "the threshold `{}` rests on a figure that the generator's own lag disturbed",
                    criterion.text
                ),
                number: quantity::duration(figure.lag_ns),
                limit: quantity::duration(figure.limit_ns),
                remedy: "lower the rate, add workers, or ask for a lower percentile".to_owned(),
            })
        })
        .collect()
}

/// Whether the target answered nothing, and nothing on this side was missing: no lag of the generator can explain that, so
/// the run has failed however it was measured.
fn is_dead(results: &Results) -> bool {
    let is_ours = |entry: &ReasonCount| entry.count > 0 && entry.reason.blame() == Blame::Generator;
    results.counts.answered == 0
        && results.counts.failed > 0
        && results.counts.is_complete()
        && !matches!(results.ending, Ending::Broken(_))
        && !results.reasons.iter().any(is_ours)
}

/// Why a valid run failed.
fn failures(results: &Results) -> Vec<Finding> {
    let mut findings = shortfalls(results);
    findings.extend(
        results
            .thresholds
            .iter()
            .filter(|judged| !judged.held)
            .map(|judged| Finding {
                what: judged.why.clone(),
                number: judged.found.clone(),
                limit: judged.threshold.clone(),
                remedy: "see by time, step and tenant below where it comes from".to_owned(),
            }),
    );
    findings
}

/// Why a run failed whatever its thresholds say: it was aborted, or nothing was answered.
pub fn shortfalls(results: &Results) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ending::Aborted(condition) = &results.ending {
        findings.push(Finding {
            what: format!("the run was aborted, because {condition}"),
            number: quantity::seconds(results.duration_seconds),
            limit: quantity::seconds(results.scenario.planned_seconds),
            remedy: "see what failed first; the rest of the schedule was not played".to_owned(),
        });
    }
    if results.counts.answered == 0 {
        findings.push(Finding {
            what: "no request was answered".to_owned(),
            number: "0".to_owned(),
            limit: format!("{} scheduled", quantity::count(results.counts.scheduled)),
            remedy: no_answer_remedy(results).to_owned(),
        });
    }
    findings
}

/// What to look at when nothing was answered, by the most frequent reason.
fn no_answer_remedy(results: &Results) -> &'static str {
    use crate::results::Reason;
    match results.reasons.first().map(|entry| entry.reason) {
        Some(Reason::ConnectRefused) => "start the target, or correct address and port",
        Some(Reason::Unreachable | Reason::ConnectTimeout) => {
            "check address, route and firewall between this machine and the target"
        }
        Some(Reason::Dns) => "correct the target's name, or give its address with --connect-to",
        Some(Reason::Tls) => {
            "check certificate, name and authority (--cacert), or whether the port speaks TLS at all"
        }
        Some(Reason::MalformedAnswer) => {
            "check that the port speaks HTTP and the version asked for"
        }
        Some(Reason::Status4xx | Reason::UnexpectedStatus) => {
            "correct host and path; statuses are listed below"
        }
        _ => "check that the target is up and reachable from here",
    }
}

#[cfg(test)]
mod tests;
