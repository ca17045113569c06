//! Short runs of the comparison: the goals on three seeds, and that the comparison is what it claims to be.

use std::{cell::RefCell, rc::Rc};

use super::{
    trace::needed_for,
    world::{Seen, run},
    *,
};

/// A sixteenth of the thousand, so that it takes a second.
const POOLS: usize = 60;

fn all_seven(contender: Contender) -> Score {
    let policy = ours::policy(MAX);
    let mut sum = Score::default();
    for trace in Trace::SEVEN {
        sum += summed(contender, trace, trace.pools().min(POOLS), 3, &policy);
    }
    sum
}

#[test]
fn the_recommender_loses_less_is_faster_and_builds_a_fraction_of_what_others_build() {
    let [alone, plan, knative, keda] = [
        Contender::Alone,
        Contender::Plan,
        Contender::Knative,
        Contender::Keda,
    ]
    .map(all_seven);
    assert!(alone.lost <= knative.lost, "{alone:?} {knative:?}");
    assert!(alone.late_seconds <= 1.1 * knative.late_seconds);
    assert!(plan.late_seconds <= 0.9 * knative.late_seconds, "{plan:?}");
    assert!(alone.over <= 0.15 * knative.over, "{alone:?} {knative:?}");
    assert!(alone.over <= 0.05 * keda.over, "{alone:?} {keda:?}");
}

#[test]
fn nobody_waits_for_an_announced_launch() {
    let policy = ours::policy(MAX);
    for trace in [Trace::Step, Trace::Flash] {
        let score = Contender::Plan.run(trace, 1, 2, &policy);
        assert_eq!((score.lost, score.late_seconds), (0, 0.0), "{trace:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_day_for_everybody_and_another_seed_is_another() {
    let policy = ours::policy(MAX);
    let day = |contender: Contender, seed| contender.run(Trace::Step, 1, seed, &policy);
    assert_eq!(day(Contender::Alone, 1), day(Contender::Alone, 1));
    let arrived = |contender, seed| day(contender, seed).arrived;
    assert_eq!(arrived(Contender::Alone, 1), arrived(Contender::Keda, 1));
    assert_ne!(arrived(Contender::Alone, 1), arrived(Contender::Alone, 2));
}

/// Notes the last order of every second.
struct Watched {
    inner: Box<dyn Autoscaler>,
    orders: Rc<RefCell<Vec<u32>>>,
    ticks: u64,
}

impl Autoscaler for Watched {
    fn observe(&mut self, seen: &Seen<'_>) -> Option<u32> {
        self.ticks += 1;
        if self.ticks.is_multiple_of(20) {
            self.orders.borrow_mut().push(seen.target);
        }
        self.inner.observe(seen)
    }
}

#[test]
fn a_steady_poisson_load_stays_within_one_replica_of_what_is_needed() {
    for (rate, seed) in [
        (20, 1),
        (100, 2),
        (500, 3),
        (1_000, 4),
        (2_000, 5),
        (2_000, 6),
    ] {
        let orders = Rc::new(RefCell::new(Vec::new()));
        let make = |_| -> Box<dyn Autoscaler> {
            Box::new(Watched {
                inner: Box::new(Ours::new(ours::policy(MAX), ours::experienced(), None)),
                orders: Rc::clone(&orders),
                ticks: 0,
            })
        };
        run(Trace::Steady(rate), 1, seed, &make, order::by_backlog);
        let needed = needed_for(f64::from(rate));
        // What the start from nothing asked for is gone after three minutes of descent.
        let settled = orders.borrow_mut().split_off(100 + 240);
        assert_eq!(settled.len(), 60);
        assert!(
            settled
                .iter()
                .all(|order| (needed..=needed + 1).contains(order)),
            "{rate}/s need {needed}: {settled:?}"
        );
    }
}

#[test]
fn opponents_behave_as_published() {
    let policy = ours::policy(MAX);
    let step = |contender: Contender| contender.run(Trace::Step, 1, 1, &policy);
    let [knative, keda] = [Contender::Knative, Contender::Keda].map(step);
    // Knative builds for what waits and comes down within minutes; Kubernetes climbs by doubling, too late, and goes on.
    assert_eq!(knative.lost, 0);
    assert!((20.0..100.0).contains(&knative.peak), "{knative:?}");
    assert!(keda.lost > keda.arrived / 50, "{keda:?}");
    assert!(keda.peak > knative.peak, "{keda:?}");
    // 1, 4, 8, 16 … 1,000: ten orders.
    assert_eq!((keda.writes, keda.turns), (10, 0));
}
