//! Errors by kind, and whose fault each kind is.

use crate::{
    report::quantity,
    results::{Blame, Results, counts::ratio},
};

use super::{
    bars::{Bar, bars},
    markup::{Table, section},
};

/// The section.
pub(super) fn render(results: &Results) -> String {
    let entries = entries_of(results);
    let share = |count: u64| ratio(count, results.counts.scheduled);
    let figure: Vec<Bar> = entries
        .iter()
        .map(|(name, _, count)| Bar {
            name: name.clone(),
            length: share(*count),
            text: format!(
                "{} ({})",
                quantity::count(*count),
                quantity::percent(share(*count))
            ),
        })
        .collect();
    let reasons = Table {
        caption: "Requests without a good answer, by kind",
        heads: &["Kind", "Whose fault", "Requests", "Of the scheduled"],
        rows: entries
            .into_iter()
            .map(|(name, blame, count)| {
                vec![
                    name,
                    blame.to_owned(),
                    quantity::count(count),
                    quantity::percent(share(count)),
                ]
            })
            .collect(),
    };
    let figure = bars(
        "plot-errors",
        "Requests without a good answer, by kind",
        &figure,
    );
    section(
        "errors",
        "Errors by kind",
        &[figure, reasons.render(), statuses(results)].concat(),
    )
}

fn statuses(results: &Results) -> String {
    let answered = results.statuses.iter().filter(|entry| entry.count > 0);
    Table {
        caption: "Answers by status",
        heads: &["Status", "Answers"],
        rows: answered
            .map(|entry| vec![entry.status.to_string(), quantity::count(entry.count)])
            .collect(),
    }
    .render()
}

/// Kind, whose fault, how many; the most frequent first.
fn entries_of(results: &Results) -> Vec<(String, &'static str, u64)> {
    let mut entries: Vec<(String, &'static str, u64)> = results
        .reasons
        .iter()
        .filter(|entry| entry.count > 0)
        .map(|entry| {
            let blame = match entry.reason.blame() {
                Blame::Target => "target",
                Blame::Generator => "generator",
                Blame::Nobody => "nobody",
            };
            (entry.reason.label().replace('_', " "), blame, entry.count)
        })
        .collect();
    for (name, blame, count) in [
        ("unanswered at the end", "target", results.counts.unanswered),
        (
            "abandoned by the citizen",
            "target",
            results.counts.abandoned,
        ),
    ] {
        if count > 0 {
            entries.push((name.to_owned(), blame, count));
        }
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.2));
    entries
}
