//! `JUnit` XML as CI systems read it: one test case per threshold, one for the validity of the run, and one for what no
//! threshold asks: that the target answered, and that the run was not aborted. So the file is green exactly when the run passed.
//!
//! An invalid run, or one that was never judged, is an error (the test could not be made), a threshold that did not hold is a
//! failure; thresholds of an interrupted run are skipped.

use std::fmt::Write;

use crate::{
    results::{Finding, Judged, Outcome, Results},
    verdict::shortfalls,
};

const SKIPPED: &str = "<skipped message=\"interrupted by the operator\"/>";

/// The XML text; thresholds as judged by [`crate::verdict::judge`].
pub fn render(results: &Results) -> String {
    let outcome = results.verdict.as_ref().map(|verdict| verdict.outcome);
    let name = escape(&results.scenario.name);
    let mut cases = vec![
        case(&name, "the run is valid", &validity(results)),
        case(
            &name,
            "the target answered, and the run was not aborted",
            &completion(results, outcome),
        ),
    ];
    for judged in &results.thresholds {
        let inside = threshold(judged, outcome);
        cases.push(case(&name, &judged.threshold, &inside));
    }
    let with = |element: &str| cases.iter().filter(|case| case.contains(element)).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write!(
        text,
        "<testsuites>\n<testsuite name=\"launchday {name}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" \
         skipped=\"{}\" time=\"{:.3}\" timestamp=\"{}\">\n",
        cases.len(),
        with("<failure "),
        with("<error "),
        with("<skipped "),
        results.duration_seconds,
        escape(results.started.trim_end_matches('Z')),
    )
    .unwrap_or_default();
    text.extend(cases);
    text.push_str("</testsuite>\n</testsuites>\n");
    text
}

fn case(class: &str, name: &str, inside: &str) -> String {
    let name = escape(name);
    format!("<testcase classname=\"{class}\" name=\"{name}\">{inside}</testcase>\n")
}

/// An error when the run says nothing about the target.
fn validity(results: &Results) -> String {
    match &results.verdict {
        None => "<error message=\"the run was not judged\"/>".to_owned(),
        Some(verdict) if verdict.outcome == Outcome::Invalid => {
            format!("<error message=\"{}\"/>", escape(&words(&verdict.findings)))
        }
        Some(verdict) if verdict.outcome == Outcome::Interrupted => SKIPPED.to_owned(),
        Some(_) => String::new(),
    }
}

/// A failure when the run failed for a reason that no threshold tells.
fn completion(results: &Results, outcome: Option<Outcome>) -> String {
    if outcome == Some(Outcome::Interrupted) {
        return SKIPPED.to_owned();
    }
    let findings = shortfalls(results);
    if findings.is_empty() {
        return String::new();
    }
    format!("<failure message=\"{}\"/>", escape(&words(&findings)))
}

fn words(findings: &[Finding]) -> String {
    let each = |finding: &Finding| {
        format!(
            "{}: {} (limit {}); {}",
            finding.what, finding.number, finding.limit, finding.remedy
        )
    };
    findings.iter().map(each).collect::<Vec<_>>().join("\n")
}

fn threshold(judged: &Judged, outcome: Option<Outcome>) -> String {
    if outcome == Some(Outcome::Interrupted) {
        SKIPPED.to_owned()
    } else if judged.held {
        format!("<system-out>{}</system-out>", escape(&judged.found))
    } else {
        format!(
            "<failure message=\"{}\">found {}</failure>",
            escape(&judged.why),
            escape(&judged.found)
        )
    }
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
        results::{
            Ending, Reason,
            fixture::{Fate, play},
        },
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
            xml.contains("tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"0\""),
            "{xml}"
        );
        assert!(
            xml.contains("p99 &lt; 0.01s &amp; &quot;more&quot;"),
            "{xml}"
        );
    }

    /// A pipeline that reads this file and not the exit code must see the same.
    #[test]
    fn the_file_is_green_exactly_when_the_run_passed() {
        let abandoned = Criterion {
            text: "abandoned < 50%".to_owned(),
            metric: Metric::Abandoned,
            limit: Limit::Below(0.5),
            ..p99(1.0)
        };
        let may_fail = Criterion {
            text: "failed <= 100%".to_owned(),
            metric: Metric::Failed,
            limit: Limit::AtMost(1.0),
            ..p99(1.0)
        };
        let alive = play(5, 1_000, &[], |_, _| Fate::After(50_000_000));
        let dead = play(5, 100, &[], |_, _| Fate::Fails(Reason::ConnectRefused));
        let mut aborted = alive.clone();
        aborted.ending = Ending::Aborted("failed > 50%".to_owned());
        let mut disturbed = alive.clone();
        disturbed.workers[0].run_delay_ns = Some(disturbed.workers[0].wall_ns);
        for (mut results, passes) in [
            (alive, true),
            (dead, false),
            (aborted, false),
            (disturbed, false),
        ] {
            judge(&mut results, &[abandoned.clone(), may_fail.clone()]);
            assert_eq!(results.verdict.as_ref().unwrap().ok, passes);
            let xml = render(&results);
            let is_green = xml.contains("failures=\"0\" errors=\"0\" skipped=\"0\"");
            assert_eq!(is_green, passes, "{xml}");
            assert_eq!(
                is_green,
                !xml.contains("<failure") && !xml.contains("<error")
            );
        }
    }

    #[test]
    fn a_run_that_was_never_judged_is_an_error() {
        let xml = render(&play(5, 1_000, &[], |_, _| Fate::After(50_000_000)));
        assert!(xml.contains("errors=\"1\""), "{xml}");
    }

    #[test]
    fn an_invalid_run_is_an_error_with_its_reasons() {
        let mut results = play(5, 1_000, &[], |_, _| Fate::After(50_000_000));
        results.workers[0].run_delay_ns = Some(results.workers[0].wall_ns);
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
