//! Pages for `compare` and `capacity`: the answer, the table, and for a capacity its curve.

use crate::{
    capacity::{self, Capacity, Purpose, Step},
    compare::{self, Comparison, Measure},
    report::quantity,
    results::Outcome,
};

use super::{
    markup::{Table, escape, section},
    page,
    plot::{Axis, Plot},
    scale::{Scale, count_label, duration_label},
};

/// A comparison as a page.
pub fn render_comparison(comparison: &Comparison) -> String {
    let table = Table {
        caption: "A against B",
        heads: &compare::HEADS,
        rows: comparison
            .measured
            .iter()
            .map(|measured| measured.cells().to_vec())
            .collect(),
    };
    let doubts: String = comparison
        .doubts
        .iter()
        .map(|doubt| escape(doubt))
        .collect::<Vec<_>>()
        .join("; ");
    let doubts = if doubts.is_empty() {
        String::new()
    } else {
        format!("<p>Doubts: {doubts}.</p>\n")
    };
    let class = if comparison.interrupted_of.is_some() {
        "interrupted"
    } else {
        "passed"
    };
    let body = format!(
        "<div class=\"verdict {class}\"><h1>{}</h1></div>\n<p>{}</p>\n{doubts}{}{}{}",
        escape(&comparison.sentence()),
        escape(&compare::basis(comparison)),
        section("measures", "Measures", &table.render()),
        rounds(comparison),
        provenance(comparison),
    );
    page(&format!("{} against {}", comparison.a, comparison.b), &body)
}

/// The deciding measure round by round: whether the difference is one of all rounds or of one.
#[expect(clippy::cast_precision_loss, reason = "drawn")]
fn rounds(comparison: &Comparison) -> String {
    let Some(measured) = comparison.measured.first() else {
        return String::new();
    };
    let measure = measured.measure;
    let points = |side: fn(&(f64, f64)) -> f64| -> Vec<(f64, f64)> {
        let numbered = measured.pairs.iter().enumerate();
        numbered
            .map(|(round, pair)| (round as f64 + 1.0, side(pair)))
            .collect()
    };
    let (a, b) = (points(|pair| pair.0), points(|pair| pair.1));
    let largest = a.iter().chain(&b).map(|point| point.1).fold(0.0, f64::max);
    let label = measure.label();
    let mut plot = Plot::new(
        "plot-rounds",
        260.0,
        Axis {
            scale: Scale::between(1.0, measured.pairs.len() as f64),
            name: if comparison.is_of_saved {
                "stretch"
            } else {
                "round"
            },
            label: count_label,
        },
        Axis {
            scale: Scale::from_zero(largest),
            name: &label,
            label: match measure {
                Measure::Response(_) | Measure::Service(_) => {
                    |seconds| duration_label(seconds * 1e9)
                }
                Measure::AnsweredPerSecond => count_label,
                Measure::FailedShare => quantity::percent,
            },
        },
    );
    plot.line(&comparison.a, "a", &a);
    plot.line(&comparison.b, "b", &b);
    let plot = plot.render(&format!("{label} by round"), &comparison.sentence());
    let table = Table {
        caption: "The deciding measure by round",
        heads: &["Round", "A", "B", "A against B"],
        rows: (1..)
            .zip(&measured.pairs)
            .map(|(round, (a, b))| {
                let difference = measure.difference(*a, *b);
                vec![
                    format!("{round}"),
                    measure.value(*a),
                    measure.value(*b),
                    difference.map_or_else(|| "–".to_owned(), |found| measure.change(found)),
                ]
            })
            .collect(),
    };
    section(
        "rounds",
        "Round by round",
        &format!("{plot}{}", table.render()),
    )
}

fn provenance(comparison: &Comparison) -> String {
    let Some(known) = &comparison.provenance else {
        return String::new();
    };
    let (tool, machine, scenario) = (&known.tool, &known.machine, &known.scenario);
    let pinned: Vec<String> = machine
        .generator_processors
        .iter()
        .map(ToString::to_string)
        .collect();
    let pairs = [
        ("scenario", scenario.name.clone()),
        ("SHA-256 of its text", scenario.sha256.clone()),
        ("first seed", scenario.seed.to_string()),
        ("requests in a run", quantity::count(known.scheduled)),
        ("schedule", quantity::seconds(scenario.planned_seconds)),
        ("warm-up", quantity::seconds(scenario.warm_up_seconds)),
        ("started", known.started.clone()),
        (
            "tool",
            format!("{} {} ({})", tool.name, tool.version, tool.commit),
        ),
        (
            "processors",
            format!("{} × {}", machine.processors, machine.processor_model),
        ),
        (
            "generator pinned to",
            if pinned.is_empty() {
                "–".to_owned()
            } else {
                pinned.join(", ")
            },
        ),
        ("kernel", machine.kernel.clone()),
    ];
    let table = Table {
        caption: "What is needed to repeat this comparison",
        heads: &["What", "Value"],
        rows: pairs
            .into_iter()
            .map(|(name, value)| vec![name.to_owned(), value])
            .collect(),
    };
    let inside = format!("<div class=words>{}</div>", table.render());
    section("origin", "Where this came from", &inside)
}

