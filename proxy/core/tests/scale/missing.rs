//! Missing data is not zero (P36, kedacore/keda#1850: an unreachable metrics endpoint scaled a workload to zero).

use std::time::Duration;

use schleuse_core::scale::decide::{Evidence, decide};

use crate::support::{Bench, asleep, labels, policy, serving};

#[test]
fn p36_nothing_goes_while_somebody_does_not_report() {
    let silent = Evidence {
        silence: Some(Duration::from_mins(10)),
        previous: 17,
        ..asleep()
    };
    let decision = decide(&policy(), &silent);
    assert_eq!(decision.replicas, 17);
    assert_eq!(labels(&decision), ["stale"]);
}

#[test]
fn p36_what_is_reported_may_still_ask_for_more() {
    let silent = Evidence {
        silence: Some(Duration::from_secs(2)),
        ..serving(4_000, 12)
    };
    assert_eq!(decide(&policy(), &silent).replicas, 23);
}

#[test]
fn p36_an_outage_of_the_reports_starts_no_descent_when_it_ends() {
    let mut bench = Bench::new();
    bench.ready = 12;
    assert_eq!(bench.slices(300, 500, 200, 0).replicas, 12);
    bench.silence = Some(Duration::from_secs(20));
    assert_eq!(bench.slices(300, 0, 0, 0).replicas, 12);
    bench.silence = None;
    let first = bench.slice(500, 200, 0).1;
    assert_eq!(first.replicas, 12, "{first:?}");
    // And the return is no growth from zero to a forecast of the fourfold either.
    let most = (0..40).map(|_| bench.slice(500, 200, 0).1.replicas).max();
    assert_eq!(most, Some(12));
}
