//! What only the whole can show: a scenario whose parts are right and that still could not be played or judged.

use std::time::Duration;

use schleuse_config::yaml::Report;

use super::super::{Arrivals, Body, Scenario, Step, section::Section};
use crate::schedule::Phase;

/// Longest schedule: a leap year.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Notes what is wrong with `scenario`, which was read from `top`.
pub(super) fn check(top: &Section<'_, '_>, scenario: &Scenario, report: &mut Report) {
    let length = match &scenario.arrivals {
        Arrivals::Open { phases, .. } => open(top, phases, report),
        Arrivals::Closed { duration, .. } => *duration,
    };
    windows(top, scenario, length, report);
    names(top, scenario, report);
    bodies(top, scenario, report);
    holes(top, scenario, report);
    abort(top, scenario, report);
}

/// The length of the schedule; notes one that is endless, or in which nobody comes.
fn open(top: &Section<'_, '_>, phases: &[Phase], report: &mut Report) -> Duration {
    let place = top.place_of("arrivals");
    let nanoseconds = phases
        .iter()
        .fold(0_u64, |sum, phase| sum.saturating_add(phase.length()));
    let length = Duration::from_nanos(nanoseconds);
    if length > LONGEST {
        report.wrong(place, "arrivals", "is longer than a year", "shorten it");
    } else if !phases.is_empty() && phases.iter().all(|phase| phase.arrivals() <= 0.0) {
        let remedy = "write a rate above 0/s in one phase";
        report.wrong(place, "arrivals", "nobody comes", remedy);
    }
    length
}

/// A threshold over a part of the run that does not exist never has data.
fn windows(top: &Section<'_, '_>, scenario: &Scenario, length: Duration, report: &mut Report) {
    let written = top.places_of_items("thresholds");
    for (index, criterion) in scenario.thresholds.iter().enumerate() {
        let Some(window) = criterion.window else {
            continue;
        };
        let from = u64::try_from(window.from_seconds).unwrap_or_default();
        let (wrong, remedy) = if window
            .to_seconds
            .is_some_and(|to| to <= window.from_seconds)
        {
            ("its part of the run is empty", "write `until` a later time")
        } else if from >= length.as_secs().max(1) {
            let remedy = "count `after` from the end of the warm-up";
            ("begins after the last arrival", remedy)
        } else {
            continue;
        };
        let place = written.get(index).copied().unwrap_or(top.place);
        report.wrong(place, format!("thresholds[{index}]"), wrong, remedy);
    }
}

/// Reports tell journeys apart by their names alone.
fn names(top: &Section<'_, '_>, scenario: &Scenario, report: &mut Report) {
    let written = top.places_of_items("journeys");
    for (index, journey) in scenario.journeys.iter().enumerate() {
        let place = written.get(index).copied().unwrap_or(top.place);
        let at = format!("journeys[{index}]");
        let mut before = scenario.journeys.iter().take(index);
        if before.any(|other| other.name == journey.name) {
            let wrong = format!("there is a journey `{}` already", journey.name);
            report.wrong(place, format!("{at}.name"), wrong, "rename one of them");
        }
        if journey.come_back.is_some() && journey.patience.is_none() {
            let wrong = "is for those who left, and without patience nobody leaves";
            report.wrong(place, format!("{at}.come_back"), wrong, "add patience");
        }
    }
}

/// Without tenants `{tenant.ars}` would be nothing, and every citizen would ask for a path that nobody has.
fn holes(top: &Section<'_, '_>, scenario: &Scenario, report: &mut Report) {
    if !scenario.tenants.is_empty() || top.node("tenants").is_some() {
        return;
    }
    let written = top.places_of_items("journeys");
    for (index, journey) in scenario.journeys.iter().enumerate() {
        let asks = |text: &str| text.contains("{tenant}") || text.contains("{tenant.ars}");
        let uses = |step: &Step| {
            let in_body = matches!(&step.body, Body::Text(text) if asks(text));
            asks(&step.path) || in_body || step.headers.iter().any(|(_, value)| asks(value))
        };
        if let Some(number) = journey.steps.iter().position(uses) {
            let place = written.get(index).copied().unwrap_or(top.place);
            let at = format!("journeys[{index}].steps[{number}]");
            let wrong = "asks for a tenant, and there is none";
            report.wrong(place, at, wrong, "write `tenants: { register: official }`");
        }
    }
}

