//! A pool without endpoints that somebody can start.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use schleuse_core::{
    ActivationPolicy, Admission, ColdStart, Leave, Mode, PoolPhase, Refusal, Refused, WakeFailure,
    WakeNews,
};

use crate::support::{ANSWERED, Ask, Bench, address, of};

const SECOND: Duration = Duration::from_secs(1);

/// No endpoint, four seats each, five seconds to start.
fn asleep() -> Bench {
    let mut bench = Bench::new(4);
    bench.policy.activation = Some(ActivationPolicy {
        cold_start: 5 * SECOND,
        ..ActivationPolicy::default()
    });
    bench.set_endpoints(0);
    bench
}

fn answers(bench: &mut Bench) -> bool {
    let (endpoint, _) = bench.pool.unprobed().expect("one to probe");
    bench.pool.answered(&bench.policy, endpoint, bench.now)
}

fn phase(bench: &Bench) -> PoolPhase {
    let view = bench.pool.activation(&bench.policy, bench.now);
    view.expect("it is scaled").phase
}

fn turn_away(bench: &mut Bench) -> Option<Refused> {
    let turned_away = bench.pool.turn_away(&bench.policy, bench.now);
    turned_away.map(|(_, refused)| refused)
}

#[test]
fn a_pool_that_nobody_scales_refuses_as_before() {
    let mut bench = asleep();
    bench.policy.activation = None;
    assert_eq!(bench.refused(&of(0)).refusal, Refusal::NoEndpoint);
    assert!(!bench.pool.stirs());
}

#[test]
fn what_the_operator_took_out_is_not_woken() {
    let mut bench = asleep();
    bench.set_endpoints(1);
    answers(&mut bench);
    bench
        .pool
        .set_mode(address(0), Mode::Maintenance, bench.now);
    assert_eq!(bench.refused(&of(0)).refusal, Refusal::NoEndpoint);
    assert_eq!(bench.pool.take_news(), None);
}

#[test]
fn who_finds_it_asleep_waits_and_goes_once_an_endpoint_has_answered() {
    let mut bench = asleep();
    let waiting = bench.wait(&of(0));
    assert_eq!(waiting.until, bench.now + 15 * SECOND);
    assert!(waiting.predicted >= 5 * SECOND);
    assert_eq!(bench.pool.take_news(), Some(WakeNews::Wake { attempt: 1 }));
    bench.pass(2 * SECOND);
    bench.set_endpoints(1);
    assert!(bench.dispatch().is_none(), "it only is in the list");
    assert!(answers(&mut bench));
    let took = 2 * SECOND;
    assert_eq!(bench.pool.take_news(), Some(WakeNews::Awake { took }));
    assert_eq!(bench.dispatch().unwrap().ticket, waiting.ticket);
}

#[test]
fn an_endpoint_that_was_woken_is_not_buried_under_those_who_waited() {
    let mut bench = asleep();
    bench.policy.slow_start = 10 * SECOND;
    (0..12).for_each(|_| {
        let _ = bench.wait(&of(0));
    });
    bench.pass(SECOND);
    bench.set_endpoints(2);
    let mut granted = Vec::new();
    for wait in [0, 0, 5, 5] {
        match wait {
            0 => assert!(answers(&mut bench)),
            seconds => bench.pass(seconds * SECOND),
        }
        granted.push(std::iter::from_fn(|| bench.dispatch()).count());
    }
    assert_eq!(granted, [1, 1, 2, 4]);
}

#[test]
fn endpoints_that_were_there_all_the_time_get_all_their_seats_at_once() {
    let mut bench = asleep();
    bench.set_endpoints(2);
    (0..12).for_each(|_| {
        let _ = bench.wait(&of(0));
    });
    bench.pass(Duration::from_millis(20));
    answers(&mut bench);
    assert_eq!(std::iter::from_fn(|| bench.dispatch()).count(), 4);
}

