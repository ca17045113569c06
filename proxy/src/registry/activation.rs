//! A pool that is woken: what follows from the core's news, and what is told to the core about starts.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use schleuse_core::{
    ActivationView, ColdStart, EndpointId, PoolPhase, Timestamp, WakeFailure, WakeNews,
};
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::{Pool, pool::Guarded, pool::Wakers};
use crate::{
    clock,
    log::{self, Level},
    readiness::{Unprobed, Wanted},
};

/// What has to be done once the lock is given back.
#[derive(Debug, Default)]
pub(super) struct Stir {
    news: Option<WakeNews>,
    unprobed: SmallVec<[(EndpointId, SocketAddr); 4]>,
}

/// An order that was given while an attempt to wake the pool stood.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ordered {
    order: u64,
    attempt: u64,
    /// Orders that were not taken, this one and those before.
    failed: u64,
}

impl Ordered {
    pub(super) fn failed(self) -> u64 {
        self.failed
    }
}

impl Guarded {
    /// Takes what the last event stirred up; those who wait in vain have their answer in their cells.
    pub(super) fn settle(&mut self, now: Timestamp, woken: &mut Wakers) -> Stir {
        let Self {
            state,
            config,
            waiters,
            ..
        } = self;
        while let Some((ticket, refused)) = state.turn_away(&config.policy, now) {
            woken.extend(waiters.refuse(ticket, refused));
        }
        Stir {
            news: state.take_news(),
            unprobed: std::iter::from_fn(|| state.unprobed()).collect(),
        }
    }
}

impl Pool {
    /// Does what an event stirred up. Without the lock.
    pub(super) fn act(&self, stir: Stir) {
        for (endpoint, address) in stir.unprobed {
            self.readiness.push(Unprobed {
                pool: self.itself.clone(),
                endpoint,
                address,
            });
        }
        let Some(news) = stir.news else {
            return;
        };
        match news {
            WakeNews::Wake { attempt } => {
                self.expect_answers();
                self.wakes.push(self.name());
                self.tell(
                    Level::Info,
                    "pool_wakes",
                    &[("attempt", attempt.to_string())],
                );
            }
            WakeNews::Awake { took } => {
                self.wakes.push(self.name()); // whoever measures starts sees the end of this one at once
                let took = took.as_millis().to_string();
                self.tell(Level::Info, "pool_awake", &[("took_ms", took)]);
            }
            WakeNews::Failed {
                attempt,
                why,
                until,
            } => {
                let pause = (until - clock::now()).as_millis().to_string();
                let fields = [
                    ("attempt", attempt.to_string()),
                    ("why", why.label().to_owned()),
                    ("pause_ms", pause),
                ];
                self.tell(Level::Warn, "wake_failed", &fields);
            }
        }
    }

    fn tell(&self, level: Level, event: &str, more: &[(&str, String)]) {
        let mut fields: SmallVec<[(&str, &str); 4]> = SmallVec::new();
        fields.push(("pool", self.name()));
        fields.extend(more.iter().map(|(key, value)| (*key, &**value)));
        log::event(level, event, &fields);
    }

    /// Where it stands; none: nobody starts endpoints for it.
    pub fn activation(&self) -> Option<ActivationView> {
        let guarded = self.guarded.lock();
        guarded
            .state
            .activation(&guarded.config.policy, clock::now())
    }

    /// Whether the last attempt to wake it was given up, and no other has begun.
    pub fn wake_timed_out(&self) -> bool {
        let failed = |view: ActivationView| match view.phase {
            PoolPhase::Failed { why, .. } => why == WakeFailure::TimedOut,
            _ => false,
        };
        self.activation().is_some_and(failed)
    }

    /// Number of the last attempt to wake it; 0: there was none.
    pub fn attempt(&self) -> u64 {
        self.guarded.lock().state.attempt()
    }

    /// What the endpoint has to answer before it takes anything; none: it has, or is gone.
    pub fn wanted(&self, endpoint: EndpointId) -> Option<Wanted> {
        let guarded = self.guarded.lock();
        let Guarded { state, config, .. } = &*guarded;
        state.is_starting(endpoint).then(|| Wanted {
            health: config.health.clone(),
            is_awaited: state
                .activation(&config.policy, clock::now())
                .is_some_and(|view| matches!(view.phase, PoolPhase::Waking { .. })),
        })
    }

    /// Rung by [`Self::expect_answers`].
    pub fn expected(&self) -> Arc<Notify> {
        self.expected.clone()
    }

    /// Somebody starts its endpoints now: those that have not answered are probed as often as new ones again.
    pub fn expect_answers(&self) {
        self.expected.notify_waiters();
    }

    /// A starting endpoint answered a probe.
    pub fn answered(&self, endpoint: EndpointId) {
        let now = clock::now();
        self.event(now, |guarded| {
            let Guarded { state, config, .. } = guarded;
            state.answered(&config.policy, endpoint, now);
        });
    }

    /// A starting endpoint was probed for long enough to say that it does not serve now.
    pub fn note_unanswered(&self, endpoint: EndpointId) {
        self.guarded.lock().state.note_unanswered(endpoint);
    }

    /// A replica that was started while `attempt` was the last one could not be started, or ended too soon.
    pub fn start_failed(&self, attempt: u64) {
        let now = clock::now();
        self.event(now, |guarded| {
            let Guarded { state, config, .. } = guarded;
            state.endpoint_ended(&config.policy, attempt, now);
        });
    }

    /// The order of this number was given for it now.
    pub fn note_order(&self, order: u64) {
        let mut guarded = self.guarded.lock();
        let attempt = guarded.state.attempt();
        guarded.ordered.order = order;
        guarded.ordered.attempt = attempt;
    }

    /// Whether an attempt to wake it was given up, and whoever starts its endpoints was told nothing since the next began.
    pub fn is_woken_again(&self) -> bool {
        let guarded = self.guarded.lock();
        let view = guarded
            .state
            .activation(&guarded.config.policy, clock::now());
        let phase = view.map(|view| view.phase);
        matches!(phase, Some(PoolPhase::Waking { attempt, .. }) if attempt > guarded.ordered.attempt.max(1))
    }

    /// The order of this number could not be carried out; of an older one it is counted only.
    pub fn order_failed(&self, order: u64) {
        let now = clock::now();
        self.event(now, |guarded| {
            let Guarded {
                state,
                config,
                ordered,
                ..
            } = guarded;
            ordered.failed += 1;
            if ordered.order == order {
                state.wake_failed(&config.policy, ordered.attempt, now);
            }
        });
    }

    /// Takes over what was learnt of its cold starts: half, nine tenths and 99 of 100 took no longer.
    pub fn learn_cold_start(&self, [p50, p90, p99]: [Duration; 3]) {
        let cold_start = ColdStart { p50, p90, p99 };
        self.guarded.lock().state.learn_cold_start(cold_start);
    }
}