/// A condition that no second can judge would never end a run.
fn abort(top: &Section<'_, '_>, scenario: &Scenario, report: &mut Report) {
    let written = top.places_of_items("abort");
    for (index, condition) in scenario.abort.iter().enumerate() {
        if condition.class.is_none() && condition.metric.allows_window() {
            continue;
        }
        let place = written.get(index).copied().unwrap_or(top.place);
        report.wrong(
            place,
            format!("abort[{index}]"),
            "is known only when the run is over",
            "use a percentile, mean, failed, answered, abandoned or answered_per_second, of all tenants",
        );
    }
}

/// RFC 9110 §9.3.1, §9.3.2 and §9.3.5: such content has no meaning, and servers may refuse it as smuggling.
fn bodies(top: &Section<'_, '_>, scenario: &Scenario, report: &mut Report) {
    let written = top.places_of_items("journeys");
    for (index, journey) in scenario.journeys.iter().enumerate() {
        for (number, step) in journey.steps.iter().enumerate() {
            if step.body == Body::None || !matches!(step.method, "GET" | "HEAD" | "DELETE") {
                continue;
            }
            let place = written.get(index).copied().unwrap_or(top.place);
            let wrong = format!("has a body, which has no meaning with {}", step.method);
            let at = format!("journeys[{index}].steps[{number}]");
            report.wrong(place, at, wrong, "use post, put or patch");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read;
    use crate::{scenario::Arrivals, schedule::Phase};

    const SMALLEST: &str = "
target: http://127.0.0.1:8080
arrivals: { rate: 500/s, duration: 20s }
journeys:
  - name: one
    steps: [ { get: / } ]
thresholds: [ \"p99 < 500ms\" ]
";

    fn problems_with(from: &str, to: &str) -> String {
        assert!(SMALLEST.contains(from), "{from}");
        let text = SMALLEST.replace(from, to);
        read(Path::new("a.yaml"), &text).unwrap_err().to_string()
    }

    #[test]
    fn a_schedule_in_which_nobody_comes_or_that_never_ends_is_refused() {
        assert_eq!(
            problems_with("500/s", "0/s"),
            "a.yaml:3:11: arrivals: nobody comes; write a rate above 0/s in one phase"
        );
        assert!(problems_with("20s", "99999h").contains("longer than a year"));
    }

    #[test]
    fn a_length_that_is_said_twice_is_refused() {
        assert!(problems_with("500/s,", "500/s over 9s,").contains("in `duration` as well"));
    }

    #[test]
    fn a_threshold_over_a_part_that_does_not_exist_is_refused() {
        let late = problems_with("500ms", "500ms after 20s");
        assert!(
            late.starts_with("a.yaml:7:15: thresholds[0]: begins after the last"),
            "{late}"
        );
        let empty = problems_with("500ms", "500ms after 9s until 9s");
        assert!(empty.contains("its part of the run is empty"), "{empty}");
    }

    #[test]
    fn journeys_that_reports_could_not_tell_apart_are_refused() {
        let twice = "  - name: one\n    steps: [ { get: / } ]\n";
        let problems = problems_with(twice, &twice.repeat(2));
        assert!(
            problems.contains("journeys[1].name: there is a journey `one` already"),
            "{problems}"
        );
    }

    #[test]
    fn coming_back_without_ever_leaving_is_refused() {
        let problems = problems_with("name: one", "come_back: { after: 1s }\n    name: one");
        assert!(
            problems.contains("without patience nobody leaves"),
            "{problems}"
        );
    }

    #[test]
    fn a_body_where_it_has_no_meaning_is_refused() {
        let problems = problems_with("get: /", "get: /, body: x");
        assert!(
            problems.contains("journeys[0].steps[0]: has a body"),
            "{problems}"
        );
    }

    #[test]
    fn a_path_with_an_unknown_hole_or_a_fragment_is_refused() {
        assert!(
            problems_with("get: /", "get: '/{tenantt}'").contains("has a hole that nothing fills")
        );
        assert!(problems_with("get: /", "get: '/a#b'").contains("has a fragment"));
        let text = SMALLEST.replace("get: /", "get: '/{citizen}'");
        assert!(read(Path::new("a.yaml"), &text).is_ok());
    }

    #[test]
    fn a_hole_for_a_tenant_needs_tenants_and_the_official_register_is_at_hand() {
        assert!(problems_with("get: /", "get: '/{tenant.ars}/a'").contains("register: official"),);
        let text = SMALLEST.replace("get: /", "get: '/{tenant.ars}/a'");
        let scenario = read(
            Path::new("a.yaml"),
            &format!("{text}tenants: {{ register: official }}\n"),
        )
        .unwrap();
        assert!(
            scenario.tenants.len() > 10_700,
            "{}",
            scenario.tenants.len()
        );
    }

    #[test]
    fn a_condition_to_abort_that_no_second_can_judge_is_refused() {
        for condition in [
            "jain > 0.9",
            "small: failed < 5%",
            "service_p99 < 1s",
            "timeout < 1%",
        ] {
            let text = format!("{SMALLEST}abort: [ \"{condition}\" ]\n");
            let problems = read(Path::new("a.yaml"), &text).unwrap_err().to_string();
            assert!(
                problems.starts_with("a.yaml:8:10: abort[0]: is known only when"),
                "{problems}"
            );
        }
        let text = format!("{SMALLEST}abort: [ \"failed < 50% after 10s\", \"p99 < 9s\" ]\n");
        assert!(read(Path::new("a.yaml"), &text).is_ok());
    }

    #[test]
    fn a_line_of_counts_that_is_no_count_is_told_by_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let text = SMALLEST.replace("rate: 500/s, duration: 20s", "csv: c.csv");
        std::fs::write(at("c.csv"), "time,count\n8:00,5\n\n8:01,x\n").unwrap();
        let problems = read(&at("a.yaml"), &text).unwrap_err().to_string();
        assert!(
            problems.contains("c.csv:4: `8:01,x` ends in no whole number"),
            "{problems}"
        );
        std::fs::write(at("c.csv"), "time,count\n8:00,5\n\n8:01,7\n").unwrap();
        assert!(read(&at("a.yaml"), &text).is_ok());
    }

    /// Eijebong/Archipelago-lobby#134: files with a byte order mark failed; here a count of arrivals would be lost.
    #[test]
    fn p22_marks_and_line_ends_of_windows_lose_no_count_and_no_tenant() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("c.csv"), "\u{feff}5\r\n7").unwrap();
        std::fs::write(at("w.csv"), "\u{feff}tenant,weight\r\n00544,1\r\nulm,2").unwrap();
        let text = SMALLEST.replace("rate: 500/s, duration: 20s", "csv: c.csv");
        let text = format!("\u{feff}{text}tenants: {{ weights: w.csv }}\n").replace('\n', "\r\n");
        let scenario = read(&at("a.yaml"), &text).unwrap();
        let Arrivals::Open { phases, .. } = &scenario.arrivals else {
            panic!("{:?}", scenario.arrivals)
        };
        let counts: Vec<f64> = phases.iter().map(Phase::arrivals).collect();
        assert_eq!(counts, [5.0, 7.0]);
        let keys: Vec<&str> = scenario
            .tenants
            .iter()
            .map(|tenant| tenant.key.as_str())
            .collect();
        assert_eq!(keys, ["00544", "ulm"]);
    }

    /// home-assistant/core#12787: an unquoted ZIP code became an octal number.
    #[test]
    fn p21_the_key_of_a_noisy_tenant_is_taken_digit_for_digit_also_without_quotes() {
        let noisy =
            "tenants: { register: official, noisy: { tenant: 010010000000, factor: 10 } }\n";
        let scenario = read(Path::new("a.yaml"), &format!("{SMALLEST}{noisy}")).unwrap();
        let flensburg = scenario
            .tenants
            .iter()
            .find(|tenant| tenant.key == "010010000000");
        let flensburg = flensburg.unwrap();
        assert!((flensburg.weight / flensburg.entitlement - 10.0).abs() < 1e-9);
    }

    /// traefik/traefik#1398: a number without unit was read as nanoseconds.
    #[test]
    fn p23_times_rates_and_limits_without_unit_are_refused() {
        for (from, to) in [
            ("20s", "20"),
            ("500/s", "500"),
            ("p99 < 500ms", "p99 < 500"),
            ("p99 < 500ms", "failed < 5"),
            ("p99 < 500ms", "p99 < 500ms after 5"),
        ] {
            assert!(!problems_with(from, to).is_empty());
        }
    }

    #[test]
    fn a_tenant_whose_key_cannot_be_sent_or_stands_twice_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let text = SMALLEST.replace("journeys:", "tenants: { weights: w.csv }\njourneys:");
        let problems = |rows: &str| {
            std::fs::write(at("w.csv"), format!("tenant,weight\n{rows}")).unwrap();
            read(&at("a.yaml"), &text).unwrap_err().to_string()
        };
        assert!(problems("a b,1\n").contains("w.csv:2: `a b` cannot stand in a request"));
        assert!(problems("a,1\na,2\n").contains("w.csv:3: `a` stands twice"));
        assert!(problems("a,0\n").contains("gives nobody a weight above 0"));
    }
}
