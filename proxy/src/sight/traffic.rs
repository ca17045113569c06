//! One tenant of one service as everything that shows it needs it: queue, limits and counters in one look.

use schleuse_config::Service;
use schleuse_core::{
    FairBy, FlowKey, FlowView, Quota, ServiceIndex, SharedRate as _, TenantId, Timestamp,
};

use crate::{admit, edge::Live, registry::Tenant};

/// See the head of this file.
#[derive(Debug)]
pub struct Traffic<'l> {
    /// Its service.
    pub service: &'l Service,
    /// The office.
    pub tenant: TenantId,
    /// What it counts beside the others of its pool, whether it has requests there or not.
    pub weight: u64,
    /// In its pool's queue; none: it has nothing waiting or in flight, and owes nothing.
    pub flow: Option<FlowView>,
    /// Its counters; none: it was never asked for.
    pub runtime: Option<Tenant>,
    /// Its rate; none: not limited.
    pub quota: Option<Quota>,
    now: Timestamp,
}

impl<'l> Traffic<'l> {
    /// Of the office `tenant` for the service with this index; none: there is no such service.
    pub fn of(
        live: &'l Live,
        index: ServiceIndex,
        tenant: TenantId,
        now: Timestamp,
    ) -> Option<Self> {
        let position = index.0 as usize;
        let service = live.snapshot.services.get(position)?;
        let runtime = live.services.get(position)?;
        let key = FlowKey {
            service: runtime.number,
            tenant,
        };
        let office = live.snapshot.routes.office(index, tenant.key());
        let pool = office.map(|(_, pool)| pool.as_usize());
        let config = pool.and_then(|pool| live.snapshot.pools.get(pool));
        let fair_by = config.map_or(FairBy::Population, |pool| pool.policy.queue.fair_by);
        let population = live.snapshot.register.population(tenant);
        Some(Self {
            service,
            tenant,
            weight: counted(live.snapshot.weight(tenant), fair_by),
            flow: pool.and_then(|pool| live.pools.get(pool)?.flow(key)),
            runtime: runtime.known_tenant(tenant),
            quota: admit::quota(service, population),
            now,
        })
    }

    /// The same by the key that pools know it under; none: its service has left the config.
    pub fn find(live: &'l Live, key: FlowKey, now: Timestamp) -> Option<Self> {
        let mut services = (0..).zip(&live.services);
        let (index, _) = services.find(|(_, service)| service.number == key.service)?;
        Self::of(live, ServiceIndex(index), key.tenant, now)
    }

    /// Requests that its rate would let through at once; none: not limited.
    pub fn tokens(&self) -> Option<u64> {
        let quota = self.quota?;
        let fresh = whole(quota.burst());
        let left = |tenant: &Tenant| tenant.with(|rate| rate.remaining(&quota, self.now));
        Some(self.runtime.as_ref().map_or(fresh, left))
    }

    /// When it was looked at.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

/// What the queue makes of a weight.
fn counted(weight: u64, fair_by: FairBy) -> u64 {
    match fair_by {
        FairBy::Population => weight,
        FairBy::SquareRoot => weight.isqrt(),
        FairBy::Equal | FairBy::None => 1,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a burst is at least one; beyond the range the greatest number is as good"
)]
fn whole(requests: f64) -> u64 {
    requests as u64
}
