//! An explanation as text for people and as JSON for programs.

use std::fmt::Write as _;

use schleuse_core::refusal::Language;
use serde_json::{Value, json};

use super::{Explanation, Verdict, remedy::remedy};

/// Width of the steps' names.
const NAME: usize = 12;

pub(super) fn text(explanation: &Explanation) -> String {
    let mut page = format!("{} {}\n\n", explanation.method, explanation.url);
    for step in &explanation.steps.0 {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{:NAME$} {}", step.name, step.decision);
        for line in step.reason.lines() {
            let _ = writeln!(page, "{:NAME$} {line}", "");
        }
    }
    page.push('\n');
    match &explanation.verdict {
        Verdict::Forwarded { pool } => {
            let _ = write!(page, "=> forwarded to pool {pool}");
        }
        Verdict::Redirected { location } => {
            let _ = write!(page, "=> redirected with 308 to {location}");
        }
        Verdict::Refused { refusal, why } => {
            let words = refusal.citizen_text().words(Language::German);
            let _ = write!(
                page,
                "=> refused with {}, {}: {why}\n   the citizen reads: {}. {}\n   what to do: {}",
                refusal.status(),
                refusal.label(),
                words.title,
                words.sentence,
                remedy(*refusal),
            );
        }
    }
    page
}

pub(super) fn json(explanation: &Explanation) -> String {
    let steps: Vec<Value> = explanation
        .steps
        .0
        .iter()
        .map(|step| {
            json!({
                "name": step.name,
                "decision": step.decision,
                "reason": step.reason,
                "facts": step.facts,
            })
        })
        .collect();
    let verdict = match &explanation.verdict {
        Verdict::Forwarded { pool } => json!({ "outcome": "forwarded", "pool": pool }),
        Verdict::Redirected { location } => {
            json!({ "outcome": "redirected", "status": 308, "location": location })
        }
        Verdict::Refused { refusal, why } => {
            let words = refusal.citizen_text().words(Language::German);
            json!({
                "outcome": "refused",
                "status": refusal.status(),
                "label": refusal.label(),
                "why": why,
                "citizen": { "title": words.title, "sentence": words.sentence },
                "remedy": remedy(*refusal),
            })
        }
    };
    json!({
        "method": explanation.method,
        "url": explanation.url,
        "steps": steps,
        "verdict": verdict,
    })
    .to_string()
}
