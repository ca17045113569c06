//! Who gets a seat, and where.

use std::time::Duration;

use schleuse_core::{
    EndpointId, Mode, Outcome, PoolPolicy, Refusal, RetryPolicy, affinity::endpoint_tag,
};

use crate::support::{Bench, RESET, address, addresses, answered};

fn seats(concurrency: u32) -> PoolPolicy {
    PoolPolicy {
        concurrency,
        ..PoolPolicy::default()
    }
}

#[test]
fn a_pool_without_endpoints_refuses_with_that_reason() {
    let mut bench = Bench::new(0, PoolPolicy::default());
    assert_eq!(bench.arrive().unwrap_err(), Refusal::NoEndpoint);
}

#[test]
fn a_pool_whose_seats_are_taken_refuses_with_that_reason_until_one_departs() {
    let mut bench = Bench::new(2, seats(3));
    let mut held = bench.hold(6);
    assert_eq!(bench.arrive().unwrap_err(), Refusal::PoolFull);

    let freed = held.pop().unwrap();
    let endpoint = freed.endpoint;
    bench.depart(freed, Outcome::Abandoned);
    assert_eq!(bench.arrive().unwrap().endpoint, endpoint);
}

#[test]
fn the_last_free_seat_of_hundreds_of_endpoints_is_found_p33() {
    let mut bench = Bench::new(300, seats(1));
    let seen: std::collections::HashSet<_> =
        bench.hold(300).iter().map(|slot| slot.address).collect();
    assert_eq!(seen.len(), 300);
    assert_eq!(bench.arrive().unwrap_err(), Refusal::PoolFull);
}

#[test]
fn a_stream_gives_its_seat_back_and_counts_as_a_success() {
    let mut bench = Bench::new(1, seats(1));
    for _ in 0..20 {
        let slot = bench.arrive().unwrap();
        let _stream = bench.stream(slot).unwrap();
    }
    let view = bench.view(0);
    assert_eq!((view.in_flight, view.streams, view.failures), (0, 20, 0));
}

#[test]
fn an_endpoint_has_no_more_streams_than_it_may() {
    let mut bench = Bench::new(1, seats(2));
    bench.policy.streams_max = 1;
    let first = bench.arrive().unwrap();
    let first = bench.stream(first).unwrap();
    let second = bench.arrive().unwrap();
    let second = bench.stream(second).unwrap_err();
    assert_eq!(bench.view(0).in_flight, 1, "it kept its seat");
    bench.pool.end_stream(first);
    assert!(bench.stream(second).is_ok());
}

#[test]
fn an_endpoint_that_goes_is_kept_until_its_last_stream_ends() {
    let mut bench = Bench::new(1, seats(2));
    let slot = bench.arrive().unwrap();
    let stream = bench.stream(slot).unwrap();
    bench.set_endpoints(&[address(7)]);
    assert_eq!(bench.view(0).streams, 1);
    bench.pool.end_stream(stream);
    assert_eq!(bench.views().len(), 1);
}

#[test]
fn endpoints_that_were_tried_come_last_but_do_come() {
    let mut bench = Bench::new(3, PoolPolicy::default());
    let mut tried = Vec::new();
    for _ in 0..3 {
        let slot = bench.arrive_with(&tried, None).unwrap();
        assert!(!tried.contains(&slot.endpoint));
        tried.push(slot.endpoint);
        bench.depart(slot, RESET);
    }
    assert!(bench.arrive_with(&tried, None).is_ok(), "all were tried");
}

#[test]
fn a_retry_takes_the_free_seat_of_a_tried_endpoint_when_the_others_are_full() {
    let mut bench = Bench::new(2, seats(1));
    let failed = bench.arrive().unwrap();
    let tried = [failed.endpoint];
    let other = bench.arrive().unwrap();
    bench.depart(failed, RESET);

    let again = bench.arrive_with(&tried, None).unwrap();
    assert_ne!(again.endpoint, other.endpoint);
}

#[test]
fn a_session_stays_on_its_endpoint() {
    let mut bench = Bench::new(4, PoolPolicy::default());
    let id = bench.id(2);
    for _ in 0..10 {
        let slot = bench.arrive_with(&[], Some(id)).unwrap();
        assert_eq!((slot.endpoint, slot.affinity_lost), (id, false));
    }
}

#[test]
fn a_session_finds_its_endpoint_by_the_tag_of_its_cookie() {
    let bench = Bench::new(50, PoolPolicy::default());
    for number in 0..50 {
        let tag = endpoint_tag(address(number));
        assert_eq!(bench.pool.session_endpoint(tag), bench.id(number));
    }
    assert_eq!(bench.pool.session_endpoint(7), EndpointId::GONE);
}

#[test]
fn a_session_whose_endpoint_is_gone_moves_and_is_counted() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    let slot = bench.arrive_with(&[], Some(EndpointId::GONE)).unwrap();
    assert!(slot.affinity_lost);
    assert_eq!(bench.pool.totals().affinity_lost, 1);
}

#[test]
fn a_session_whose_endpoint_is_full_ejected_or_in_maintenance_moves_and_is_counted() {
    let losses: [fn(&mut Bench); 3] = [
        |bench| {
            let id = bench.id(0);
            for _ in 0..20 {
                let _held = bench.arrive_with(&[], Some(id)).unwrap();
            }
        },
        |bench| (0..5).for_each(|_| bench.ask(0, RESET)),
        |bench| {
            let now = bench.now;
            assert!(bench.pool.set_mode(address(0), Mode::Maintenance, now));
        },
    ];
    for lose in losses {
        let mut bench = Bench::new(2, PoolPolicy::default());
        lose(&mut bench);
        let (own, other) = (bench.id(0), bench.id(1));
        let slot = bench.arrive_with(&[], Some(own)).unwrap();
        assert_eq!((slot.endpoint, slot.affinity_lost), (other, true));
        assert_eq!(bench.view(0).affinity_lost, 1);
    }
}

