//! Laws that hold after every step of any sequence of events.
//!
//! The model is small: which slots are held, which addresses are listed, what the operator said of each. Everything
//! that the pool shows of itself must agree with it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use proptest::{collection::vec, prelude::*};
use schleuse_core::{
    EjectionPolicy, EndpointId, EndpointView, Mode, Outcome, PoolPolicy, Refusal, Slot,
};

use crate::support::{Bench, RESET, address, answered, no_queue};

/// Addresses that take part.
const ADDRESSES: u16 = 12;

#[derive(Clone, Debug)]
enum Event {
    Reload {
        listed: u16,
        policy: Box<PoolPolicy>,
    },
    Arrive {
        tried: u16,
        preferred: Option<u16>,
    },
    Depart {
        slot: usize,
        outcome: Outcome,
    },
    Probe {
        number: u16,
        ok: bool,
    },
    Operator {
        number: u16,
        mode: Mode,
    },
    Pass {
        millis: u64,
    },
    Retry {
        tried: usize,
    },
}

fn policies() -> impl Strategy<Value = PoolPolicy> {
    let shares = prop_oneof![Just(0.0), Just(0.34), Just(0.5), Just(1.0)];
    (
        0..5_u32,
        prop_oneof![Just(0), Just(2_000_u64)],
        shares,
        any::<bool>(),
    )
        .prop_map(
            |(concurrency, slow_start, ejected_share_max, probed)| PoolPolicy {
                concurrency,
                slow_start: Duration::from_millis(slow_start),
                ejection: EjectionPolicy {
                    consecutive_failures: 2,
                    minimum_requests: 6,
                    base: Duration::from_secs(3),
                    max: Duration::from_secs(9),
                    ejected_share_max,
                    ..EjectionPolicy::default()
                },
                probed,
                queue: no_queue(),
                ..PoolPolicy::default()
            },
        )
}

fn events() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        (0..3_000_u64).prop_map(answered),
        Just(RESET),
        Just(RESET),
        Just(Outcome::Abandoned),
    ];
    let mode = prop_oneof![
        Just(Mode::Ready),
        Just(Mode::Drain),
        Just(Mode::Maintenance)
    ];
    // Few bits set: most arrivals have tried nobody.
    let tried = (any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(a, b, c)| a & b & c);
    prop_oneof![
        1 => (any::<u16>(), policies()).prop_map(|(listed, policy)| Event::Reload { listed, policy: policy.into() }),
        8 => (tried, proptest::option::of(0..ADDRESSES))
            .prop_map(|(tried, preferred)| Event::Arrive { tried, preferred }),
        6 => (any::<usize>(), outcome).prop_map(|(slot, outcome)| Event::Depart { slot, outcome }),
        2 => (0..ADDRESSES, any::<bool>()).prop_map(|(number, ok)| Event::Probe { number, ok }),
        1 => (0..ADDRESSES, mode).prop_map(|(number, mode)| Event::Operator { number, mode }),
        2 => (0..4_000_u64).prop_map(|millis| Event::Pass { millis }),
        1 => (0..4_usize).prop_map(|tried| Event::Retry { tried }),
    ]
}

/// The pool beside what must be true of it.
struct Model {
    bench: Bench,
    held: Vec<Slot>,
    modes: BTreeMap<SocketAddr, Mode>,
    concurrency_max: u32,
}

impl Model {
    fn new() -> Self {
        Self {
            bench: Bench::new(0, PoolPolicy::default()),
            held: Vec::new(),
            modes: BTreeMap::new(),
            concurrency_max: 0,
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Reload { listed, policy } => self.reload(listed, *policy),
            Event::Arrive { tried, preferred } => self.arrive(tried, preferred),
            Event::Depart { slot, outcome } => {
                if let Some(index) = slot.checked_rem(self.held.len()) {
                    let slot = self.held.swap_remove(index);
                    self.bench.depart(slot, outcome);
                }
            }
            Event::Probe { number, ok } => {
                let now = self.bench.now;
                if let Some(id) = self.bench.pool.endpoint(address(number)) {
                    self.bench.pool.probed(&self.bench.policy, id, ok, now);
                }
            }
            Event::Operator { number, mode } => {
                let now = self.bench.now;
                if self.bench.pool.set_mode(address(number), mode, now) {
                    self.modes.insert(address(number), mode);
                }
            }
            Event::Pass { millis } => self.bench.pass(Duration::from_millis(millis)),
            Event::Retry { tried } => {
                let tried = vec![EndpointId::GONE; tried];
                let (policy, now) = (&self.bench.policy, self.bench.now);
                let allowed = self.bench.pool.retry_allowed(policy, &tried, now);
                assert!(!allowed || tried.len() < 3, "beyond attempts_max");
            }
        }
        let views = self.bench.views();
        self.modes
            .retain(|address, _| views.iter().any(|view| view.address == *address));
        self.check(&views);
    }

