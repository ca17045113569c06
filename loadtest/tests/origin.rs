//! The command against `launchday origin`: its counts are those of the target itself, per tenant, step, status and byte.
#![cfg(test)] // tells clippy that helpers may unwrap like tests

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use launchday::{
    distribution::Distribution,
    origin::{Running, Settings, TENANT, start, tally::Counts},
    results::{Reason, Results},
};

/// Three tenants, two steps; `first`, `second`: queries of their paths.
fn scenario(directory: &Path, origin: &Running, [first, second]: [&str; 2], more: &str) -> String {
    std::fs::write(
        directory.join("weights.csv"),
        "tenant,weight\nbonn,5\nkiel,3\nulm,1\n",
    )
    .unwrap();
    let path = directory.join("counts.yaml");
    let text = format!(
        "
target: http://{}
tenants: {{ weights: weights.csv }}
arrivals: {{ rate: 400/s, duration: 1s }}
drain: 5s
{more}
journeys:
  - name: form
    steps:
      - get: \"/?{first}\"
        name: look
        headers: {{ {TENANT}: \"{{tenant}}\", Launchday-Step: look }}
      - post: \"/?{second}\"
        name: send
        headers: {{ {TENANT}: \"{{tenant}}\", Launchday-Step: send }}
        form: {{ tenant: \"{{tenant}}\", number: \"{{citizen}}\" }}
",
        origin.address
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn run(directory: &Path, scenario: &str) -> Results {
    let json = directory.join("result.json");
    let output = Command::new(env!("CARGO_BIN_EXE_launchday"))
        .args(["run", scenario, "--no-tui", "--json"])
        .arg(&json)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let results =
        launchday::results::file::read(&json).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(results.counts.is_complete(), "{:?}", results.counts);
    results
}

/// Of the origin's rows, added up by what `name` says of them.
fn sums(
    origin: &Running,
    name: impl Fn(&launchday::origin::tally::Key) -> String,
) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in origin.report().rows {
        *sums.entry(name(&row.key)).or_default() += row.counts.requests;
    }
    sums
}

#[test]
fn every_count_is_the_targets_own_by_tenant_step_status_and_byte() {
    let directory = tempfile::tempdir().unwrap();
    let origin = start(&Settings::default()).unwrap();
    let file = scenario(
        directory.path(),
        &origin,
        ["size=3KiB", "status=500&size=70B"],
        "",
    );
    let results = run(directory.path(), &file);
    let total: Counts = origin.report().total();
    assert!(total.requests > 600, "{total:?}");
    assert_eq!(results.counts.scheduled, total.requests);
    assert_eq!(total.answered, total.requests);
    assert_eq!(results.received_bytes, total.sent_bytes);
    assert_eq!(results.sent_bytes, total.received_bytes);
    let statuses = results
        .statuses
        .iter()
        .map(|entry| (entry.status.to_string(), entry.count));
    assert_eq!(
        statuses.collect::<BTreeMap<_, _>>(),
        sums(&origin, |key| key.status.to_string())
    );
    let mut steps = BTreeMap::new();
    for step in &results.steps {
        *steps.entry(step.step.clone()).or_default() += step.counts.scheduled;
    }
    assert_eq!(steps, sums(&origin, |key| key.step.clone()));
    let tenants = results
        .tenants
        .iter()
        .map(|tenant| (tenant.key.clone(), tenant.counts.scheduled));
    assert_eq!(
        tenants.collect::<BTreeMap<_, _>>(),
        sums(&origin, |key| key.tenant.clone())
    );
}

#[test]
fn a_target_that_refuses_most_is_counted_as_it_counts_itself() {
    let directory = tempfile::tempdir().unwrap();
    let origin = start(&Settings {
        concurrency: 1,
        waiting_max: 5,
        service: Distribution::Fixed(Duration::from_millis(10)),
        ..Settings::default()
    })
    .unwrap();
    let file = scenario(directory.path(), &origin, ["", ""], "");
    let results = run(directory.path(), &file);
    let by_status = sums(&origin, |key| key.status.to_string());
    assert_eq!(Some(&results.counts.answered), by_status.get("200"));
    assert_eq!(
        Some(&results.count_of(Reason::Status503)),
        by_status.get("503")
    );
    assert!(
        results.counts.failed > results.counts.answered,
        "{:?}",
        results.counts
    );
}

#[test]
fn a_target_that_never_answers_leaves_everything_unanswered_and_nothing_lost() {
    let directory = tempfile::tempdir().unwrap();
    let origin = start(&Settings::default()).unwrap();
    origin.hang();
    let file = scenario(
        directory.path(),
        &origin,
        ["", ""],
        "timeouts: { answer: 60s }",
    );
    let results = run(directory.path(), &file);
    assert_eq!(results.counts.answered, 0);
    assert_eq!(results.counts.unanswered, results.counts.scheduled);
    assert!(!results.verdict.unwrap().ok, "green over a dead target");
}

#[test]
fn no_answer_of_a_target_that_crashes_is_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let origin = start(&Settings {
        service: Distribution::Fixed(Duration::from_millis(50)),
        ..Settings::default()
    })
    .unwrap();
    let file = scenario(directory.path(), &origin, ["size=3KiB", "size=3KiB"], "");
    let results = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(directory.path(), &file));
        // Not faster: each look at the counts holds up the origin.
        while origin.report().total().answered < 100 && !running.is_finished() {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        origin.crash(None);
        running.join().unwrap()
    });
    let total = origin.report().total();
    assert!(
        results.counts.answered >= 1 && results.counts.failed >= 1,
        "{:?}",
        results.counts
    );
    // Those on open connections are reset; whoever comes later, if anybody does, is refused.
    let reset = results.count_of(Reason::Reset);
    let broken = results.count_of(Reason::ConnectRefused) + reset;
    assert!(broken > 0, "{:?}", results.reasons);
    assert!(total.requests <= results.counts.scheduled);
    // Only what was on the way when it crashed is in one count alone.
    let between = |less: u64, more: u64, each: u64| less <= more && more - less <= reset * each;
    for (what, found) in [
        (
            "answers",
            between(results.counts.answered, total.answered, 1),
        ),
        (
            "down",
            between(results.received_bytes, total.sent_bytes, 3 << 10),
        ),
        ("up", between(total.received_bytes, results.sent_bytes, 100)),
    ] {
        assert!(found, "{what}: {results:?} {total:?}");
    }
}
