//! Which runs pass, fail or are invalid, told as runs.

use crate::results::{
    Connections, Ending, Latencies, Outcome, Reason, ReasonCount, Results, SizeClass,
    fixture::{Fate, SECOND_NS, play},
};

use super::{Criterion, Limit, Metric, Window, judge};

const MS: u64 = 1_000_000;
const TENANTS: [(&str, &str, u64); 2] = [
    ("Berlin", "Berlin", 3_700_000),
    ("Dierfeld", "Rheinland-Pfalz", 10),
];

fn fast(_: u64, _: u64) -> Fate {
    Fate::After(5 * MS)
}

fn criterion(text: &str, metric: Metric, limit: Limit) -> Criterion {
    Criterion {
        text: text.to_owned(),
        metric,
        class: None,
        window: None,
        limit,
    }
}

fn p99_below(seconds: f64) -> Criterion {
    criterion("p99 < limit", Metric::Response(0.99), Limit::Below(seconds))
}

fn judged(mut results: Results, criteria: &[Criterion]) -> (Outcome, Results) {
    judge(&mut results, criteria);
    (results.verdict.as_ref().unwrap().outcome, results)
}

fn first_finding(results: &Results) -> &str {
    &results.verdict.as_ref().unwrap().findings[0].what
}

#[test]
fn a_fast_target_passes_and_exits_with_zero() {
    let (outcome, results) = judged(play(10, 500, &TENANTS, fast), &[p99_below(0.5)]);
    assert_eq!(outcome, Outcome::Passed, "{:?}", results.verdict);
    assert_eq!(results.verdict.as_ref().unwrap().exit_code, 0);
}

#[test]
fn a_dead_target_fails_although_no_threshold_was_named() {
    let dead = play(3, 100, &TENANTS, |_, _| Fate::Fails(Reason::ConnectRefused));
    let (outcome, results) = judged(dead, &[]);
    assert_eq!((outcome, outcome.exit_code()), (Outcome::Failed, 1));
    assert_eq!(first_finding(&results), "no request was answered");
}

#[test]
fn a_dead_target_fails_and_says_so_however_late_the_generator_was() {
    let mut dead = play(3, 500, &TENANTS, |_, _| Fate::Fails(Reason::ConnectRefused));
    dead.workers[0].run_delay_ns = Some(dead.workers[0].wall_ns);
    let (outcome, results) = judged(dead.clone(), &[]);
    assert_eq!(outcome, Outcome::Failed);
    let findings = results.verdict.unwrap().findings;
    assert_eq!(
        findings[0].remedy,
        "start the target, or correct address and port"
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding.what.contains("no core"))
    );

    dead.reasons[0].reason = Reason::LocalPort;
    assert_eq!(judged(dead, &[]).0, Outcome::Invalid);
}

#[test]
fn a_busy_moment_of_the_drain_is_no_busy_second() {
    let mut run = play(10, 500, &TENANTS, fast);
    run.duration_seconds = 9.0;
    run.seconds[9].workers[0].busy_share = 1.0;
    assert_eq!(judged(run, &[p99_below(0.5)]).0, Outcome::Passed);
}

#[test]
fn a_target_that_dies_late_fails_and_its_p99_is_a_bound() {
    let results = play(30, 1_000, &TENANTS, |_, plan| {
        if plan < 20 * SECOND_NS {
            Fate::After(MS)
        } else {
            Fate::Never(35 * SECOND_NS - plan)
        }
    });
    let (outcome, results) = judged(results, &[p99_below(60.0)]);
    assert_eq!(outcome, Outcome::Failed);
    let threshold = &results.thresholds[0];
    assert!(
        !threshold.held && threshold.found.starts_with("≥ 14.7 s"),
        "{}",
        threshold.found
    );
    let share = results.counts.failed_share().unwrap();
    assert!((share - 1.0 / 3.0).abs() < 1e-9);
}