/// A capacity as a page.
pub fn render_capacity(found: &Capacity) -> String {
    let mut steps: Vec<&Step> = found
        .steps
        .iter()
        .filter(|step| step.purpose != Purpose::Rest)
        .collect();
    steps.sort_by(|left, right| left.rate_per_second.total_cmp(&right.rate_per_second));
    let table = Table {
        caption: "Every step, in order of rate",
        heads: &["Offered", "Answered", "Failed", "Median", "p99", "Judged"],
        rows: steps.iter().map(|step| row(step)).collect(),
    };
    let label = if found.answer.exit_code() == 0 {
        "passed"
    } else {
        "failed"
    };
    let answer = capacity::sentence(&found.answer);
    let body = format!(
        "<div class=\"verdict {label}\"><h1>{}</h1></div>\n{}",
        escape(&answer),
        section(
            "curve",
            "Response by rate",
            &format!("{}{}", curve(&steps, &answer), table.render())
        )
    );
    page(&answer, &body)
}

fn row(step: &Step) -> Vec<String> {
    let optional = |ns: Option<u64>, bound| {
        ns.map_or_else(|| "–".to_owned(), |ns| quantity::bounded(ns, bound))
    };
    vec![
        quantity::rate(step.rate_per_second),
        quantity::rate(step.answered_per_second),
        quantity::percent(step.failed_share),
        optional(step.p50_ns, false),
        optional(step.p99_ns, step.p99_is_bound),
        step.outcome.label().to_owned(),
    ]
}

/// p99 over the rate, steps that passed apart from those that did not; empty when no step has a p99.
#[expect(clippy::cast_precision_loss, reason = "drawn")]
fn curve(steps: &[&Step], answer: &str) -> String {
    let points = |passed: bool| -> Vec<(f64, f64)> {
        steps
            .iter()
            .filter(|step| (step.outcome == Outcome::Passed) == passed)
            .filter_map(|step| Some((step.rate_per_second, step.p99_ns? as f64)))
            .collect()
    };
    let (passed, failed) = (points(true), points(false));
    let all = || passed.iter().chain(&failed);
    if all().next().is_none() {
        return String::new();
    }
    let largest = |value: fn(&(f64, f64)) -> f64| all().map(value).fold(0.0, f64::max);
    let smallest = all().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let mut plot = Plot::new(
        "plot-capacity",
        300.0,
        Axis {
            scale: Scale::from_zero(largest(|point| point.0)),
            name: "offered per second",
            label: count_label,
        },
        Axis {
            scale: Scale::decades(smallest, largest(|point| point.1)),
            name: "p99",
            label: duration_label,
        },
    );
    plot.line("passed", "a", &passed);
    plot.line("failed", "b", &failed);
    plot.render("p99 of the response by rate", answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rate_per_second: f64, outcome: Outcome) -> Step {
        Step {
            purpose: Purpose::Double,
            rate_per_second,
            outcome,
            answered_per_second: rate_per_second,
            failed_share: 0.0,
            p50_ns: Some(1_000_000),
            p99_ns: Some(9_000_000),
            p99_is_bound: false,
        }
    }

    #[test]
    fn a_capacity_has_its_answer_first_its_curve_and_its_table() {
        let page = render_capacity(&Capacity {
            answer: capacity::Answer::Bears {
                rate_per_second: 800.0,
                fails_at_per_second: 840.0,
            },
            steps: vec![step(800.0, Outcome::Passed), step(840.0, Outcome::Failed)],
        });
        assert!(page.contains("<h1>capacity 800/s"));
        assert!(page.contains("role=\"img\"") && page.contains("<caption>Every step"));
    }

    #[test]
    fn a_comparison_escapes_the_names_of_its_sides() {
        let comparison = Comparison {
            a: "<a>".to_owned(),
            b: "b".to_owned(),
            rounds: 10,
            repeated: 0,
            is_of_saved: false,
            doubts: vec!["x < y".to_owned()],
            provenance: None,
            interrupted_of: None,
            measured: compare::Measured::from_pairs(
                Measure::FailedShare,
                &[(0.1, 0.1), (0.1, 0.2), (0.2, 0.1)],
                (false, false),
                1,
            )
            .into_iter()
            .collect(),
        };
        let page = render_comparison(&comparison);
        assert!(!page.contains("<a>") && page.contains("x &lt; y"));
        assert!(page.contains("no difference shown"));
        assert!(page.contains("<caption>The deciding measure by round"));
    }
}