#[test]
fn a_crowd_before_a_sleeping_pool_reckons_with_all_the_replicas_that_there_can_be() {
    let mut bench = asleep();
    bench.policy.activation.as_mut().unwrap().replicas_max = 10;
    (0..800).for_each(|number| {
        let _ = bench.wait(&of(number % 20));
    });
    bench.pass(5 * SECOND);
    bench.set_endpoints(1);
    answers(&mut bench);
    let _ = bench.wait(&of(3)); // one replica would need longer than one may wait
    bench.policy.activation.as_mut().unwrap().replicas_max = 1;
    bench.policy.queue.wait_max = 6 * SECOND;
    assert_eq!(bench.refused(&of(3)).refusal, Refusal::WaitTooLong);
}

#[test]
fn beyond_the_hold_limit_it_is_woken_all_the_same_and_the_client_told_when_to_come_back() {
    let mut bench = asleep();
    bench.policy.queue.wait_max = 3 * SECOND;
    let refused = bench.refused(&of(0));
    assert_eq!(refused.refusal, Refusal::Starting);
    assert!(refused.retry_after.unwrap() >= 5 * SECOND);
    assert_eq!(bench.pool.take_news(), Some(WakeNews::Wake { attempt: 1 }));
    bench.pass(4 * SECOND);
    let _ = bench.wait(&of(0)); // the rest is short enough
}

#[test]
fn a_pool_without_a_queue_is_woken_too() {
    let mut bench = asleep();
    bench.policy.queue.waiting_max = 0;
    assert_eq!(bench.refused(&of(0)).refusal, Refusal::Starting);
    assert_eq!(bench.pool.take_news(), Some(WakeNews::Wake { attempt: 1 }));
}

#[test]
fn who_is_refused_by_a_limit_of_its_own_wakes_nobody() {
    let mut bench = asleep();
    bench.policy.queue.wait_max = SECOND;
    let quota = Some(schleuse_core::Quota::new(0.01, 1.0));
    let limited = Ask { quota, ..of(0) };
    let mut awake = Bench::new(1);
    awake.policy.queue.wait_max = SECOND;
    drop(bench.arrive(&limited));
    bench.pool.take_news();
    let slot = awake.go(&limited);
    awake.depart(slot);
    assert_eq!(awake.refused(&limited).refusal, Refusal::TenantRate);
    assert!(!awake.pool.stirs());
}

#[test]
fn a_failed_attempt_turns_away_those_it_would_keep_too_long_and_no_others() {
    let mut bench = asleep();
    let _ = bench.wait(&of(0));
    bench.pass(10 * SECOND);
    let _ = bench.wait(&of(1));
    assert!(bench.pool.wake_failed(&bench.policy, 1, bench.now));
    let refused = turn_away(&mut bench).unwrap();
    assert_eq!(refused.refusal, Refusal::StartFailed);
    assert!(refused.retry_after.unwrap() > 5 * SECOND, "{refused:?}");
    assert_eq!(turn_away(&mut bench), None);
    assert_eq!(bench.waiting(), 1);
}

#[test]
fn after_the_pause_those_who_still_wait_wake_it_again() {
    let mut bench = asleep();
    let _ = bench.wait(&of(0));
    bench.pool.wake_failed(&bench.policy, 1, bench.now);
    bench.pool.take_news();
    assert_eq!(turn_away(&mut bench), None);
    bench.now = bench.now + 2 * SECOND;
    bench.pool.tick(&bench.policy, bench.now);
    assert_eq!(bench.pool.take_news(), Some(WakeNews::Wake { attempt: 2 }));
    assert!(!bench.pool.wake_failed(&bench.policy, 1, bench.now), "late");
}