/// Its port closes after the first of eight seconds: what was answered till then says nothing about the others.
#[test]
fn a_target_whose_port_closes_fails_by_any_threshold_and_its_p99_is_a_bound() {
    let closes = |share: u64| {
        play(8, 1_000, &TENANTS, move |request, plan| {
            if plan >= SECOND_NS && request % 100 < share {
                Fate::Fails(Reason::ConnectRefused)
            } else {
                Fate::After(MS)
            }
        })
    };
    let (outcome, results) = judged(closes(100), &[p99_below(0.5)]);
    assert_eq!(outcome, Outcome::Failed);
    let [p99, implied] = results.thresholds.as_slice() else {
        panic!("{:?}", results.thresholds);
    };
    assert!(!p99.held && p99.found.starts_with("≥ "), "{p99:?}");
    assert!(!implied.held && implied.threshold == Criterion::implied().text);
    // Two in a hundred are too many for a p99 even where failures were allowed.
    let allowed = criterion("failed < 50%", Metric::Failed, Limit::Below(0.5));
    let criteria = [p99_below(0.5), allowed.clone()];
    let (outcome, results) = judged(closes(2), &criteria);
    assert_eq!((outcome, results.thresholds.len()), (Outcome::Failed, 2));
    assert!(!results.thresholds[0].held && results.thresholds[1].held);
    let abandoned = criterion("abandoned < 50%", Metric::Abandoned, Limit::Below(0.5));
    assert_eq!(judged(closes(100), &[abandoned]).0, Outcome::Failed);
    let median = criterion("p50 < 1s", Metric::Response(0.5), Limit::Below(1.0));
    assert_eq!(judged(closes(2), &[median, allowed]).0, Outcome::Passed);
}

#[test]
fn a_target_that_refuses_nearly_all_fails_however_late_the_generator_was() {
    let refuses = |one_in| {
        let mut run = play(10, 500, &TENANTS, move |request, plan| {
            if request % 100 < one_in {
                Fate::Fails(Reason::ConnectRefused)
            } else {
                fast(request, plan)
            }
        });
        run.own_lag = Latencies::from_values((0..5_000).map(|_| 2 * MS));
        judged(run, &[p99_below(0.5)])
    };
    assert_eq!(refuses(90).0, Outcome::Failed);
    let (outcome, results) = refuses(20);
    assert_eq!(outcome, Outcome::Invalid, "its median is not known");
    assert!(first_finding(&results).contains("p75"));
}

#[test]
fn nothing_is_implied_where_a_threshold_says_how_many_may_fail() {
    let window = |to_seconds| {
        Some(Window {
            from_seconds: 5,
            to_seconds,
        })
    };
    let failed = criterion("failed < 90%", Metric::Failed, Limit::Below(0.9));
    let timeout = Metric::Reason(Reason::Timeout);
    for (written, implies) in [
        (failed.clone(), false),
        (
            criterion("answered > 10%", Metric::Answered, Limit::Above(0.1)),
            false,
        ),
        (
            Criterion {
                class: Some(SizeClass::Tiny),
                ..failed.clone()
            },
            false,
        ),
        (
            Criterion {
                window: window(None),
                ..failed.clone()
            },
            false,
        ),
        (
            Criterion {
                window: window(Some(10)),
                ..failed
            },
            true,
        ),
        (criterion("timeout < 1%", timeout, Limit::Below(0.01)), true),
        (p99_below(1.0), true),
    ] {
        let all = Criterion::with_implied(std::slice::from_ref(&written));
        assert_eq!(
            all.contains(&Criterion::implied()),
            implies,
            "{}",
            written.text
        );
        assert_eq!(Criterion::with_implied(&all), all);
    }
    assert_eq!(Criterion::with_implied(&[]), [Criterion::implied()]);
}

#[test]
fn a_mean_cannot_hold_where_somebody_was_never_answered() {
    let mean = [criterion(
        "mean < 1s",
        Metric::ResponseMean,
        Limit::Below(1.0),
    )];
    assert_eq!(
        judged(play(10, 500, &TENANTS, fast), &mean).0,
        Outcome::Passed
    );
    let one_lost = play(10, 500, &TENANTS, |request, plan| {
        if request == 4_999 {
            Fate::Never(SECOND_NS)
        } else {
            fast(request, plan)
        }
    });
    let (outcome, results) = judged(one_lost, &mean);
    assert_eq!(outcome, Outcome::Failed);
    assert!(
        results.thresholds[0].found.starts_with("≥ 5.2"),
        "{results:?}"
    );
}

