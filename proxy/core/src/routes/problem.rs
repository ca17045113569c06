//! What can be wrong with routes. Each problem names its subject by the operator's own words, so that the config can find
//! the line they stand in.

use std::fmt;

use crate::host::HostError;

/// One problem of the routes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: {mistake}")]
pub struct RoutesProblem {
    /// Which entry.
    pub subject: RouteSubject,
    /// What is wrong with it.
    pub mistake: RouteMistake,
}

/// The entry that a problem is about. Texts stand as they were given to the builder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteSubject {
    /// A service.
    Service {
        /// Its name.
        service: String,
    },
    /// One of a service's hosts.
    ServiceHost {
        /// The service's name.
        service: String,
        /// The host.
        host: String,
    },
    /// An entry of a service's pools by tenant.
    ServiceTenant {
        /// The service's name.
        service: String,
        /// The tenant's key.
        tenant: String,
    },
    /// An override of a tenant.
    Tenant {
        /// The tenant's key.
        tenant: String,
    },
    /// One of a tenant's own hosts.
    TenantHost {
        /// The tenant's key.
        tenant: String,
        /// The host.
        host: String,
    },
}

impl fmt::Display for RouteSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { service } => write!(f, "service {service}"),
            Self::ServiceHost { service, host } => write!(f, "service {service}, host {host}"),
            Self::ServiceTenant { service, tenant } => {
                write!(f, "service {service}, pool of tenant {tenant}")
            }
            Self::Tenant { tenant } => write!(f, "tenant {tenant}"),
            Self::TenantHost { tenant, host } => write!(f, "tenant {tenant}, host {host}"),
        }
    }
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteMistake {
    /// Another service has the same name.
    #[error("the name is taken by another service")]
    RepeatedService,
    /// The service needs a tenant and has no way to learn it.
    #[error("nothing says how a request names its tenant")]
    NoWay,
    /// A way is listed twice.
    #[error("a way to name the tenant is listed twice")]
    RepeatedWay,
    /// The index names no pool.
    #[error("there is no such pool")]
    UnknownPool,
    /// The key names no place of the register.
    #[error("the key names no place of the register")]
    UnknownTenant,
    /// Two entries name the same place (one may use an old key or the AGS).
    #[error("the same place has another entry: {first}")]
    RepeatedTenant {
        /// The key as the earlier entry writes it.
        first: String,
    },
    /// The key is longer than the keys of the service's offices, so it never matches.
    #[error("the service's offices have keys of {digits} digits, so a longer key never matches")]
    KeyTooLong {
        /// Digits of the service's level.
        digits: u8,
    },
    /// An override names a service that does not exist.
    #[error("there is no service {service}")]
    UnknownService {
        /// The name.
        service: String,
    },
    /// No host name.
    #[error("{0}")]
    BadHost(HostError),
    /// A host with a port: listeners have ports, hosts are the same on all of them.
    #[error("a host is written without its port")]
    HostWithPort,
    /// A `*` somewhere else than alone in front of the first dot, or on a tenant's host.
    #[error("a wildcard is written *.domain, and only for hosts of a service")]
    BadWildcard,
    /// The host belongs to somebody already.
    #[error("the host is taken: {first}")]
    RepeatedHost {
        /// Who has it.
        first: RouteSubject,
    },
    /// An exact host takes a name away from the tenant that a wildcard gives it to.
    #[error("*.{domain} gives this host to tenant {tenant}, and an exact host would take it away")]
    HidesTenant {
        /// The domain behind `*.`.
        domain: String,
        /// The tenant's key.
        tenant: String,
    },
}
