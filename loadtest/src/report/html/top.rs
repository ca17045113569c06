//! What stands first: verdict, reasons, thresholds; and what stands last: where the result came from.

use crate::{
    report::{digest, quantity},
    results::{Connections, Ending, Mode, Results},
    verdict::validity,
};

use super::markup::{Table, escape, section};

/// Verdict and reasons, thresholds, and how every scheduled request ended.
pub(super) fn verdict(results: &Results) -> String {
    let (label, sentence) = headline(results);
    let findings = results.verdict.iter().flat_map(|verdict| &verdict.findings);
    let findings = Table {
        caption: "Reasons for the verdict",
        heads: &["What", "Found", "Limit", "What to do"],
        rows: findings
            .map(|finding| {
                vec![
                    finding.what.clone(),
                    finding.number.clone(),
                    finding.limit.clone(),
                    finding.remedy.clone(),
                ]
            })
            .collect(),
    };
    let reasons = if findings.rows.is_empty() {
        String::new()
    } else {
        format!("<div class=findings>{}</div>", findings.render())
    };
    format!(
        "<p class=note>launchday: {}</p>\n<div class=\"verdict {label}\"><h1>{}</h1>\n{reasons}</div>\n{}{}{}",
        escape(&results.scenario.name),
        escape(&sentence),
        own_lag(results),
        thresholds(results),
        ends(results)
    )
}

/// The class of the box and the sentence in it.
fn headline(results: &Results) -> (&'static str, String) {
    let Some(verdict) = &results.verdict else {
        return ("interrupted", "Not judged".to_owned());
    };
    let label = verdict.outcome.label();
    let first = verdict.findings.first();
    let because = first.map_or_else(String::new, |finding| {
        if finding.what.contains(&finding.limit) {
            format!(": {} ({})", finding.what, finding.number)
        } else {
            format!(
                ": {} ({}, limit {})",
                finding.what, finding.number, finding.limit
            )
        }
    });
    let sentence = match label {
        "passed" => "Passed: every threshold held, and the measurement is valid".to_owned(),
        "failed" => format!("Failed{because}"),
        "invalid" => format!("Invalid, the figures say nothing about the target{because}"),
        _ => format!("Interrupted by the operator, thresholds were not judged{because}"),
    };
    (label, sentence)
}

/// The generator's own share, always in view.
fn own_lag(results: &Results) -> String {
    let mode = match results.scenario.mode {
        Mode::Open => "Open model: arrivals followed the schedule, whatever the target did.",
        Mode::Closed => {
            "Closed model: each citizen waited for an answer before asking again, so a slow target was asked less. \
             The waits of people who would have arrived meanwhile are not in these figures."
        }
        Mode::Simulated => "Simulated in virtual time: a lower bound on tails.",
    };
    let lag = match (results.own_lag.quantile(0.99), results.own_lag.max_ns) {
        (Some(p99), max) => format!(
            " The generator's own lag: p99 {}, maximum {}.",
            quantity::duration(p99),
            quantity::duration(max)
        ),
        (None, _) => String::new(),
    };
    let struck: Vec<String> = results
        .verdict
        .iter()
        .flat_map(|verdict| &verdict.struck)
        .map(|figure| quantity::quantile(figure.quantile))
        .collect();
    let struck = if struck.is_empty() {
        String::new()
    } else {
        format!(" Struck out because of it: {}.", struck.join(", "))
    };
    let unknown = if validity::is_run_delay_unknown(results) {
        format!(" {}.", digest::RUN_DELAY_UNKNOWN)
    } else {
        String::new()
    };
    format!(
        "<p>{mode}{lag}{struck}{unknown}{}</p>\n",
        calibration(results)
    )
}

/// How far the simulator was from reality the last time it was compared.
fn calibration(results: &Results) -> String {
    let Some(simulation) = &results.simulation else {
        return String::new();
    };
    simulation.calibration.as_ref().map_or_else(
        || " Never calibrated against reality.".to_owned(),
        |calibration| {
            format!(
                " Last calibrated {} on {} at commit {} with {}: median ×{:.2}, p99 ×{:.2}, refused {:+.1} points, abandoned {:+.1} points.",
                escape(&calibration.date),
                escape(&calibration.machine),
                escape(&calibration.commit),
                escape(&calibration.scenario),
                calibration.median_ratio,
                calibration.p99_ratio,
                calibration.refused_points,
                calibration.abandoned_points
            ) + &calibration
                .replicas_difference_max
                .map_or_else(String::new, |most| format!(" Replicas {most:.0} apart at most."))
        },
    )
}

