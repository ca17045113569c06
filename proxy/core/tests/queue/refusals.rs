//! Who may not wait, and what they are told.

use std::time::Duration;

use schleuse_core::{Admission, Leave, Refusal};

use crate::support::{Ask, Bench, of};

#[test]
fn one_client_network_holds_no_more_than_its_share_of_its_tenants_places() {
    let mut bench = Bench::new(1);
    bench.policy.queue.waiting_per_tenant_max = 20;
    bench.policy.queue.client_share = 10;
    let _slot = bench.go(&of(0));
    let waits = [bench.wait(&of(1)), bench.wait(&of(1))];
    assert_eq!(bench.refused(&of(1)).refusal, Refusal::ClientWaiting);
    let other = Ask {
        client: 77,
        ..of(1)
    };
    bench.wait(&other);
    bench.leave(waits[0], Leave::Gone);
    bench.wait(&of(1));
}

#[test]
fn a_tenants_places_and_bytes_are_bounded_without_the_others_noticing() {
    let mut bench = Bench::new(1);
    bench.policy.queue.waiting_per_tenant_max = 3;
    bench.policy.queue.bytes_per_tenant_max = 1_000;
    let _slot = bench.go(&of(0));
    for client in 0..3 {
        bench.wait(&Ask { client, ..of(1) });
    }
    let another = Ask { client: 3, ..of(1) };
    assert_eq!(bench.refused(&another).refusal, Refusal::TenantQueueFull);
    let large = Ask {
        bytes: 1_001,
        ..of(2)
    };
    assert_eq!(bench.refused(&large).refusal, Refusal::TenantQueueFull);
    bench.wait(&of(2));
}

#[test]
fn a_pools_places_and_bytes_are_bounded() {
    let mut bench = Bench::new(1);
    bench.policy.queue.waiting_max = 3;
    bench.policy.queue.bytes_max = 250;
    let _slot = bench.go(&of(0));
    let _waits = [bench.wait(&of(1)), bench.wait(&of(2))];
    assert_eq!(bench.refused(&of(3)).refusal, Refusal::QueueFull, "bytes");
    let empty = Ask { bytes: 0, ..of(3) };
    bench.wait(&empty);
    assert_eq!(bench.refused(&empty).refusal, Refusal::QueueFull, "places");
}

#[test]
fn of_several_full_bounds_the_widest_is_the_reason() {
    let mut bench = Bench::new(1);
    bench.policy.queue.waiting_max = 2;
    bench.policy.queue.waiting_per_tenant_max = 2;
    bench.policy.queue.client_share = 50;
    let _slot = bench.go(&of(0));
    let other = Ask {
        client: 77,
        ..of(1)
    };
    let waits = [bench.wait(&of(1)), bench.wait(&other)];
    assert_eq!(bench.refused(&of(1)).refusal, Refusal::QueueFull);
    bench.policy.queue.waiting_max = 3;
    assert_eq!(bench.refused(&of(1)).refusal, Refusal::TenantQueueFull);
    bench.leave(waits[1], Leave::Gone);
    assert_eq!(bench.refused(&of(1)).refusal, Refusal::ClientWaiting);
}

#[test]
fn who_would_wait_too_long_is_told_at_once_to_come_back_while_the_queue_drains() {
    let mut bench = Bench::new(1);
    bench.policy.queue.wait_max = Duration::from_secs(2);
    bench.teach(1, 1_000);
    let _slot = bench.go(&of(1));
    let predicted = bench.wait(&of(1)).predicted;
    assert_eq!(predicted, Duration::from_secs(1));
    bench.wait(&of(1));
    let backs: Vec<_> = (0..50).map(|_| bench.refused(&of(1))).collect();
    assert!(
        backs
            .iter()
            .all(|back| back.refusal == Refusal::WaitTooLong)
    );
    let seconds = backs
        .iter()
        .map(|back| back.retry_after.unwrap().as_secs_f64());
    let (least, most) = seconds.fold((9.0_f64, 0.0_f64), |(least, most), seconds| {
        (least.min(seconds), most.max(seconds))
    });
    assert!(
        (1.0..1.3).contains(&least) && (2.7..3.0).contains(&most),
        "{least} to {most}"
    );
}

