//! Why a request has no service or no tenant: exact enough for an operator's `explain` and the log, and each with the one
//! [`Refusal`] that the client is told.

use super::Way;
use crate::{
    key::{RegionalKey, TenantId},
    path::PathError,
    refusal::Refusal,
    routes::ServiceIndex,
};

/// Why a request belongs to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIdentified {
    /// The path is not routed at all.
    #[error("{0}")]
    BadPath(#[from] PathError),
    /// No service and no tenant has this host.
    #[error("no service has this host")]
    UnknownHost,
    /// The host is a tenant's own, there are several services, and the path's first segment is none of their names.
    #[error("the host belongs to tenant {tenant}, and the path's first segment names no service")]
    AmbiguousService {
        /// Whose host it is.
        tenant: TenantId,
    },
    /// None of the service's ways names a tenant.
    #[error("nothing in the request names a tenant")]
    NoTenant {
        /// The service.
        service: ServiceIndex,
    },
    /// The only key names a region that has several offices.
    #[error("{key} is too short for the service's level of responsibility")]
    KeyTooShort {
        /// The service.
        service: ServiceIndex,
        /// The key.
        key: RegionalKey,
    },
    /// A key is no place of the register.
    #[error("the key in the {} names no place of the register", name_of(*.way))]
    UnknownTenant {
        /// The service.
        service: ServiceIndex,
        /// Where the key stands.
        way: Way,
    },
    /// The label of the host is a name that several places share.
    #[error("the name in the host belongs to several places; use the ARS or AGS")]
    AmbiguousName {
        /// The service.
        service: ServiceIndex,
    },
    /// Two ways name different tenants.
    #[error("{} and {} name different tenants", name_of(*.one), name_of(*.other))]
    ContradictingTenants {
        /// The service.
        service: ServiceIndex,
        /// The way that was tried first.
        one: Way,
        /// The way that disagrees.
        other: Way,
    },
    /// `ars` or `ags` is repeated, spelt so that only some backends read it (`ARS`, `ars[]`), or they disagree.
    #[error("ars or ags is repeated in the query, or spelt so that backends read it differently")]
    RepeatedKey {
        /// The service.
        service: ServiceIndex,
    },
}

impl NotIdentified {
    /// What the client is told.
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::BadPath(_) => Refusal::BadPath,
            Self::UnknownHost => Refusal::UnknownHost,
            Self::AmbiguousService { .. } => Refusal::AmbiguousService,
            Self::NoTenant { .. } => Refusal::NoTenant,
            Self::KeyTooShort { .. } => Refusal::KeyTooShort,
            Self::UnknownTenant { .. } | Self::AmbiguousName { .. } => Refusal::UnknownTenant,
            Self::ContradictingTenants { .. } => Refusal::ContradictingTenants,
            Self::RepeatedKey { .. } => Refusal::RepeatedKey,
        }
    }

    /// The service, as far as it was found.
    pub const fn service(&self) -> Option<ServiceIndex> {
        match *self {
            Self::BadPath(_) | Self::UnknownHost | Self::AmbiguousService { .. } => None,
            Self::NoTenant { service }
            | Self::KeyTooShort { service, .. }
            | Self::UnknownTenant { service, .. }
            | Self::AmbiguousName { service }
            | Self::ContradictingTenants { service, .. }
            | Self::RepeatedKey { service } => Some(service),
        }
    }
}

/// As an operator calls it in a message.
const fn name_of(way: Way) -> &'static str {
    match way {
        Way::Host => "host",
        Way::Path => "path",
        Way::Query => "query",
        Way::Cookie => "cookie",
        Way::Header => "header",
        Way::Only => "service",
    }
}