#[test]
fn a_retry_leaves_the_endpoint_of_its_session() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    let id = bench.id(0);
    let slot = bench.arrive_with(&[id], Some(id)).unwrap();
    assert_eq!((slot.endpoint, slot.affinity_lost), (bench.id(1), true));
}

#[test]
fn a_session_that_moves_is_counted_once_however_many_attempts_it_takes() {
    let mut bench = Bench::new(3, PoolPolicy::default());
    let own = Some(bench.id(0));
    let mut tried = Vec::new();
    for _ in 0..3 {
        let slot = bench.arrive_with(&tried, own).unwrap();
        tried.push(slot.endpoint);
        bench.depart(slot, RESET);
    }
    assert_eq!(tried.first().copied(), own);
    assert_eq!(bench.pool.totals().affinity_lost, 1);
}

#[test]
fn a_drained_endpoint_serves_its_sessions_and_nobody_else() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    assert!(bench.pool.set_mode(address(0), Mode::Drain, bench.now));
    let drained = bench.id(0);
    let session = bench.arrive_with(&[], Some(drained)).unwrap();
    assert_eq!((session.endpoint, session.affinity_lost), (drained, false));
    assert!(bench.hold(20).iter().all(|slot| slot.endpoint != drained));
    assert_eq!(bench.arrive().unwrap_err(), Refusal::PoolFull);
}

#[test]
fn a_pool_that_is_wholly_taken_out_has_no_endpoint() {
    let mut bench = Bench::new(2, PoolPolicy::default());
    bench.pool.set_mode(address(0), Mode::Drain, bench.now);
    bench
        .pool
        .set_mode(address(1), Mode::Maintenance, bench.now);
    assert_eq!(bench.arrive().unwrap_err(), Refusal::NoEndpoint);
}

#[test]
fn when_no_endpoint_is_healthy_all_but_those_taken_out_are_asked_p29() {
    let probed = PoolPolicy {
        probed: true,
        ..seats(2)
    };
    let mut bench = Bench::new(3, probed);
    for number in 0..3 {
        let id = bench.id(number);
        bench.pool.probed(&bench.policy, id, false, bench.now);
    }
    bench
        .pool
        .set_mode(address(2), Mode::Maintenance, bench.now);
    let out = bench.id(2);
    assert!(bench.hold(4).iter().all(|slot| slot.endpoint != out));
    assert_eq!(bench.arrive().unwrap_err(), Refusal::PoolFull);
}

#[test]
fn a_session_stays_on_its_unhealthy_endpoint_only_while_nobody_is_healthy() {
    let probed = PoolPolicy {
        probed: true,
        ..PoolPolicy::default()
    };
    let mut bench = Bench::new(2, probed);
    let (own, other) = (bench.id(0), bench.id(1));
    bench.pool.probed(&bench.policy, own, false, bench.now);
    assert_eq!(
        bench.arrive_with(&[], Some(own)).unwrap().endpoint,
        other,
        "another one is healthy"
    );
    bench.pool.probed(&bench.policy, other, false, bench.now);
    for _ in 0..3 {
        bench.pool.probed(&bench.policy, other, false, bench.now);
    }
    assert_eq!(bench.arrive_with(&[], Some(own)).unwrap().endpoint, own);
}

#[test]
fn a_request_gets_three_attempts_however_large_the_budget() {
    let mut bench = Bench::new(3, PoolPolicy::default());
    let tried = [0, 1, 2].map(|number| bench.id(number));
    let mut allowed = |attempts: usize| {
        bench
            .pool
            .retry_allowed(&bench.policy, &tried[..attempts], bench.now)
    };
    assert!(allowed(1) && allowed(2) && !allowed(3));
    assert_eq!(bench.pool.totals().retries, 2);
    assert_eq!(bench.pool.totals().retries_denied, 0);
}

#[test]
fn an_outage_is_asked_at_most_a_fifth_more() {
    let mut bench = Bench::new(4, PoolPolicy::default());
    let mut attempts = 0;
    for _ in 0..1_000 {
        let mut tried = Vec::new();
        loop {
            let slot = bench.arrive_with(&tried, None).unwrap();
            attempts += 1;
            tried.push(slot.endpoint);
            bench.depart(slot, RESET);
            if !bench.pool.retry_allowed(&bench.policy, &tried, bench.now) {
                break;
            }
        }
        bench.pass(Duration::from_millis(1));
    }
    assert!((1_150..=1_200).contains(&attempts), "{attempts}");
    assert_eq!(bench.pool.totals().arrivals, 1_000);
}

#[test]
fn a_policy_without_attempts_allows_no_retry() {
    let none = PoolPolicy {
        retry: RetryPolicy {
            attempts_max: 0,
            ..RetryPolicy::default()
        },
        ..PoolPolicy::default()
    };
    let mut bench = Bench::new(1, none);
    assert!(!bench.pool.retry_allowed(&bench.policy, &[], bench.now));
}

#[test]
fn a_policy_of_zero_seats_still_serves_one_request_at_a_time() {
    let mut bench = Bench::new(1, seats(0));
    let slot = bench.arrive().unwrap();
    assert_eq!(bench.arrive().unwrap_err(), Refusal::PoolFull);
    bench.depart(slot, answered(1));
    bench.set_endpoints(&addresses(1));
    assert!(bench.arrive().is_ok());
}