/// 120 a second of the 200 that come; the rest is worked off in the drain.
#[test]
fn answers_of_the_drain_are_no_rate_of_the_schedule() {
    let mut run = play(8, 200, &TENANTS, |request, plan| {
        Fate::After((request + 1) * SECOND_NS / 120 - plan)
    });
    let mut drained = run.seconds[7].clone();
    // The fixture ends with the schedule: what came later is in its last second.
    let within = run.seconds[6].answered;
    run.seconds[7].answered = within;
    drained.at_seconds = 8;
    drained.answered -= within;
    run.seconds.push(drained);
    let found = run.answered_per_second().unwrap();
    assert!((found - 120.0).abs() < 1.0, "{found}");
    let rate = |limit| criterion("rate", Metric::AnsweredPerSecond, Limit::Above(limit));
    assert_eq!(judged(run.clone(), &[rate(119.0)]).0, Outcome::Passed);
    assert_eq!(judged(run, &[rate(190.0)]).0, Outcome::Failed);
}

#[test]
fn a_window_knows_who_was_never_answered_and_who_gave_up_in_it() {
    fn within(metric: Metric, limit: f64, from_seconds: i64, to_seconds: i64) -> Criterion {
        Criterion {
            window: Some(Window {
                from_seconds,
                to_seconds: Some(to_seconds),
            }),
            ..criterion("windowed", metric, Limit::Below(limit))
        }
    }
    let p99 = |from, to| within(Metric::Response(0.99), 0.5, from, to);
    let hangs_late = play(30, 200, &TENANTS, |_, plan| {
        if plan < 28 * SECOND_NS {
            Fate::After(MS)
        } else {
            Fate::Never(40 * SECOND_NS - plan)
        }
    });
    let held =
        |results: &Results, criterion| judged(results.clone(), &[criterion]).1.thresholds[0].held;
    for (metric, limit) in [(Metric::Response(0.99), 0.5), (Metric::Failed, 0.01)] {
        assert!(held(&hangs_late, within(metric, limit, 0, 28)));
        assert!(!held(&hangs_late, within(metric, limit, 0, 30)));
        assert!(!held(&hangs_late, within(metric, limit, 20, 60)));
    }
    // Nine of ten leave after two seconds, between the 10th second and the 20th.
    let leaves = play(30, 200, &TENANTS, |request, plan| {
        if (10 * SECOND_NS..20 * SECOND_NS).contains(&plan) && request % 10 != 0 {
            Fate::Leaves(2 * SECOND_NS)
        } else {
            Fate::After(MS)
        }
    });
    assert!(!held(&leaves, p99(10, 20)));
    assert!(held(&leaves, p99(0, 10)));
}

#[test]
fn a_limit_of_open_files_that_made_requests_wait_invalidates_and_one_that_was_asked_for_does_not() {
    let held_back = |is_limited_by_files| {
        let mut run = play(10, 500, &TENANTS, fast);
        run.connections = Some(Connections {
            allowed: 44,
            held_back: 7,
            is_limited_by_files,
            ..Connections::default()
        });
        judged(run, &[p99_below(0.5)])
    };
    let (outcome, results) = held_back(true);
    assert_eq!(outcome, Outcome::Invalid);
    let finding = &results.verdict.unwrap().findings[0];
    assert!(finding.limit.contains("44 connections") && finding.remedy.contains("ulimit -n"));
    assert_eq!(held_back(false).0, Outcome::Passed);
}

#[test]
fn a_slow_target_is_valid_however_slow() {
    let slow = play(20, 500, &TENANTS, |_, _| Fate::After(5 * SECOND_NS));
    let (outcome, _) = judged(slow, &[p99_below(10.0)]);
    assert_eq!(outcome, Outcome::Passed);
}

