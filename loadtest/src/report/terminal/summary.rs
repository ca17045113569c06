//! The end of a run at the terminal: verdict and reasons first, thresholds, ends, percentiles, fairness.

use crate::{
    report::{digest, quantity},
    results::{Mode, Outcome, Results},
    verdict::validity,
};

use super::style::{Colour, Style};

/// Every line of the summary.
pub fn summary(results: &Results, style: Style) -> Vec<String> {
    let mut lines = verdict(results, style);
    lines.extend(thresholds(results, style));
    lines.extend(ends(results).iter().map(|line| style.fit(line)));
    lines.extend(percentiles(results, style));
    lines.extend(fairness(results).iter().map(|line| style.fit(line)));
    lines.extend(generator(results).iter().flat_map(|line| style.wrap(line)));
    lines
}

fn verdict(results: &Results, style: Style) -> Vec<String> {
    let Some(verdict) = &results.verdict else {
        return vec!["not judged".to_owned()];
    };
    let (word, colour) = match verdict.outcome {
        Outcome::Passed => ("PASSED", Colour::Good),
        Outcome::Failed => ("FAILED", Colour::Bad),
        Outcome::Invalid => ("INVALID: no statement about the target", Colour::Bad),
        Outcome::Interrupted => ("INTERRUPTED: thresholds not judged", Colour::Doubtful),
    };
    let mut lines = vec![style.paint(colour, &style.fit(word))];
    for finding in &verdict.findings {
        lines.extend(style.wrap(&format!(
            "- {}: {} (limit {}); {}",
            finding.what, finding.number, finding.limit, finding.remedy
        )));
    }
    lines
}

fn thresholds(results: &Results, style: Style) -> Vec<String> {
    results
        .thresholds
        .iter()
        .map(|judged| {
            let (word, colour) = if judged.held {
                ("held", Colour::Good)
            } else {
                ("not held", Colour::Bad)
            };
            let text = style.fit(&format!("{word}: {}  ({})", judged.threshold, judged.found));
            // Painting comes last: escape sequences have no width.
            text.strip_prefix(word).map_or_else(
                || text.clone(),
                |rest| format!("{}{rest}", style.paint(colour, word)),
            )
        })
        .collect()
}

fn ends(results: &Results) -> Vec<String> {
    let counts = &results.counts;
    let share = |part| {
        counts
            .share(part)
            .map_or_else(|| "–".to_owned(), quantity::percent)
    };
    let mut lines = vec![format!(
        "scheduled  {:>12}",
        quantity::count(counts.scheduled)
    )];
    for (name, part) in [
        ("answered", counts.answered),
        ("failed", counts.failed),
        ("abandoned", counts.abandoned),
        ("unanswered", counts.unanswered),
        ("not sent", counts.not_sent),
    ] {
        lines.push(format!(
            "{name:<10} {:>12}  {}",
            quantity::count(part),
            share(part)
        ));
    }
    for entry in results.reasons.iter().filter(|entry| entry.count > 0) {
        lines.push(format!(
            "  {:<20} {:>8}",
            entry.reason.label(),
            quantity::count(entry.count)
        ));
    }
    lines
}

/// As a table where there is room, else one below the other.
fn percentiles(results: &Results, style: Style) -> Vec<String> {
    let wide = style.columns >= 72;
    let mut lines = Vec::new();
    if wide {
        lines.push(format!(
            "{:<7} {:>22} {:>12} {:>12}  95 % interval",
            "", "response", "from send", "own lag"
        ));
    }
    for row in digest::percentiles(results) {
        let name = quantity::quantile(row.response.quantile);
        let optional = |ns: Option<u64>| ns.map_or_else(|| "–".to_owned(), quantity::duration);
        let line = if wide {
            let high = row
                .response
                .high_ns
                .map_or_else(|| "?".to_owned(), quantity::duration);
            format!(
                "{name:<7} {:>22} {:>12} {:>12}  {}–{high}",
                row.text(),
                optional(row.service_ns),
                optional(row.own_lag_ns),
                quantity::duration(row.response.low_ns)
            )
        } else {
            format!("{name:<7} {}", row.text())
        };
        lines.push(style.fit(&line));
    }
    lines.push(style.fit(&format!("{:<7} {:>22}", "max", digest::maximum(results))));
    lines
}

fn fairness(results: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(found) = digest::fairness_of(results) {
        lines.push(format!(
            "fairness: Jain {:.4}, {} of {} tenants got nothing",
            found.jain, found.starved, found.tenants
        ));
        for group in digest::by_class(results) {
            let share = group.counts.share(group.counts.answered).unwrap_or(0.0);
            lines.push(format!(
                "  {:<7} answered {}",
                group.name,
                quantity::percent(share)
            ));
        }
    }
    lines
}

fn generator(results: &Results) -> Vec<String> {
    let mode = match results.scenario.mode {
        Mode::Open => "open model",
        Mode::Closed => "closed model: a slow target was asked less",
        Mode::Simulated => "simulated: a lower bound on tails",
    };
    let lag = results
        .own_lag
        .quantile(0.99)
        .map_or_else(|| "–".to_owned(), quantity::duration);
    let mut lines = vec![format!(
        "{mode}; own lag p99 {lag}; seed {}",
        results.scenario.seed
    )];
    let held_back = results.connections.filter(|known| known.held_back > 0);
    lines.extend(held_back.map(|known| {
        format!(
            "{} requests waited for one of the {} connections that were allowed: that wait is not the target's",
            quantity::count(known.held_back),
            quantity::count(known.allowed)
        )
    }));
    if validity::is_run_delay_unknown(results) {
        lines.push(digest::RUN_DELAY_UNKNOWN.to_owned());
    }
    if let Some(simulation) = &results.simulation {
        lines.push(simulation.calibration.as_ref().map_or_else(
            || "never calibrated against reality".to_owned(),
            |known| {
                format!(
                    "calibrated {} on {} at {}: median ×{:.2}, p99 ×{:.2}",
                    known.date, known.machine, known.commit, known.median_ratio, known.p99_ratio
                )
            },
        ));
    }
    lines
}
