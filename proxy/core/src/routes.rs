//! The index behind [`identify`](crate::identify): hosts to services and tenants, tenants to pools.
//!
//! Immutable, built once per config by [`RoutesBuilder`]. An exact host comes before a wildcard, and a wildcard stands
//! for exactly one label, so each host has one owner and finding it takes two probes at most. Tenants are not routes:
//! one service serves all 10,753 places through one entry here, and the register is probed for the place. The maps hold
//! the operator's own names only, so a hash that an attacker could foresee does no harm.

mod builder;
mod hosts;
mod problem;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::{
    identify::Way,
    key::{RegionalKey, TenantId},
    level::{Level, office},
    path::first_segment,
    register::Register,
};

pub use builder::{RoutesBuilder, ServiceSpec, TenantSpec};
pub use problem::{RouteMistake, RouteSubject, RoutesProblem};

/// A service by its place in the order in which the builder was given them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceIndex(pub u32);

/// A pool by its place in the config's list of pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolIndex(pub u32);

impl ServiceIndex {
    /// For indexing a slice of services.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl PoolIndex {
    /// For indexing a slice of pools.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// A way in which a service lets a request name its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TenantFrom {
    /// The label in front of a wildcard host's domain: ARS, AGS, or the slug of a name that only one place has.
    Host,
    /// The first path segment: ARS of 12, 9 or 5 digits, or AGS.
    Path,
    /// `?ars=` or `?ags=`.
    Query,
    /// The tenant cookie.
    Cookie,
    /// The tenant header of a trusted peer.
    Header,
}

impl TenantFrom {
    pub(crate) const fn way(self) -> Way {
        match self {
            Self::Host => Way::Host,
            Self::Path => Way::Path,
            Self::Query => Way::Query,
            Self::Cookie => Way::Cookie,
            Self::Header => Way::Header,
        }
    }
}

/// Who a host belongs to.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Service(ServiceIndex),
    Tenant {
        key: RegionalKey,
        service: Option<ServiceIndex>,
    },
}

/// [`Owner`] with the service looked up, and the label that a wildcard stood for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HostOwner<'r> {
    Service(&'r ServiceRoute),
    Label(&'r ServiceRoute, &'r str),
    Tenant {
        key: RegionalKey,
        service: Option<&'r ServiceRoute>,
    },
}

/// Hosts to services and tenants, tenants to pools.
#[derive(Debug)]
pub struct Routes {
    register: Arc<Register>,
    services: Vec<ServiceRoute>,
    services_by_name: FxHashMap<Box<str>, ServiceIndex>,
    hosts: FxHashMap<Box<str>, Owner>,
    /// By the domain behind `*.`.
    wildcards: FxHashMap<Box<str>, ServiceIndex>,
}

impl Routes {
    /// The places that keys are looked up in.
    pub const fn register(&self) -> &Arc<Register> {
        &self.register
    }

    /// Whether any service or tenant has this host (normalised). A listener may ask before it knows a path.
    pub fn knows_host(&self, host: &str) -> bool {
        self.owner(host).is_some()
    }

    /// The office in charge of the place or region `key` for a service, and the pool of its requests. None when there is
    /// no such service, or when the key is shorter than the service's level needs.
    pub fn office(&self, service: ServiceIndex, key: RegionalKey) -> Option<(TenantId, PoolIndex)> {
        let route = self.service(service)?;
        let office = office(key, route.level())?;
        Some((office, route.pool(office)))
    }

    /// The level that is in charge of a service.
    pub fn level(&self, service: ServiceIndex) -> Option<Level> {
        self.service(service).map(ServiceRoute::level)
    }

    /// The pool of those tenants of a service that have none of their own.
    pub fn shared_pool(&self, service: ServiceIndex) -> Option<PoolIndex> {
        self.service(service).map(|route| route.pool)
    }

    #[inline]
    pub(crate) fn owner<'r>(&'r self, host: &'r str) -> Option<HostOwner<'r>> {
        if let Some(owner) = self.hosts.get(host) {
            return match *owner {
                Owner::Service(index) => self.service(index).map(HostOwner::Service),
                Owner::Tenant { key, service } => Some(HostOwner::Tenant {
                    key,
                    service: service.and_then(|index| self.service(index)),
                }),
            };
        }
        let (label, domain) = host.split_once('.')?;
        let service = self.service(*self.wildcards.get(domain)?)?;
        Some(HostOwner::Label(service, label))
    }

    /// The service that the first segment of `path` names, and where that segment ends.
    pub(crate) fn service_of_path(&self, path: &str) -> Option<(&ServiceRoute, usize)> {
        let (name, end) = first_segment(path)?;
        let index = self.services_by_name.get(name)?;
        Some((self.service(*index)?, end))
    }

    fn service(&self, index: ServiceIndex) -> Option<&ServiceRoute> {
        self.services.get(index.as_usize())
    }
}

/// What identification needs to know of one service.
#[derive(Debug)]
pub(crate) struct ServiceRoute {
    index: ServiceIndex,
    level: Level,
    tenant_from: Vec<TenantFrom>,
    uses_cookie: bool,
    pool: PoolIndex,
    /// Prefixes of tenants that have a pool of their own.
    pools_by_tenant: FxHashMap<RegionalKey, PoolIndex>,
}

impl ServiceRoute {
    pub(crate) const fn index(&self) -> ServiceIndex {
        self.index
    }

    pub(crate) const fn level(&self) -> Level {
        self.level
    }

    pub(crate) fn tenant_from(&self) -> &[TenantFrom] {
        &self.tenant_from
    }

    pub(crate) const fn uses_cookie(&self) -> bool {
        self.uses_cookie
    }

    /// The pool of the longest prefix of the tenant's key that has one, else the service's.
    #[inline]
    pub(crate) fn pool(&self, tenant: TenantId) -> PoolIndex {
        if self.pools_by_tenant.is_empty() {
            return self.pool;
        }
        let own = [12, 9, 5, 3, 2]
            .into_iter()
            .filter_map(|digits| tenant.key().prefix(digits))
            .find_map(|prefix| self.pools_by_tenant.get(&prefix).copied());
        own.unwrap_or(self.pool)
    }
}