#[test]
fn own_lag_invalidates_only_where_it_is_a_part_of_the_figure() {
    let mut lagging = play(10, 500, &TENANTS, fast);
    lagging.own_lag = Latencies::from_values((0..5_000).map(|_| 2 * MS));
    let (outcome, results) = judged(lagging, &[p99_below(0.5)]);
    assert_eq!((outcome, outcome.exit_code()), (Outcome::Invalid, 3));
    assert!(first_finding(&results).contains("own lag"));

    let mut slow = play(10, 500, &TENANTS, |_, _| Fate::After(400 * MS));
    slow.own_lag = Latencies::from_values((0..5_000).map(|_| 2 * MS));
    assert_eq!(judged(slow, &[p99_below(0.5)]).0, Outcome::Passed);
}

#[test]
fn a_lag_beyond_p99_strikes_the_figure_and_leaves_the_run_valid_unless_a_threshold_asks_for_it() {
    let run = || {
        let mut run = play(60, 1_000, &TENANTS, fast);
        let lags = (0..60_000).map(|request| if request < 100 { 100 * MS } else { 20_000 });
        run.own_lag = Latencies::from_values(lags);
        run
    };
    let (outcome, results) = judged(run(), &[p99_below(0.5)]);
    assert_eq!(outcome, Outcome::Passed);
    let struck: Vec<f64> = results
        .verdict
        .unwrap()
        .struck
        .iter()
        .map(|s| s.quantile)
        .collect();
    assert_eq!(struck, [0.9999_f64.min(struck[0]), 1.0]);
    let maximum = criterion("max < 1s", Metric::Response(1.0), Limit::Below(1.0));
    assert_eq!(judged(run(), &[maximum]).0, Outcome::Invalid);
}

#[test]
fn a_local_port_error_invalidates_although_everything_else_is_fine() {
    let mut run = play(10, 500, &TENANTS, fast);
    run.counts.answered -= 1;
    run.counts.not_sent += 1;
    run.reasons.push(ReasonCount {
        reason: Reason::LocalPort,
        count: 1,
    });
    let (outcome, results) = judged(run, &[p99_below(0.5)]);
    assert_eq!(outcome, Outcome::Invalid);
    assert!(first_finding(&results).contains("local port"));
}

#[test]
fn more_than_a_thousandth_unsent_invalidates_and_an_interruption_does_not_count() {
    let unsent = |reason| {
        let mut run = play(10, 500, &TENANTS, fast);
        run.counts.answered -= 10;
        run.counts.not_sent += 10;
        run.reasons.push(ReasonCount { reason, count: 10 });
        judged(run, &[p99_below(0.5)]).0
    };
    assert_eq!(unsent(Reason::LocalBehind), Outcome::Invalid);
    assert_eq!(unsent(Reason::RunEnded), Outcome::Passed);
}

#[test]
fn a_worker_busy_in_more_than_a_hundredth_of_the_seconds_or_without_a_core_invalidates() {
    let mut busy = play(100, 50, &TENANTS, fast);
    busy.seconds[3].workers[0].busy_share = 0.95;
    assert_eq!(judged(busy.clone(), &[p99_below(0.5)]).0, Outcome::Passed);
    busy.seconds[4].workers[0].busy_share = 0.95;
    assert_eq!(judged(busy, &[p99_below(0.5)]).0, Outcome::Invalid);

    let mut delayed = play(10, 500, &TENANTS, fast);
    delayed.workers[0].run_delay_ns = Some(SECOND_NS);
    let (outcome, results) = judged(delayed, &[p99_below(0.5)]);
    assert_eq!(outcome, Outcome::Invalid);
    let finding = &results.verdict.unwrap().findings[0];
    assert_eq!(
        (finding.number.as_str(), finding.limit.as_str()),
        ("10 % of the time", "5 %")
    );
    assert!(finding.remedy.contains("--cpus"));
}

