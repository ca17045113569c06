//! Runtime state that outlives every reload, keyed by identity: a pool by its name, an endpoint by pool and address, a
//! service by its name, a tenant by service and id.
//!
//! A config never holds any of it; a new snapshot finds what is there under the same names. Removing a pool and adding
//! it again brings its state back as long as somebody still used it, otherwise it starts anew.

mod activation;
mod endpoints;
mod held;
mod pool;
mod sample;
mod tenant;
mod waiters;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use schleuse_core::TenantId;

pub(crate) use held::plain;
pub use held::{HeldSlot, HeldStream, Place};
pub use pool::{Arrived, Pool, Requeued};
pub use tenant::{Tenant, TenantRuntime, Terms};

use crate::{
    metrics::Metrics, metrics::ServiceMetrics, pool_clock::PoolClock, readiness::Readiness,
    wakes::Wakes,
};

/// Everything that lives across reloads.
#[derive(Debug)]
pub struct Registry {
    pools: DashMap<String, Arc<Pool>>,
    services: DashMap<String, Arc<ServiceRuntime>>,
    shared: Shared,
    service_numbers: AtomicU32,
    workers: usize,
}

/// What all pools report to.
#[derive(Debug, Default)]
struct Shared {
    clock: Arc<PoolClock>,
    wakes: Arc<Wakes>,
    readiness: Arc<Readiness>,
    endpoint_numbers: Arc<AtomicU32>,
}

impl Registry {
    /// An empty one, for this many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            pools: DashMap::new(),
            services: DashMap::new(),
            shared: Shared::default(),
            service_numbers: AtomicU32::new(0),
            workers,
        }
    }

    /// How many workers serve.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The runtime of the pool of this name; a new one has no endpoints until it adopts them.
    pub fn pool(&self, config: &Arc<schleuse_config::Pool>) -> Arc<Pool> {
        let new = || Pool::new(config.clone(), &self.shared, self.workers);
        let pool = self.pools.entry(config.name.clone());
        pool.or_insert_with(new).clone()
    }

    /// The runtime of the service of this name.
    pub fn service(&self, name: &str, metrics: &Metrics) -> Arc<ServiceRuntime> {
        self.services
            .entry(name.to_owned())
            .or_insert_with(|| {
                let number = self.service_numbers.fetch_add(1, Relaxed);
                Arc::new(ServiceRuntime {
                    number,
                    metrics: metrics.service(name),
                    tenants: DashMap::default(),
                })
            })
            .clone()
    }

    /// What looks at the pools when they are due. Without [`PoolClock::run`] nothing happens there by itself.
    pub fn clock(&self) -> Arc<PoolClock> {
        self.shared.clock.clone()
    }

    /// The pools that somebody is to decide about at once.
    pub fn wakes(&self) -> &Arc<Wakes> {
        &self.shared.wakes
    }

    /// What probes endpoints that were started.
    pub fn readiness(&self) -> &Arc<Readiness> {
        &self.shared.readiness
    }

    /// Forgets pools and services that no snapshot and no request uses any more.
    pub fn sweep(&self) {
        self.pools.retain(|_, pool| Arc::strong_count(pool) > 1);
        self.services
            .retain(|_, service| Arc::strong_count(service) > 1);
    }
}

/// What a service has across reloads.
#[derive(Debug)]
pub struct ServiceRuntime {
    /// Unique in this process; part of the isolation group of its upstream connections.
    pub number: u32,
    /// Its counters.
    pub metrics: ServiceMetrics,
    /// Those that were ever asked for; as many as the register has at most. Ids come out of the register, so nobody can
    /// choose them to collide.
    tenants: DashMap<TenantId, Tenant, FxBuildHasher>,
}

impl ServiceRuntime {
    /// A tenant of this service.
    pub fn tenant(&self, tenant: TenantId) -> Tenant {
        if let Some(known) = self.tenants.get(&tenant) {
            return known.clone();
        }
        self.tenants.entry(tenant).or_default().clone()
    }

    /// A tenant that was asked for before.
    pub fn known_tenant(&self, tenant: TenantId) -> Option<Tenant> {
        self.tenants.get(&tenant).map(|known| known.clone())
    }

    /// Shows every tenant that was ever asked for. Who asks for a new one meanwhile waits for a part of them.
    pub fn each_tenant(&self, mut see: impl FnMut(TenantId, &TenantRuntime)) {
        for entry in &self.tenants {
            see(*entry.key(), entry.value());
        }
    }
}
