//! Announced launches in virtual time.

use super::*;

const POOL: &str = "{ concurrency: 10, slow_start: 0s, queue: { wait_max: 1m },
         scale: { process: { command: [backend, \"{port}\"] }, min: 0, max: 20, cold_start: 10s } }";
/// 200 a second hold 20 seats of 100 ms: three replicas of ten at 90 %.
const LAUNCH: &str = "
launches:
  tag: { service: amt, at: 2027-01-15T08:00:00+01:00, arrivals_per_second: 200, duration: 10m, service_time: 100ms }
";

fn results(launches: &str, begins: Option<i64>) -> Results {
    let (_directory, config) = configured(&format!("{POOL}{launches}"), "");
    let model = Model {
        service_time: Distribution::Exponential(Duration::from_millis(100)),
        cold_start: None,
        networks: Networks::default(),
        begins: begins.map(WallTime::from_unix_millis),
    };
    let scenario = of("arrivals: { rate: 200/s, duration: 60s }", "");
    modelled(&scenario, &config, &model)
}

fn ready(results: &Results, at: i64) -> u64 {
    let second = results
        .seconds
        .iter()
        .find(|second| second.at_seconds == at);
    second
        .and_then(|second| second.pool)
        .unwrap()
        .replicas_ready
}

#[test]
fn replicas_of_an_announced_launch_stand_before_the_first_citizen() {
    let results = results(LAUNCH, None);
    let before = results.seconds.first().unwrap().at_seconds;
    assert!(
        before <= -130,
        "the margin and the cold start lie ahead: {before}"
    );
    assert_eq!(
        ready(&results, -61),
        3,
        "a minute before, when it is verified"
    );
    assert!(results.response.max_ns < 2_000_000_000);
    assert_eq!(results.counts.failed, 0);
}

#[test]
fn the_same_without_an_announcement_waits_for_the_cold_start() {
    let results = results("", None);
    assert_eq!(results.seconds.first().unwrap().at_seconds, 0);
    assert!(results.response.max_ns > 9_000_000_000);
}

/// 2027-01-15 07:00 UTC, and an hour before it.
#[test]
fn whoever_comes_an_hour_early_finds_nothing_prepared() {
    let launch = 1_799_996_400_000;
    let early = results(LAUNCH, Some(launch - 3_600_000));
    assert!(early.response.max_ns > 9_000_000_000);
    let at_the_hour = results(LAUNCH, Some(launch));
    assert!(at_the_hour.response.max_ns < 2_000_000_000);
}
