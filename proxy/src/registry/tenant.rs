//! What a tenant of a service has across reloads and pools: how far its rate is used up, and its counters.
//!
//! One per service and tenant that was ever asked for, found once per request. It belongs to neither the config nor a
//! pool: a tenant that moves to another pool, or whose quota changes, keeps its tokens (they are carried over by
//! `schleuse_core::rate`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use schleuse_core::{ArrivalTime, Quota, SharedRate};

/// See the head of this file. Clones are the same tenant.
#[derive(Debug, Clone, Default)]
pub struct Tenant(Arc<TenantRuntime>);

/// See the head of this file.
#[derive(Debug, Default)]
pub struct TenantRuntime {
    rate: Mutex<ArrivalTime>,
    terms: Mutex<Terms>,
    /// What happened since the start.
    pub counts: TenantCounts,
}

/// What a config says about a tenant, kept so that it is looked up once per generation and not once per request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// The config's; 0: none yet.
    pub generation: u64,
    /// What it counts when tenants share a pool.
    pub weight: u64,
    /// Its rate, if it is limited.
    pub quota: Option<Quota>,
}

/// Counters of a tenant of a service.
#[derive(Debug, Default)]
pub struct TenantCounts {
    /// Requests that were identified as its own.
    pub requests: AtomicU64,
    /// Those that waited for a seat.
    pub waited: AtomicU64,
    /// How long they did, µs.
    pub waited_micros: AtomicU64,
    /// Requests above its rate that a limit in `observe` mode let pass.
    pub observed: AtomicU64,
}

impl std::ops::Deref for Tenant {
    type Target = TenantRuntime;

    fn deref(&self) -> &TenantRuntime {
        &self.0
    }
}

impl SharedRate for Tenant {
    fn with<T>(&self, use_it: impl FnOnce(&mut ArrivalTime) -> T) -> T {
        use_it(&mut self.rate.lock())
    }
}

impl TenantRuntime {
    /// What `generation` says, by `look_up` the first time.
    pub fn terms(&self, generation: u64, look_up: impl FnOnce() -> Terms) -> Terms {
        let known = *self.terms.lock();
        if known.generation == generation {
            return known;
        }
        let terms = look_up();
        let mut known = self.terms.lock();
        // A request that still sees an older config must not bring it back.
        if known.generation < generation {
            *known = terms;
        }
        terms
    }

    /// Counts one that waited.
    pub fn waited(&self, waited: Duration) {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.counts.waited.fetch_add(1, Relaxed);
        self.counts.waited_micros.fetch_add(micros, Relaxed);
    }
}
