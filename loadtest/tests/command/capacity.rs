//! `launchday capacity` over real sockets, against an origin whose limit is known.

use std::time::Duration;

use launchday::{
    distribution::Distribution,
    origin::{Settings, start},
};

use super::{json, launchday, nobody, scenario};

/// Ten seats of 100 ms each are worth 100 a second, however fast this machine is; on a slow one they are worth less.
const SEATS: u32 = 10;
const WAITING_MAX: u32 = 10;

#[test]
fn nothing_passes_above_what_the_seats_are_worth_and_the_answer_is_proven() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let origin = start(&Settings {
        concurrency: SEATS as usize,
        waiting_max: WAITING_MAX as usize,
        service: Distribution::Fixed(Duration::from_millis(100)),
        ..Settings::default()
    })
    .unwrap();
    scenario(
        directory,
        "{ rate: 1/s, duration: 1s, spacing: even }",
        "thresholds: [ \"failed < 5%\" ]",
    );
    let said = launchday(
        directory,
        &[
            "capacity",
            "scenario.yaml",
            &format!("--target=http://{}", origin.address),
            "--start=80/s",
            "--max=200/s",
            "--step=1s",
            "--json=found.json",
            "--html=found.html",
        ],
    );
    assert!([0, 1, 3].contains(&said.code), "{}{}", said.out, said.err);
    let found = json(&directory.join("found.json"));
    let steps = found["steps"].as_array().unwrap();
    // In a step of a second the seats answer a hundred, and then whoever sits or waits.
    let answers_max = f64::from(100 + SEATS + WAITING_MAX);
    for step in steps.iter().filter(|step| step["outcome"] == "passed") {
        let rate = step["rate_per_second"].as_f64().unwrap();
        assert!(rate * 0.95 <= answers_max + 1.0, "{step}");
    }
    if said.code == 0 {
        let answer = &found["answer"]["bears"];
        let times = |rate: &serde_json::Value, outcome: &str| {
            let of = |step: &&serde_json::Value| {
                &step["rate_per_second"] == rate && step["outcome"] == outcome
            };
            steps.iter().filter(of).count()
        };
        assert!(times(&answer["rate_per_second"], "passed") >= 3, "{found}");
        assert!(
            times(&answer["fails_at_per_second"], "failed") >= 3,
            "{found}"
        );
        assert!(said.out.contains("passed 3 of 3 there"), "{}", said.out);
    }
    // The curve: a line for each step but those of rest.
    assert!(said.out.contains("offered"), "{}", said.out);
    let page = std::fs::read_to_string(directory.join("found.html")).unwrap();
    assert!(page.contains("<caption>Every step"));
}

#[test]
fn what_a_search_sets_itself_or_cannot_play_is_refused_and_not_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let url = format!("http://{}", nobody());
    for flag in ["--scale=2", "--window=1s..2s", "-q=9/s", "-z=3s"] {
        let said = launchday(directory, &["capacity", &url, flag]);
        assert_eq!(said.code, 2, "{flag}: {}{}", said.out, said.err);
        assert!(said.err.contains("unexpected argument"), "{}", said.err);
    }
    scenario(directory, "{ citizens: 10, duration: 5s }", "");
    let said = launchday(directory, &["capacity", "scenario.yaml"]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("a closed model"), "{}", said.err);
}

#[test]
fn where_nobody_listens_the_search_ends_after_one_step() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("http://{}", nobody());
    let said = launchday(directory.path(), &["capacity", &url, "--step=1s"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("not even that passed"), "{}", said.out);
    assert!(
        said.err
            .contains("each step must hold: p99 < 1s, failed < 1% (implied)"),
        "{}",
        said.err
    );
    assert_eq!(said.err.matches("double").count(), 1, "{}", said.err);
}
