//! The lines of the SRE launch checklist ("Site Reliability Engineering", appendix E) that a load test can answer, and what
//! this run says to each. What it does not show is said as well, so that nobody takes silence for proof.

use crate::{
    report::{digest, quantity},
    results::{Outcome, Reason, Results},
};

use super::markup::{Table, section};

/// The section.
pub(super) fn render(results: &Results) -> String {
    let rows = [
        ("Peak traffic and its mix", peak(results)),
        (
            "Load test to capacity at the largest acceptable latency",
            capacity(results),
        ),
        (
            "Behaviour when backends die or overload sets in",
            backends(results),
        ),
        ("Retries and time-outs", retries(results)),
        ("Who would not be served", tenants(results)),
    ];
    let table = Table {
        caption: "Launch checklist",
        heads: &["Question", "What this run says"],
        rows: rows
            .into_iter()
            .map(|(question, answer)| vec![question.to_owned(), answer])
            .collect(),
    };
    section(
        "checklist",
        "Launch checklist",
        &format!("<div class=words>{}</div>", table.render()),
    )
}

fn peak(results: &Results) -> String {
    let peak = results
        .seconds
        .iter()
        .filter(|second| second.at_seconds >= 0)
        .map(|second| second.offered)
        .max()
        .unwrap_or(0);
    let requests: u64 = results
        .journeys
        .iter()
        .map(|journey| journey.requests)
        .sum();
    let started: u64 = results.journeys.iter().map(|journey| journey.started).sum();
    format!(
        "At most {} requests were offered in a second; {} journeys with {:.1} requests each, {} tenants.",
        quantity::count(peak),
        quantity::count(started),
        crate::results::counts::ratio(requests, started),
        quantity::count(results.tenants.len() as u64)
    )
}

fn capacity(results: &Results) -> String {
    match results.verdict.as_ref().map(|verdict| verdict.outcome) {
        Some(Outcome::Passed) => {
            "This load was borne within the thresholds. How much more would be: launchday capacity."
                .to_owned()
        }
        Some(Outcome::Failed) => {
            "This load was not borne. How much would be: launchday capacity.".to_owned()
        }
        _ => "Not shown: the run is no valid measurement.".to_owned(),
    }
}

fn backends(results: &Results) -> String {
    let refused = results.count_of(Reason::Status503) + results.count_of(Reason::Status429);
    let broken = results.count_of(Reason::Reset)
        + results.count_of(Reason::ConnectRefused)
        + results.count_of(Reason::MalformedAnswer);
    if refused + broken + results.counts.unanswered == 0 {
        return "Not shown: nothing was refused and no connection broke. Repeat it while a backend is stopped.".to_owned();
    }
    format!(
        "{} requests were refused (429, 503), {} broke off, {} never got an answer.",
        quantity::count(refused),
        quantity::count(broken),
        quantity::count(results.counts.unanswered)
    )
}

fn retries(results: &Results) -> String {
    let came_back: u64 = results
        .journeys
        .iter()
        .map(|journey| journey.came_back)
        .sum();
    format!(
        "{} time-outs, {} past their deadline; citizens came back {} times after leaving or being asked to.",
        quantity::count(results.count_of(Reason::Timeout)),
        quantity::count(results.count_of(Reason::Deadline)),
        quantity::count(came_back)
    )
}

fn tenants(results: &Results) -> String {
    match digest::fairness_of(results) {
        None if results.tenants.is_empty() => "Not shown: the scenario has no tenants.".to_owned(),
        None => "Nobody was served.".to_owned(),
        Some(found) => format!(
            "{} of {} tenants that asked got no answer at all; Jain's index {:.4}.",
            quantity::count(found.starved as u64),
            quantity::count(found.tenants as u64),
            found.jain
        ),
    }
}
