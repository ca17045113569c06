//! One pool of the config: the core's state of it, its replicas as they start and go, and the recommender's decisions.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use rustc_hash::FxHashMap;
use schleuse_config::{Pool as PoolConfig, PoolPlan};
use schleuse_core::{
    PoolPolicy, PoolState, Ticket, Timestamp,
    scale::{
        demand::{Counters, Increment, Standing},
        learnt::Learnt,
        plan::{Ratchet, WallTime, need},
        policy::ScalePolicy,
        recommender::{Recommender, Replicas},
    },
};

use super::routes::Rate;
use crate::results::PoolSecond;

/// See the head of this file.
pub(super) struct Pool {
    pub(super) state: PoolState<Rate>,
    pub(super) policy: PoolPolicy,
    /// Who waits, by ticket.
    pub(super) tickets: FxHashMap<Ticket, usize>,
    /// When it is looked at next, nanoseconds.
    pub(super) armed: Option<u64>,
    pub(super) scaling: Option<Scaling>,
    fixed: u64,
}

/// The replicas of a pool that is scaled.
pub(super) struct Scaling {
    pub(super) policy: ScalePolicy,
    /// The launches that are announced for it, and the most that they have asked for.
    plan: Option<PoolPlan>,
    asked: Ratchet,
    recommender: Recommender,
    replicas: Vec<Replica>,
    counted: (Timestamp, Counters),
    next: u32,
    wanted: u32,
}

struct Replica {
    number: u32,
    ordered: Timestamp,
    ready: bool,
}

/// Replicas that were ordered now, by number.
pub(super) type Ordered = Vec<u32>;

fn address(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0000 | number & 0x00ff_ffff), 8080))
}

impl Pool {
    /// With the endpoints of its config, or the least number of replicas.
    pub(super) fn new(config: &PoolConfig, plan: Option<&PoolPlan>) -> Self {
        let now = Timestamp::default();
        let mut policy = config.policy.clone();
        // Nobody probes here: endpoints are well until they are gone.
        policy.probed = false;
        let mut pool = Self {
            state: PoolState::new(),
            policy,
            tickets: FxHashMap::default(),
            armed: None,
            scaling: config
                .scale
                .as_ref()
                .map(|scale| Scaling::new(scale.policy.clone(), plan.cloned())),
            fixed: config.endpoints.len() as u64,
        };
        if pool.scaling.is_some() {
            pool.list(now);
        } else {
            pool.state
                .set_endpoints(&pool.policy, &config.endpoints, now);
        }
        pool
    }

    /// A quarter of a second is over, or somebody woke it: decides how many, and begins or ends replicas.
    pub(super) fn decide(&mut self, now: Timestamp, wall: WallTime) -> Ordered {
        let Some(scaling) = &mut self.scaling else {
            return Ordered::new();
        };
        let (counters, gauges) = self.state.demand(now);
        let standing = Standing {
            gauges,
            silence: None,
        };
        let (ordered, ended) = scaling.decide(counters, standing, (now, wall));
        if ended {
            self.list(now);
        }
        ordered
    }

    /// A replica serves from now on; what it took is learnt.
    pub(super) fn ready(&mut self, number: u32, now: Timestamp) {
        let Some(scaling) = &mut self.scaling else {
            return;
        };
        let found = scaling
            .replicas
            .iter_mut()
            .find(|replica| replica.number == number);
        let Some(replica) = found else {
            return; // no longer wanted
        };
        replica.ready = true;
        let took = now - replica.ordered;
        scaling.recommender.learnt.cold_starts.record(took);
        self.list(now);
    }

    /// Tells the core who serves.
    fn list(&mut self, now: Timestamp) {
        let Some(scaling) = &self.scaling else {
            return;
        };
        let ready = scaling.replicas.iter().filter(|replica| replica.ready);
        let addresses: Vec<SocketAddr> = ready.map(|replica| address(replica.number)).collect();
        self.state.set_endpoints(&self.policy, &addresses, now);
        for address in addresses {
            if let Some(endpoint) = self.state.endpoint(address) {
                self.state.answered(&self.policy, endpoint, now);
            }
        }
    }

    /// What a report shows under its plots.
    pub(super) fn second(&self, now: Timestamp) -> PoolSecond {
        let view = self.state.queue(&self.policy, now);
        let (ready, wanted) = match &self.scaling {
            Some(scaling) => (scaling.ready(), scaling.wanted.into()),
            None => (self.fixed, self.fixed),
        };
        PoolSecond {
            replicas_ready: ready,
            replicas_wanted: wanted,
            waiting: view.waiting.into(),
            in_flight: self.state.in_flight(),
        }
    }
}

impl Scaling {
    fn new(policy: ScalePolicy, plan: Option<PoolPlan>) -> Self {
        let now = Timestamp::default();
        let replicas = (0..policy.min).map(|number| Replica {
            number,
            ordered: now,
            ready: true,
        });
        Self {
            recommender: Recommender::new(Learnt::default(), policy.min, now),
            replicas: replicas.collect(),
            counted: (now, Counters::default()),
            next: policy.min,
            wanted: policy.min,
            plan,
            asked: Ratchet::default(),
            policy,
        }
    }

    fn ready(&self) -> u64 {
        self.replicas.iter().filter(|replica| replica.ready).count() as u64
    }

    /// Whom to start, and whether one that served ends.
    fn decide(
        &mut self,
        counters: Counters,
        standing: Standing,
        (now, wall): (Timestamp, WallTime),
    ) -> (Ordered, bool) {
        let (from, before) = std::mem::replace(&mut self.counted, (now, counters));
        self.recommender.observe(Increment {
            from,
            to: now,
            counters: Counters {
                arrivals: counters.arrivals - before.arrivals,
                completions: counters.completions - before.completions,
                seat_micros: counters.seat_micros - before.seat_micros,
            },
        });
        let starting = self.replicas.iter().filter(|replica| !replica.ready);
        let starting: Vec<Duration> = starting.map(|replica| now - replica.ordered).collect();
        let replicas = Replicas {
            ready: u32::try_from(self.ready()).unwrap_or(u32::MAX),
            starting: &starting,
            failing_starts: 0,
        };
        let planned = self.planned(wall);
        let (_, decision) =
            (self.recommender).decide(&self.policy, standing, replicas, planned, now);
        self.wanted = decision.replicas;
        self.follow(now)
    }

    /// Replicas that the launches ask for.
    fn planned(&mut self, wall: WallTime) -> u32 {
        let Some(plan) = &self.plan else {
            return 0;
        };
        let capacity = plan.capacity(&self.policy, &self.recommender.learnt);
        let asked = need(&plan.launches, &capacity, wall);
        self.asked.hold(asked, self.policy.max).replicas
    }

    fn follow(&mut self, now: Timestamp) -> (Ordered, bool) {
        let mut ordered = Ordered::new();
        while (self.replicas.len() as u64) < u64::from(self.wanted) {
            let number = self.next;
            self.next += 1;
            self.replicas.push(Replica {
                number,
                ordered: now,
                ready: false,
            });
            ordered.push(number);
        }
        let mut ended = false;
        while self.replicas.len() as u64 > u64::from(self.wanted) {
            // Those that do not serve yet first, then the youngest.
            let starting = self.replicas.iter().rposition(|replica| !replica.ready);
            let last = self.replicas.len() - 1;
            let gone = self.replicas.remove(starting.unwrap_or(last));
            ended |= gone.ready;
        }
        (ordered, ended)
    }
}
