//! What no other generator says: a frozen, a dead and a late target.

use std::{net::TcpListener, time::Duration};

use launchday::{
    distribution::Distribution,
    results::{Reason, Results},
    verdict::{self, Criterion, Limit, Metric},
};

use super::{
    play, settings,
    target::{Deed, Request, Target, answer},
    workload,
};

const MS: u64 = 1_000_000;
/// 200 ms in three digits, rounded down.
const LIMIT_NS: u64 = 199_800_000;
/// The target is frozen from second 2 to second 3.
const FROZEN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(3));

fn frozen_for_a_second(request: &Request<'_>) -> Deed {
    if (FROZEN.0..FROZEN.1).contains(&request.since_first) {
        Deed::AnswerAt(FROZEN.1, answer(200, "", "ok"))
    } else {
        Deed::Answer(answer(200, "", "ok"))
    }
}

fn fine(_: &Request<'_>) -> Deed {
    Deed::Answer(answer(200, "", "ok"))
}

/// As many as are planned in two seconds at 300/s, whenever they arrive.
fn hangs_after_600(request: &Request<'_>) -> Deed {
    if request.number < 600 {
        fine(request)
    } else {
        Deed::Hang
    }
}

fn judged(mut results: Results) -> Results {
    verdict::judge(&mut results, &[]);
    results
}

fn reasons(results: &Results) -> Vec<(Reason, u64)> {
    results
        .reasons
        .iter()
        .map(|entry| (entry.reason, entry.count))
        .collect()
}

/// A freeze of F in a run of T at an even rate shows as max(0, F − T(1−q)) at quantile q.
#[test]
fn a_frozen_target_shows_in_the_percentiles_as_long_as_it_was_frozen() {
    let target = Target::start(frozen_for_a_second);
    let results = play(&workload(target.address, 500.0, 6.0), &settings(1, 20));
    assert_eq!(results.counts.answered, 3_000);
    // What this machine did to us and to the target besides, which shares it with other tests.
    let disturbed = results.own_lag.max_ns + results.response.quantile(0.5).unwrap();
    for (quantile, expected) in [
        (0.95, 700 * MS),
        (0.99, 940 * MS),
        (0.999, 994 * MS),
        (1.0, 1_000 * MS),
    ] {
        let found = results.response.quantile(quantile).unwrap();
        let tolerance = expected / 100 + 10 * MS + disturbed;
        assert!(
            found.abs_diff(expected) <= tolerance,
            "{quantile}: {found}, not {expected}"
        );
    }
    assert!(
        results.service.quantile(0.95).unwrap() < 100 * MS,
        "few were on their way meanwhile"
    );
}

#[test]
fn a_target_that_stops_answering_leaves_a_third_unanswered_and_the_verdict_fails() {
    let target = Target::start(hangs_after_600);
    let mut workload = workload(target.address, 300.0, 3.0);
    workload.drain = Duration::from_secs(1);
    let results = judged(play(&workload, &settings(1, 20)));
    let unanswered = results.counts.unanswered;
    assert_eq!((results.counts.answered, unanswered), (600, 300));
    let by_plan: Vec<u64> = results
        .seconds
        .iter()
        .map(|second| second.unanswered_after.count)
        .collect();
    assert_eq!(by_plan.iter().sum::<u64>(), unanswered);
    assert_eq!(
        by_plan[0], 0,
        "all of them were planned in the last second or just before it"
    );
    // The one planned last waited for the drain, the one planned first for the rest of the run besides.
    assert!(results.unanswered_after.min_ns >= 990 * MS);
    assert!(results.unanswered_after.max_ns >= 1_900 * MS);
    // Failed; invalid where other tests kept us from sending in time.
    assert!(!results.verdict.unwrap().ok);
}