fn thresholds(results: &Results) -> String {
    let table = Table {
        caption: "Thresholds",
        heads: &["Threshold", "Held", "Found", "Why not"],
        rows: results
            .thresholds
            .iter()
            .map(|judged| {
                let held = if judged.held { "yes" } else { "no" };
                vec![
                    judged.threshold.clone(),
                    held.to_owned(),
                    judged.found.clone(),
                    judged.why.clone(),
                ]
            })
            .collect(),
    };
    format!("<div class=words>{}</div>", table.render())
}

/// The five ends, which add up to the schedule.
fn ends(results: &Results) -> String {
    let counts = &results.counts;
    let row = |name: &str, part: u64| {
        let share = counts
            .share(part)
            .map_or_else(String::new, quantity::percent);
        vec![name.to_owned(), quantity::count(part), share]
    };
    let mut rows = vec![
        row("scheduled", counts.scheduled),
        row("answered", counts.answered),
        row("failed", counts.failed),
        row("abandoned", counts.abandoned),
        row("unanswered", counts.unanswered),
        row("not sent", counts.not_sent),
    ];
    rows.push(vec![
        "largest response".to_owned(),
        digest::maximum(results),
        String::new(),
    ]);
    Table {
        caption: "How every scheduled request ended",
        heads: &["End", "Requests", "Share"],
        rows,
    }
    .render()
}

/// Tool, machine, scenario: what is needed to repeat it.
pub(super) fn origin(results: &Results) -> String {
    let mut pairs = asked(results);
    pairs.extend(used(results));
    let table = Table {
        caption: "What is needed to repeat this run",
        heads: &["What", "Value"],
        rows: pairs
            .into_iter()
            .map(|(name, value)| vec![name.to_owned(), value])
            .collect(),
    };
    section(
        "origin",
        "Where this came from",
        &format!("<div class=words>{}</div>", table.render()),
    )
}

/// What was asked for, and how far it was played.
fn asked(results: &Results) -> Vec<(&'static str, String)> {
    let scenario = &results.scenario;
    let ending = match &results.ending {
        Ending::Complete => "played to its end".to_owned(),
        Ending::Interrupted => "interrupted by the operator".to_owned(),
        Ending::Aborted(why) => format!("aborted: {why}"),
        Ending::Broken(why) => format!("broken: {why}"),
    };
    let played = quantity::seconds(results.duration_seconds);
    let warm_up = format!(
        "{}, {} requests",
        quantity::seconds(scenario.warm_up_seconds),
        quantity::count(results.warm_up.scheduled)
    );
    vec![
        ("scenario", scenario.name.clone()),
        ("SHA-256 of its text", scenario.sha256.clone()),
        ("seed", scenario.seed.to_string()),
        ("scale", scenario.scale.to_string()),
        ("target", scenario.target.clone()),
        ("started", results.started.clone()),
        ("schedule", quantity::seconds(scenario.planned_seconds)),
        ("played", format!("{played}, {ending}")),
        ("warm-up", warm_up),
        ("drain at most", quantity::seconds(scenario.drain_seconds)),
    ]
}

/// With what it was played.
fn used(results: &Results) -> Vec<(&'static str, String)> {
    let (tool, machine) = (&results.tool, &results.machine);
    let mut pairs = vec![
        (
            "tool",
            format!("{} {} ({})", tool.name, tool.version, tool.commit),
        ),
        (
            "processors",
            format!("{} × {}", machine.processors, machine.processor_model),
        ),
        (
            "pinned generator / target",
            format!(
                "{:?} / {:?}",
                machine.generator_processors, machine.target_processors
            ),
        ),
        ("memory", quantity::bytes(machine.memory_bytes)),
        ("kernel", machine.kernel.clone()),
        ("open files at most", quantity::count(machine.files_max)),
        ("body bytes sent", quantity::bytes(results.sent_bytes)),
        (
            "body bytes received",
            quantity::bytes(results.received_bytes),
        ),
    ];
    if let Some(known) = &results.connections {
        pairs.push(("connections allowed", allowed(known)));
        pairs.push((
            "connections",
            format!(
                "{} opened, at most {} at once, {} requests on a used one; TLS handshakes {} full, {} resumed",
                quantity::count(known.opened),
                quantity::count(known.open_max),
                quantity::count(known.reused),
                quantity::count(known.tls_full),
                quantity::count(known.tls_resumed)
            ),
        ));
    }
    pairs
}

/// How many connections there could have been, by whom, and who waited for that.
fn allowed(known: &Connections) -> String {
    if known.allowed == 0 {
        return "not known".to_owned();
    }
    let by = if known.is_limited_by_files {
        "by open files"
    } else {
        "by --connections"
    };
    format!(
        "{} {by}; {} requests waited for another's answer because of it",
        quantity::count(known.allowed),
        quantity::count(known.held_back)
    )
}