    fn reload(&mut self, listed: u16, policy: PoolPolicy) {
        let list: Vec<SocketAddr> = (0..ADDRESSES)
            .filter(|number| listed >> number & 1 == 1)
            .map(address)
            .collect();
        let before = self.bench.views();
        self.concurrency_max = self.concurrency_max.max(policy.concurrency);
        self.bench.policy = policy;
        self.bench.set_endpoints(&list);
        let after = self.bench.views();
        for old in before {
            let kept = after.iter().find(|new| new.address == old.address);
            let stays = list.contains(&old.address) && (old.listed || old.in_flight > 0);
            assert!(
                !stays || kept.is_some_and(|new| same(&old, new)),
                "{old:?} {kept:?}"
            );
        }
        let shown = after.iter().filter(|view| view.listed).count();
        assert_eq!(shown, list.len());
    }

    fn arrive(&mut self, tried: u16, preferred: Option<u16>) {
        let tried: Vec<EndpointId> = (0..ADDRESSES)
            .filter(|number| tried >> number & 1 == 1)
            .filter_map(|number| self.bench.pool.endpoint(address(number)))
            .collect();
        let preferred = preferred.map(|number| {
            let id = self.bench.pool.endpoint(address(number));
            id.unwrap_or(EndpointId::GONE)
        });
        let before = self.bench.views();
        let ready = |view: &&EndpointView| view.listed && view.mode == Mode::Ready;
        let sound = |view: &EndpointView| {
            view.healthy && view.ejected_until.is_none() && view.paused_until.is_none()
        };
        let free = |view: &EndpointView| view.in_flight < view.seats;
        let usable = before.iter().filter(ready).any(sound);
        let could: Vec<&EndpointView> = before
            .iter()
            .filter(ready)
            .filter(|view| !usable || sound(view))
            .collect();
        match self.bench.arrive_with(&tried, preferred) {
            Err(Refusal::NoEndpoint) => assert!(could.is_empty(), "{could:?}"),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::PoolFull);
                assert!(!could.is_empty());
                assert!(!could.iter().any(|view| free(view)), "P33: {could:?}");
            }
            Ok(slot) => {
                let chosen = before.iter().find(|view| view.id == slot.endpoint).unwrap();
                assert!(free(chosen) && chosen.listed);
                let session = preferred == Some(slot.endpoint);
                let serves = session && sound(chosen) && chosen.mode == Mode::Drain;
                assert!(serves || could.contains(&chosen), "{chosen:?}");
                assert_eq!(slot.affinity_lost, preferred.is_some() && !session);
                if tried.contains(&slot.endpoint) {
                    let other = |view: &&&EndpointView| free(view) && !tried.contains(&view.id);
                    assert_eq!(could.iter().find(other), None, "tried ones come last");
                }
                self.held.push(slot);
            }
        }
    }

    fn check(&self, views: &[EndpointView]) {
        for view in views {
            let held = self.held.iter().filter(|slot| slot.endpoint == view.id);
            assert_eq!(view.in_flight as usize, held.count(), "{view:?}");
            assert!(view.in_flight <= self.concurrency_max.max(1), "{view:?}");
            assert!(view.listed || view.in_flight > 0, "{view:?} should be gone");
            let mode = self.modes.get(&view.address).copied().unwrap_or_default();
            assert_eq!(view.mode, mode, "{view:?}");
            assert!(view.healthy || self.bench.policy.probed, "{view:?}");
        }
        let totals = self.bench.pool.totals();
        let in_flight = self.bench.pool.in_flight();
        assert_eq!(totals.admitted, totals.departed + in_flight);
        assert_eq!(in_flight, self.held.len() as u64);

        let listed: Vec<&EndpointView> = views.iter().filter(|view| view.listed).collect();
        let out = listed.iter().filter(|view| view.ejected_until.is_some());
        let out = u32::try_from(out.count()).unwrap();
        let all = u32::try_from(listed.len()).unwrap();
        let share = self.bench.policy.ejection.ejected_share_max;
        assert!(f64::from(out) <= f64::from(all) * share, "{out} of {all}");
        assert!(out == 0 || out < all, "{out} of {all}");
    }
}

/// Whether what must outlive a reload is the same.
fn same(old: &EndpointView, new: &EndpointView) -> bool {
    let kept = |view: &EndpointView| {
        (
            view.id,
            view.in_flight,
            view.mode,
            view.latency,
            view.arrivals,
            view.failures,
            view.ejections,
        )
    };
    kept(old) == kept(new) && new.listed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn seats_sessions_ejections_and_refusals_obey_their_laws_in_every_sequence(
        listed: u16, policy in policies(), events in vec(events(), 1..200)
    ) {
        let mut model = Model::new();
        model.step(Event::Reload { listed, policy: policy.into() });
        for event in events {
            model.step(event);
        }
    }
}