#[test]
fn a_quiet_tenant_is_not_told_that_the_floods_backlog_is_its_own() {
    let mut bench = Bench::new(1);
    bench.policy.queue.wait_max = Duration::from_secs(10);
    bench.teach(1, 1_000);
    bench.teach(2, 1_000);
    let _slot = bench.go(&of(1));
    for _ in 0..9 {
        bench.wait(&of(1));
    }
    let predicted = bench.wait(&of(2)).predicted;
    assert!(predicted <= Duration::from_secs(2), "{predicted:?}");
}

#[test]
fn whose_time_is_over_is_never_dispatched_and_leaves_as_expired() {
    let mut bench = Bench::new(1);
    bench.policy.queue.wait_max = Duration::from_secs(1);
    let slot = bench.go(&of(0));
    let late = bench.wait(&of(1));
    bench.pass(Duration::from_micros(1_000_001));
    bench.depart(slot);
    assert!(bench.dispatch().is_none());
    assert_eq!(bench.waiting(), 0, "it holds no place any more");
    let refused = bench.leave(late, Leave::Expired).unwrap();
    assert_eq!(refused.refusal, Refusal::WaitExpired);
    assert!(refused.retry_after >= Some(Duration::from_secs(1)));
    assert_eq!(bench.pool.totals().expired, 1);
}

#[test]
fn at_the_last_moment_one_is_still_dispatched() {
    let mut bench = Bench::new(1);
    bench.policy.queue.wait_max = Duration::from_secs(1);
    let slot = bench.go(&of(0));
    let waiting = bench.wait(&of(1));
    bench.now = waiting.until;
    bench.depart(slot);
    assert_eq!(bench.dispatch().unwrap().ticket, waiting.ticket);
}

#[test]
fn without_a_queue_who_gets_no_seat_is_refused() {
    let without: [fn(&mut Bench); 2] = [
        |bench| bench.policy.queue.waiting_max = 0,
        |bench| bench.policy.queue.wait_max = Duration::ZERO,
    ];
    for remove in without {
        let mut bench = Bench::new(1);
        remove(&mut bench);
        let _slot = bench.go(&of(0));
        assert_eq!(bench.refused(&of(1)).refusal, Refusal::PoolFull);
    }
}

#[test]
fn a_small_flow_is_not_told_of_a_wait_that_its_least_weight_spares_it() {
    let mut bench = Bench::new(1);
    bench.policy.queue.wait_max = Duration::from_secs(10);
    let berlin = Ask {
        inhabitants: 3_700_000,
        ..of(1)
    };
    let groede = Ask {
        inhabitants: 7,
        ..of(2)
    };
    bench.teach(1, 500);
    let slot = bench.go(&berlin);
    while let Admission::Wait(_) = bench.arrive(&berlin) {}
    let waiting = bench.wait(&groede);
    assert!(waiting.predicted <= Duration::from_secs(1), "{waiting:?}");
    let next = bench.next_after(slot, 500).unwrap();
    assert_eq!(next.ticket, waiting.ticket);
}

#[test]
fn a_client_network_that_names_many_tenants_leaves_places_to_others() {
    let mut bench = Bench::new(1);
    bench.policy.queue.waiting_max = 20;
    bench.policy.queue.client_share = 20;
    let _slot = bench.go(&of(0));
    let from_one = |tenant| Ask {
        client: 77,
        ..of(tenant)
    };
    for tenant in 1..5 {
        bench.wait(&from_one(tenant));
    }
    let refused = bench.refused(&from_one(5));
    assert_eq!(refused.refusal, Refusal::ClientWaiting);
    bench.wait(&of(5));
}
