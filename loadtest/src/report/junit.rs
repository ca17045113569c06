//! `JUnit` XML as CI systems read it: one test case per threshold, and one for the validity of the run.
//!
//! An invalid run is an error (the test could not be made), a threshold that did not hold is a failure; thresholds of an
//! interrupted run are skipped.

use std::fmt::Write;

use crate::results::{Judged, Outcome, Results};

/// The XML text; thresholds as judged by [`crate::verdict::judge`].
pub fn render(results: &Results) -> String {
    let outcome = results.verdict.as_ref().map(|verdict| verdict.outcome);
    let failures = match outcome {
        Some(Outcome::Interrupted) | None => 0,
        Some(_) => results.thresholds.iter().filter(|t| !t.held).count(),
    };
    let skipped = match outcome {
        Some(Outcome::Interrupted) => results.thresholds.len() + 1,
        _ => 0,
    };
    let errors = usize::from(outcome == Some(Outcome::Invalid));
    let name = escape(&results.scenario.name);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write!(
        text,
        "<testsuites>\n<testsuite name=\"launchday {name}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"{skipped}\" time=\"{:.3}\" timestamp=\"{}\">\n",
        results.thresholds.len() + 1,
        results.duration_seconds,
        escape(results.started.trim_end_matches('Z')),
    )
    .unwrap_or_default();
    text.push_str(&validity(results, &name));
    for judged in &results.thresholds {
        text.push_str(&threshold(judged, &name, outcome));
    }
    text.push_str("</testsuite>\n</testsuites>\n");
    text
}

/// The case that fails when the run says nothing about the target, or says that nothing was answered.
fn validity(results: &Results, class: &str) -> String {
    let inside = match &results.verdict {
        Some(verdict) if verdict.outcome == Outcome::Invalid => {
            let reasons: Vec<String> = verdict
                .findings
                .iter()
                .map(|finding| {
                    format!(
                        "{}: {} (limit {}); {}",
                        finding.what, finding.number, finding.limit, finding.remedy
                    )
                })
                .collect();
            format!("<error message=\"{}\"/>", escape(&reasons.join("\n")))
        }
        Some(verdict) if verdict.outcome == Outcome::Interrupted => {
            "<skipped message=\"interrupted by the operator\"/>".to_owned()
        }
        _ => String::new(),
    };
    format!("<testcase classname=\"{class}\" name=\"the run is valid\">{inside}</testcase>\n")
}

fn threshold(judged: &Judged, class: &str, outcome: Option<Outcome>) -> String {
    let inside = if outcome == Some(Outcome::Interrupted) {
        "<skipped message=\"interrupted by the operator\"/>".to_owned()
    } else if judged.held {
        format!("<system-out>{}</system-out>", escape(&judged.found))
    } else {
        format!(
            "<failure message=\"{}\">found {}</failure>",
            escape(&judged.why),
            escape(&judged.found)
        )
    };
    format!(
        "<testcase classname=\"{class}\" name=\"{}\">{inside}</testcase>\n",
        escape(&judged.threshold)
    )
}

/// For attributes and text. Characters that XML 1.0 cannot hold at all (2.2) become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' | '\r' => escaped.push(' '),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use crate::{
        results::fixture::{Fate, play},
        verdict::{Criterion, Limit, Metric, judge},
    };

    use super::*;

    fn p99(seconds: f64) -> Criterion {
        Criterion {
            text: format!("p99 < {seconds}s & \"more\""),
            metric: Metric::Response(0.99),
            class: None,
            window: None,
            limit: Limit::Below(seconds),
        }
    }

    #[test]
    fn each_threshold_is_a_test_and_a_broken_one_a_failure() {
        let mut results = play(5, 1_000, &[], |_, _| Fate::After(50_000_000));
        judge(&mut results, &[p99(1.0), p99(0.01)]);
        let xml = render(&results);
        assert!(
            xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"0\""),
            "{xml}"
        );
        assert!(
            xml.contains("p99 &lt; 0.01s &amp; &quot;more&quot;"),
            "{xml}"
        );
    }

    #[test]
    fn an_invalid_run_is_an_error_with_its_reasons() {
        let mut results = play(5, 1_000, &[], |_, _| Fate::After(50_000_000));
        results.workers[0].run_delay_ns = results.workers[0].wall_ns;
        judge(&mut results, &[p99(1.0)]);
        let xml = render(&results);
        assert!(
            xml.contains("errors=\"1\"") && xml.contains("--cpus"),
            "{xml}"
        );
    }

    #[test]
    fn characters_that_xml_cannot_hold_do_not_break_it() {
        assert_eq!(escape("a\u{1}b<\n"), "a\u{fffd}b&lt;&#10;");
    }
}
