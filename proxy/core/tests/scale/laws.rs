//! What holds for any evidence and any sequence of reports.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use schleuse_core::scale::{
    arrivals::ArrivalEvidence,
    decide::{Evidence, decide},
    policy::ScalePolicy,
    reason::Reason,
};

use crate::support::{Bench, policy};

prop_compose! {
    fn arrivals()(
        counts in any::<[u32; 4]>(), observed in 0.0..64.0_f64, window in 0.0..60.0_f64,
        in_window in any::<u32>(), slope in -1e6..1e6_f64, recent_slope in -1e6..1e6_f64,
    ) -> ArrivalEvidence {
        ArrivalEvidence {
            counts: counts.map(|count| u64::from(count % 10_000)),
            observed, window, in_window: u64::from(in_window), slope, recent_slope,
        }
    }
}

prop_compose! {
    fn replicas()(
        ready in 0..200_u32, starting in 0..200_u32, stuck in 0..200_u32, failing_starts in 0..6_u32,
        previous in 0..200_u32, held in 0..200_u32, descent_from in 0..200_u32, plan in 0..200_u32,
    ) -> Evidence {
        Evidence {
            ready, starting, stuck: stuck.min(starting), failing_starts, previous, held,
            descent_from: descent_from.max(previous), plan, ..Evidence::default()
        }
    }
}

prop_compose! {
    fn evidence()(
        replicas in replicas(), arrivals in arrivals(), seat_seconds in 1e-6..100.0_f64,
        cold_start_seconds in 0.0..600.0_f64, waiting in 0..100_000_u64, in_flight in 0..10_000_u64,
        seconds in any::<[u16; 4]>(), silence in any::<bool>(), awake in any::<bool>(),
    ) -> Evidence {
        let [silent, idle, since, raised] = seconds.map(|seconds| Duration::from_secs(u64::from(seconds)));
        Evidence {
            arrivals, seat_seconds, cold_start_seconds, waiting, in_flight,
            starting_seconds: f64::from(replicas.starting) * cold_start_seconds / 2.0,
            silence: silence.then_some(silent), idle, awake: awake.then_some(since), raised,
            ..replicas
        }
    }
}

proptest! {
    #[test]
    fn every_decision_is_explained_by_its_last_reason(evidence in evidence()) {
        let decision = decide(&policy(), &evidence);
        let explained = decision.reasons.last().map_or(0, Reason::replicas);
        prop_assert_eq!(decision.replicas, explained, "{:?}", decision);
    }

    #[test]
    fn the_same_evidence_gives_the_same_decision(evidence in evidence()) {
        prop_assert_eq!(decide(&policy(), &evidence), decide(&policy(), &evidence));
    }

    #[test]
    fn the_bounds_hold_whatever_happens(evidence in evidence(), min in 0..20_u32, more in 0..200_u32) {
        let policy = ScalePolicy { min, max: min + more, ..policy() };
        let decision = decide(&policy, &evidence);
        prop_assert!((min..=min + more).contains(&decision.replicas), "{decision:?}");
    }

    #[test]
    fn p36_missing_data_never_scales_down(evidence in evidence(), silence in 0..100_000_u64) {
        let silent = Evidence { silence: Some(Duration::from_millis(silence)), ..evidence };
        let decision = decide(&policy(), &silent);
        prop_assert!(decision.replicas >= silent.previous.min(policy().max), "{decision:?}");
    }

    #[test]
    fn p35_zero_means_that_nothing_arrived_waits_or_is_in_flight(evidence in evidence()) {
        let decision = decide(&policy(), &evidence);
        if decision.replicas == 0 {
            prop_assert!(evidence.is_idle(&policy()));
        }
    }

    #[test]
    fn failing_starts_add_at_most_one(evidence in evidence(), starts in 3..100_u32) {
        let failing = Evidence { failing_starts: starts, ..evidence };
        let decision = decide(&policy(), &failing);
        let most = failing.previous.max(failing.ready).max(1) + 1;
        prop_assert!(decision.replicas <= most, "{decision:?}");
    }

    #[test]
    fn who_waits_never_lowers_what_is_wanted(evidence in evidence(), more in 0..100_000_u64) {
        let longer = Evidence { waiting: evidence.waiting + more, ..evidence };
        prop_assert!(decide(&policy(), &longer).wanted >= decide(&policy(), &evidence).wanted);
    }

    #[test]
    fn numbers_beyond_reason_do_not_panic(evidence in evidence(), odd in any::<[f64; 5]>(), count in any::<u64>()) {
        let [seat, cold, starting, slope, window] = odd;
        let broken = Evidence {
            seat_seconds: seat,
            cold_start_seconds: cold,
            starting_seconds: starting,
            waiting: count,
            in_flight: count,
            previous: u32::MAX,
            held: u32::MAX,
            descent_from: u32::MAX,
            raised: Duration::MAX,
            arrivals: ArrivalEvidence { slope, window, counts: [count; 4], ..evidence.arrivals },
            ..evidence
        };
        prop_assert!(decide(&policy(), &broken).replicas <= policy().max);
    }

    #[test]
    fn a_log_of_evidence_replays_to_the_same_decisions_and_descents_stay_bounded(
        slices in vec((0..800_u64, 0..400_u64, 0..500_u64), 1..200), ready in 0..60_u32
    ) {
        let mut bench = Bench::new();
        bench.ready = ready;
        let mut decided = Vec::new();
        for (arrivals, in_flight, waiting) in slices {
            let (evidence, decision) = bench.slice(arrivals, in_flight, waiting);
            // All runs are shorter than a minute, so no decision is below half of any before it.
            let most = decided.iter().copied().max().unwrap_or(0);
            prop_assert!(decision.replicas >= most / 2);
            decided.push(decision.replicas);
            prop_assert_eq!(decide(&bench.policy, &evidence), decision);
        }
    }
}
