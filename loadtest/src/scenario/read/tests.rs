//! What is read, and that everything wrong is said at once.

use super::*;
use crate::{
    distribution::Distribution,
    scenario::Body,
    verdict::{Limit, Metric},
};

const SMALLEST: &str = "
target: http://127.0.0.1:8080
arrivals: { rate: 500/s, duration: 20s, spacing: poisson }
journeys:
  - name: one
    steps: [ { get: / } ]
thresholds: [ \"p99 < 500ms\", \"failed < 0.1%\" ]
";

fn good(text: &str) -> Scenario {
    read(Path::new("dir/one.yaml"), text).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let problems = read(Path::new("s.yaml"), text).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_smallest_scenario_is_what_it_says() {
    let scenario = good(SMALLEST);
    assert_eq!((scenario.name.as_str(), scenario.seed), ("one", 1));
    assert_eq!(scenario.target.url(), "http://127.0.0.1:8080");
    let phases = vec![Phase::constant(500.0, Duration::from_secs(20))];
    let spacing = Spacing::Poisson;
    assert_eq!(scenario.arrivals, Arrivals::Open { phases, spacing });
    assert_eq!(scenario.thresholds[1].metric, Metric::Failed);
    assert_eq!(scenario.thresholds[0].limit, Limit::Below(0.5));
}

#[test]
fn a_form_an_upload_and_a_body_become_what_a_browser_would_send() {
    let scenario = good(
        "
target: { url: \"https://a.example\", connect_to: \"[::1]:8443\", http_version: \"2\" }
arrivals: [ { rate: 0/s..100/s over 60s }, { rate: 100/s, duration: 1m } ]
journeys:
  - patience: exponential 30s
    come_back: { after: 20s, share: 50% }
    steps:
      - { post: /a, form: { name: Jörg Ä, id: \"{citizen}\" }, think: 2s }
      - { put: /b, upload: 2MiB, expect: [201] }
",
    );
    let journey = &scenario.journeys[0];
    assert_eq!(journey.name, "journey 1");
    assert_eq!(
        journey.patience,
        Some(Distribution::Exponential(Duration::from_secs(30)))
    );
    let form = Body::Text("name=J%C3%B6rg+%C3%84&id={citizen}".to_owned());
    assert_eq!(journey.steps[0].body, form);
    assert_eq!(journey.steps[1].body, Body::Size(2 << 20));
    assert_eq!(journey.steps[1].expect, [201]);
    assert_eq!(scenario.target.connect_to, Some(("::1".to_owned(), 8443)));
    assert!(scenario.target.http2 && scenario.target.tls);
    // What is implied is the verdict's matter.
    assert!(scenario.thresholds.is_empty());
}

#[test]
fn every_problem_is_said_at_once_with_place_and_remedy() {
    let found = problems(
        "
target: ftp://x
arivals: { rate: 1/s }
arrivals: { rate: fast, duration: 0s }
journeys:
  - steps:
      - { gett: / }
      - { get: none, body: a, upload: 1MiB }
thresholds: [ \"p99 < 5\", \"faild < 1%\" ]
",
    );
    for expected in [
        "s.yaml:2:9: target: `ftp://x` is not the URL of a target",
        "s.yaml:3:1: arivals: unknown key; did you mean `arrivals`?",
        "arrivals.rate:",
        "journeys[0].steps[0].gett: unknown key; did you mean `get`?",
        "journeys[0].steps[0]: asks for nothing",
        "journeys[0].steps[1].get: `none` is not a path",
        "`body`, `form` and `upload` exclude each other",
        "thresholds[0]:",
        "thresholds[1]: `faild` is no metric; did you mean `failed`?",
    ] {
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{expected}\n{found:#?}"
        );
    }
}

#[test]
fn what_excludes_each_other_or_lasts_no_time_is_a_problem() {
    let with = |arrivals: &str| {
        problems(&format!(
            "target: http://a\narrivals: {arrivals}\njourneys: [{{ steps: [{{ get: / }}] }}]\n"
        ))
    };
    assert!(with("{ rate: 1/s, citizens: 3, duration: 1s }")[0].contains("exclude each other"));
    assert!(with("{ rate: 1/s, duration: 0s }")[0].contains("lasts no time"));
    assert!(with("[ { citizens: 3, duration: 1s } ]")[0].contains("closed model"));
    assert!(with("[]")[0].contains("is empty"));
    assert!(with("{ csv: nowhere.csv }")[0].contains("cannot be read"));
    assert!(with("{ duration: 1s }")[0].contains("`rate` is missing"));
}

#[test]
fn no_text_makes_the_reader_panic() {
    for text in [
        "",
        "- 1",
        "target",
        "{",
        "a: &a [*a]",
        "target: { url: }",
        "journeys: [ 1 ]",
    ] {
        assert!(read(Path::new("s.yaml"), text).is_err(), "{text}");
    }
}

#[test]
fn recorded_counts_and_a_noisy_tenant_come_from_files_beside_the_scenario() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    file("day.csv", "time,count\n08:00,3\n08:01,5\n");
    file("weights.csv", "tenant,weight\na,1\nb,3\n");
    let text = "
target: http://a
arrivals: { csv: day.csv, interval: 1m, spacing: even }
tenants: { weights: weights.csv, noisy: { tenant: b, factor: 100 } }
journeys: [ { steps: [ { get: / } ] } ]
";
    let scenario = read(&directory.path().join("s.yaml"), text).unwrap();
    let Arrivals::Open { phases, .. } = &scenario.arrivals else {
        panic!("closed");
    };
    let counts: Vec<f64> = phases.iter().map(Phase::arrivals).collect();
    assert!((counts[0] - 3.0).abs() < 1e-9 && (counts[1] - 5.0).abs() < 1e-9);
    let noisy = &scenario.tenants[1];
    assert!((noisy.weight - 300.0).abs() < 1e-9 && (noisy.entitlement - 3.0).abs() < 1e-9);
}

#[test]
fn fields_of_the_connection_are_none_of_the_scenarios() {
    for name in [
        "Connection",
        "Keep-Alive",
        "TE",
        "Upgrade",
        "Content-Length",
    ] {
        let found = problems(&format!(
            "target: http://a\narrivals: {{ rate: 1/s, duration: 1s }}\n\
             journeys: [{{ steps: [{{ get: /, headers: {{ {name}: x }} }}] }}]\n"
        ));
        assert!(
            found[0].contains("set by the generator itself"),
            "{found:?}"
        );
    }
}