#[test]
fn a_request_that_vanished_invalidates() {
    let mut run = play(10, 500, &TENANTS, fast);
    run.counts.answered -= 1;
    assert_eq!(judged(run, &[p99_below(0.5)]).0, Outcome::Invalid);
}

#[test]
fn an_interrupted_run_exits_with_130_and_judges_no_threshold() {
    let mut run = play(3, 500, &TENANTS, fast);
    run.ending = Ending::Interrupted;
    let (outcome, results) = judged(run, &[p99_below(0.000_1)]);
    assert_eq!((outcome, outcome.exit_code()), (Outcome::Interrupted, 130));
    assert!(results.thresholds.is_empty());
}

#[test]
fn an_aborted_run_fails_and_says_why() {
    let mut run = play(3, 500, &TENANTS, fast);
    run.ending = Ending::Aborted("failed > 50%".to_owned());
    let (outcome, results) = judged(run, &[p99_below(0.5)]);
    assert_eq!(outcome, Outcome::Failed);
    assert!(first_finding(&results).contains("failed > 50%"));
}

/// grafana/k6#1346: a threshold on a metric without samples was skipped, and the run was green.
#[test]
fn p41_a_class_or_a_window_without_data_does_not_hold() {
    let of_class = Criterion {
        class: Some(SizeClass::Medium),
        ..p99_below(0.5)
    };
    let too_late = Criterion {
        window: Some(Window {
            from_seconds: 60,
            to_seconds: Some(70),
        }),
        ..p99_below(0.5)
    };
    for criterion in [of_class, too_late] {
        let (outcome, results) = judged(play(10, 500, &TENANTS, fast), &[criterion]);
        assert_eq!(outcome, Outcome::Failed);
        assert!(results.thresholds[0].why.starts_with("no data"));
    }
}

#[test]
fn a_share_in_a_window_is_of_the_requests_that_ended_in_it() {
    let run = play(10, 100, &TENANTS, |_, plan| {
        if plan < 5 * SECOND_NS {
            Fate::Fails(Reason::Status503)
        } else {
            Fate::After(MS)
        }
    });
    let after = |from_seconds| Criterion {
        window: Some(Window {
            from_seconds,
            to_seconds: None,
        }),
        ..criterion("failed < 1%", Metric::Failed, Limit::Below(0.01))
    };
    assert_eq!(judged(run.clone(), &[after(5)]).0, Outcome::Passed);
    assert_eq!(judged(run, &[after(4)]).0, Outcome::Failed);
}

#[test]
fn too_few_requests_for_a_percentile_are_vouched_for_by_the_maximum_or_not_at_all() {
    let few = |limit| judged(play(2, 100, &TENANTS, fast), &[p99_below(limit)]);
    assert_eq!(few(0.5).0, Outcome::Passed);
    let (outcome, results) = few(0.004);
    assert_eq!(outcome, Outcome::Failed);
    assert!(results.thresholds[0].found.contains("needs 1,000 requests"));
}

#[test]
fn every_metric_is_measured_in_its_unit() {
    let run = play(10, 500, &TENANTS, |request, _| match request % 10 {
        0 => Fate::Fails(Reason::Status503),
        1 => Fate::Leaves(2 * SECOND_NS),
        _ => Fate::After(5 * MS),
    });
    for (metric, limit) in [
        (Metric::Failed, Limit::AtMost(0.1)),
        (Metric::Abandoned, Limit::AtLeast(0.1)),
        (Metric::Answered, Limit::Above(0.79)),
        (Metric::Reason(Reason::Status503), Limit::Below(0.11)),
        (Metric::AnsweredPerSecond, Limit::AtLeast(400.0)),
        (Metric::ResponseMean, Limit::Above(0.2)),
        (Metric::Service(0.5), Limit::Below(0.006)),
        (Metric::Jain, Limit::Above(0.5)),
    ] {
        let (_, results) = judged(run.clone(), &[criterion("x", metric, limit)]);
        assert!(
            results.thresholds[0].held,
            "{metric:?}: {:?}",
            results.thresholds[0]
        );
    }
}
