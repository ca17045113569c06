//! Starts that fail are not answered with more of them.

use std::time::Duration;

use schleuse_core::scale::decide::{Evidence, decide};

use crate::support::{asleep, labels, policy, steady};

/// A pool that needs a dozen, has ordered nine, and none of them starts.
fn crashing() -> Evidence {
    Evidence {
        arrivals: steady(500),
        waiting: 5_000,
        starting: 9,
        starting_seconds: 9.0,
        failing_starts: 9,
        previous: 9,
        held: 9,
        descent_from: 9,
        idle: Duration::ZERO,
        raised: Duration::from_secs(3),
        ..asleep()
    }
}

#[test]
fn failing_starts_freeze_ascents() {
    let decision = decide(&policy(), &crashing());
    assert_eq!(decision.replicas, 9);
    assert_eq!(labels(&decision).last(), Some(&"failing"));
    let sound = Evidence {
        failing_starts: 2,
        ..crashing()
    };
    assert!(decide(&policy(), &sound).replicas > 9);
}

#[test]
fn what_has_failed_to_start_is_let_go_and_a_fresh_one_tries_now_and_then() {
    let after = |seconds, trials| {
        let evidence = Evidence {
            stuck: 9,
            trials,
            raised: Duration::from_secs(seconds),
            ..crashing()
        };
        decide(&policy(), &evidence).replicas
    };
    assert_eq!([after(14, 0), after(15, 0), after(15, 4)], [1, 2, 2]);
    // Then more slowly: a night of failing is one start a minute.
    assert_eq!([after(29, 5), after(30, 5)], [1, 2]);
    assert_eq!([after(59, 500), after(60, 500)], [1, 2]);
}

#[test]
fn replicas_that_serve_stay_while_others_fail_to_start() {
    let partly = Evidence {
        ready: 7,
        stuck: 5,
        previous: 9,
        ..crashing()
    };
    assert_eq!(decide(&policy(), &partly).replicas, 7);
}

#[test]
fn p36_silence_and_failing_starts_together_let_nothing_go() {
    let both = Evidence {
        stuck: 9,
        silence: Some(Duration::from_secs(5)),
        ..crashing()
    };
    assert_eq!(decide(&policy(), &both).replicas, 9);
}
