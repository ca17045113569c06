//! Which pool a `ScaledObject` means, by what its author wrote into the trigger's `metadata`.

use std::collections::HashMap;

use schleuse_core::{PoolIndex, ServiceIndex};
use tonic::Status;

use crate::{edge::Live, signals::Signal};

/// What value is wanted, by `signal` in the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Replicas that the pool needs; the default.
    Desired,
    /// What makes Kubernetes' autoscaler land on them in spite of its tolerance.
    ForAutoscaler,
}

impl Wanted {
    /// From a trigger's `metadata`.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for another word.
    pub(super) fn parse(metadata: &HashMap<String, String>) -> Result<Self, Status> {
        match metadata.get("signal").map(String::as_str) {
            None | Some("desired") => Ok(Self::Desired),
            Some("hpa") => Ok(Self::ForAutoscaler),
            Some(_) => Err(Status::invalid_argument("`signal` is desired or hpa")),
        }
    }

    /// The value.
    pub(super) fn of(self, signal: &Signal) -> f64 {
        match self {
            Self::Desired => signal.desired.into(),
            Self::ForAutoscaler => signal.for_autoscaler(),
        }
    }
}

/// A pool by its name, or by whose requests it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// `pool: NAME`
    Pool(Box<str>),
    /// `service: NAME`, with `tenant: KEY` when the tenant may have a pool of its own.
    Service {
        name: Box<str>,
        tenant: Option<Box<str>>,
    },
}

impl Subject {
    /// From a trigger's `metadata`. Its other keys are KEDA's, as the address of this scaler.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` when it names no pool, or a pool in two ways.
    pub(super) fn parse(metadata: &HashMap<String, String>) -> Result<Self, Status> {
        let key = |key: &str| metadata.get(key).map(|value| Box::from(value.as_str()));
        match (key("pool"), key("service"), key("tenant")) {
            (Some(pool), None, None) => Ok(Self::Pool(pool)),
            (None, Some(name), tenant) => Ok(Self::Service { name, tenant }),
            _ => Err(Status::invalid_argument(
                "the trigger's metadata names either `pool`, or `service` and, when it has a pool of its own, `tenant`",
            )),
        }
    }

    /// The name of the pool that this means in the config in force; of a pool that was named itself not looked up.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` for what is not configured, `INVALID_ARGUMENT` for a key too short to say which office.
    pub(super) fn pool<'l>(&'l self, live: &'l Live) -> Result<&'l str, Status> {
        match self {
            Self::Pool(name) => Ok(name),
            Self::Service { name, tenant } => {
                let mut services = (0..).map(ServiceIndex).zip(&live.snapshot.services);
                let service = services.find(|(_, service)| *service.name == **name);
                let (service, _) = service
                    .ok_or_else(|| Status::not_found(format!("no service {name} is configured")))?;
                let pool = match tenant {
                    Some(tenant) => office_pool(live, service, tenant)?,
                    None => live.snapshot.routes.shared_pool(service),
                };
                let pool = pool.and_then(|pool| live.snapshot.pools.get(pool.as_usize()));
                pool.map(|pool| &*pool.name)
                    .ok_or_else(|| Status::not_found(format!("service {name} has no pool")))
            }
        }
    }
}

fn office_pool(
    live: &Live,
    service: ServiceIndex,
    tenant: &str,
) -> Result<Option<PoolIndex>, Status> {
    let place = live.snapshot.register.place_by_digits(tenant);
    let place = place
        .ok_or_else(|| Status::not_found(format!("no place or region has the key {tenant}")))?;
    let office = live.snapshot.routes.office(service, place);
    let (_, pool) = office.ok_or_else(|| {
        Status::invalid_argument(format!(
            "{tenant} is too short to say which office is in charge"
        ))
    })?;
    Ok(Some(pool))
}