#[test]
fn an_attempt_without_an_answer_is_over_after_three_cold_starts() {
    let mut bench = asleep();
    bench.pool.learn_cold_start(ColdStart {
        p50: SECOND,
        p90: 4 * SECOND,
        p99: 5 * SECOND,
    });
    let waiting = bench.wait(&of(0));
    bench.now = bench.now + 15 * SECOND;
    bench.pool.tick(&bench.policy, bench.now);
    let PoolPhase::Failed { attempt, why, .. } = phase(&bench) else {
        panic!("{:?}", phase(&bench));
    };
    assert_eq!((attempt, why), (1, WakeFailure::TimedOut));
    assert_eq!(turn_away(&mut bench).unwrap().refusal, Refusal::StartFailed);
    assert!(
        bench.leave(waiting, Leave::Expired).is_none(),
        "it has ended"
    );
}

#[test]
fn who_waits_when_the_last_endpoint_goes_wakes_the_pool() {
    let mut bench = asleep();
    bench.set_endpoints(1);
    answers(&mut bench);
    let slots: Vec<_> = (0..4).map(|_| bench.go(&of(0))).collect();
    let _ = bench.wait(&of(0));
    assert_eq!(phase(&bench), PoolPhase::Ready);
    bench.set_endpoints(0);
    assert_eq!(bench.pool.take_news(), Some(WakeNews::Wake { attempt: 1 }));
    for slot in slots {
        bench.depart(slot);
    }
}

#[test]
fn a_pool_whose_last_requests_are_in_flight_drains_and_then_is_cold() {
    let mut bench = asleep();
    bench.set_endpoints(1);
    answers(&mut bench);
    let slot = bench.go(&of(0));
    bench.set_endpoints(0);
    assert_eq!(phase(&bench), PoolPhase::Draining);
    bench.depart(slot);
    assert_eq!(phase(&bench), PoolPhase::Cold);
}

#[test]
fn an_endpoint_that_takes_no_connection_is_probed_before_it_gets_another_request() {
    let mut bench = asleep();
    bench.set_endpoints(1);
    answers(&mut bench);
    let slot = bench.go(&of(0));
    bench.pass(SECOND);
    let refused = schleuse_core::Outcome::Failed(schleuse_core::Failure::Connect);
    bench.pool.depart(&bench.policy, slot, refused, bench.now);
    let mut views = bench.pool.views(&bench.policy, bench.now);
    assert_eq!(views.next().unwrap().since, bench.now, "silent since now");
    drop(views);
    let waiting = bench.wait(&of(0));
    assert_eq!(bench.pool.take_news(), Some(WakeNews::Wake { attempt: 1 }));
    assert!(answers(&mut bench));
    let grant = bench.dispatch().unwrap();
    assert_eq!(grant.ticket, waiting.ticket);
    bench
        .pool
        .depart(&bench.policy, grant.slot, ANSWERED, bench.now);
}

proptest! {
    #[test]
    fn however_many_ask_there_is_one_wake(gaps_ms in vec(0..20_u64, 1..200)) {
        let mut bench = asleep();
        let mut wakes = 0;
        for (number, gap) in (0_u32..).zip(gaps_ms) {
            bench.pass(Duration::from_millis(gap));
            let admission = bench.arrive(&of(number % 20));
            prop_assert!(matches!(admission, Admission::Wait(_)));
            wakes += u32::from(bench.pool.take_news().is_some());
        }
        prop_assert_eq!(wakes, 1);
    }
}

#[test]
fn an_endpoint_is_unanswered_from_a_probe_in_vain_until_it_answers() {
    let mut bench = asleep();
    bench.set_endpoints(1);
    let (endpoint, _) = bench.pool.unprobed().expect("one to probe");
    let unanswered = |bench: &Bench| {
        let mut views = bench.pool.views(&bench.policy, bench.now);
        views.next().unwrap().unanswered
    };
    assert!(!unanswered(&bench), "nobody has asked");
    bench.pool.note_unanswered(endpoint);
    assert!(unanswered(&bench));
    bench.pool.answered(&bench.policy, endpoint, bench.now);
    assert!(!unanswered(&bench));
}