#[test]
fn a_target_that_freezes_in_the_last_seconds_shows_as_a_lower_bound_and_the_verdict_fails() {
    let target = Target::start(hangs_after_600);
    let mut workload = workload(target.address, 300.0, 2.5);
    workload.drain = Duration::from_secs(1);
    let results = judged(play(&workload, &settings(1, 20)));
    assert_eq!(results.counts.unanswered, 150);
    let sample = results.sample();
    // A fifth never came, and all that is known of them is that they waited longer than the drain.
    assert!(!sample.at(0.5).unwrap().is_bound);
    let p99 = sample.at(0.99).unwrap();
    assert!(p99.is_bound && p99.value_ns >= 990 * MS, "{p99:?}");
    assert!(!results.verdict.unwrap().ok);
}

/// From the hundredth request on it closes every connection without an answer, as a process does that dies again and again.
#[test]
fn a_target_that_breaks_off_fails_a_percentile_that_its_answers_would_have_held() {
    let target = Target::start(|request| {
        if request.number < 100 {
            fine(request)
        } else {
            Deed::Close
        }
    });
    let mut results = play(&workload(target.address, 300.0, 1.0), &settings(1, 20));
    let p99 = Criterion {
        text: "p99 < 1m".to_owned(),
        metric: Metric::Response(0.99),
        class: None,
        window: None,
        limit: Limit::Below(60.0),
    };
    verdict::judge(&mut results, &[p99]);
    assert_eq!((results.counts.answered, results.counts.failed), (100, 200));
    assert!(
        results.response.max_ns < 60_000 * MS,
        "the answered alone hold it"
    );
    assert!(!results.thresholds[0].held, "{:?}", results.thresholds);
    assert!(!results.verdict.unwrap().ok);
}

#[test]
fn where_nobody_listens_every_request_fails_as_refused_and_none_disappears() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let results = judged(play(&workload(address, 500.0, 1.0), &settings(2, 0)));
    assert_eq!(reasons(&results), [(Reason::ConnectRefused, 500)]);
    assert_eq!(
        (results.counts.scheduled, results.counts.failed),
        (500, 500)
    );
    assert!(!results.verdict.unwrap().ok);
}

#[test]
fn waiting_for_a_connection_is_the_targets_fault_and_not_our_lag() {
    fn slow(request: &Request<'_>) -> Deed {
        Deed::AnswerAt(
            request.since_first + Duration::from_millis(100),
            answer(200, "", ""),
        )
    }
    let target = Target::start(slow);
    // One connection serves 10 a second, 50 are planned.
    let mut workload = workload(target.address, 50.0, 1.0);
    workload.drain = Duration::from_secs(30);
    let results = play(&workload, &settings(1, 1));
    assert_eq!(results.counts.answered, 50);
    assert!(
        results.connection_wait.max_ns > 3_000 * MS,
        "{}",
        results.connection_wait.max_ns
    );
    assert!(results.own_lag.quantile(0.5).unwrap() < 100 * MS);
    assert_eq!(
        target
            .seen
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
}

#[test]
fn patience_timeout_and_deadline_each_end_a_request_by_their_own_name() {
    let target = Target::start(|_| Deed::Hang);
    let limit = Duration::from_millis(200);
    let base = workload(target.address, 100.0, 0.5);
    let mut timeout = base.clone();
    timeout.limits.timeout = Some(limit);
    assert_eq!(
        reasons(&play(&timeout, &settings(1, 0))),
        [(Reason::Timeout, 50)]
    );
    let mut deadline = base.clone();
    deadline.limits.deadline = Some(limit);
    let results = play(&deadline, &settings(1, 0));
    assert_eq!(reasons(&results), [(Reason::Deadline, 50)]);
    assert!(results.timed_out_after.min_ns >= LIMIT_NS);
    let mut patience = base;
    patience.journeys[0].patience = Some(Distribution::Fixed(limit));
    let results = play(&patience, &settings(1, 0));
    assert_eq!(
        (results.counts.abandoned, results.journeys[0].abandoned),
        (50, 50)
    );
    assert!(results.abandoned_after.min_ns >= LIMIT_NS);
}
