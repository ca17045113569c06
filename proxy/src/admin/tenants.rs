//! The places of the register as operators ask for them: page by page, or one with the offices in charge of it.

use schleuse_core::{RegionalKey, Register, ServiceIndex, TenantId};
use serde::Serialize;

use super::query::parameters;
use crate::edge::Live;

/// Places on a page when the request does not say.
const LIMIT_DEFAULT: usize = 100;
/// A page of this many is 100 KB.
const LIMIT_MAX: usize = 1000;

/// A place or region, or the office that has its key.
#[derive(Debug, Serialize)]
struct Place {
    ars: String,
    /// Regions without a name in the register have none.
    name: Option<String>,
    inhabitants: u64,
}

impl Place {
    fn new(register: &Register, tenant: TenantId) -> Self {
        Self {
            ars: tenant.to_string(),
            name: register.name(tenant).map(str::to_owned),
            inhabitants: register.population(tenant),
        }
    }
}

/// `/api/v1/tenants`.
#[derive(Debug, Serialize)]
pub(super) struct TenantPage {
    tenants: Vec<Place>,
    /// `after` of the next page; none on the last one.
    next: Option<String>,
}

/// Which page of all municipalities in the order of their keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    limit: usize,
    after: Option<RegionalKey>,
}

impl Page {
    /// Reads `limit` and `after` from a query.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the operator.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, String> {
        let [limit, after] = parameters(query, ["limit", "after"])?;
        let limit = limit.map_or(Some(LIMIT_DEFAULT), |limit| limit.parse().ok());
        let Some(limit @ 1..=LIMIT_MAX) = limit else {
            return Err("limit is a number from 1 to 1000".to_owned());
        };
        let after = after.map(RegionalKey::parse_ars).transpose();
        let after = after.map_err(|_| "after is an ARS, as `next` of the page before")?;
        Ok(Self { limit, after })
    }
}

/// One page of the municipalities. A register that a reload changed meanwhile leaves no gap in what it still has.
pub(super) fn page(live: &Live, page: &Page) -> TenantPage {
    let register = &live.snapshot.register;
    let mut keys: Vec<_> = register
        .places()
        .filter(|key| page.after.is_none_or(|after| *key > after))
        .collect();
    keys.sort_unstable();
    let more = keys.len() > page.limit;
    keys.truncate(page.limit);
    let last = keys.last().filter(|_| more);
    TenantPage {
        next: last.map(ToString::to_string),
        tenants: keys
            .into_iter()
            .map(|key| Place::new(register, TenantId::new(key)))
            .collect(),
    }
}

/// `/api/v1/tenants/{key}`.
#[derive(Debug, Serialize)]
pub(super) struct Tenant {
    #[serde(flatten)]
    place: Place,
    services: Vec<Charge>,
}

/// Who is in charge of a service for this place.
#[derive(Debug, Serialize)]
struct Charge {
    service: String,
    /// None when the key is shorter than the level of the service: it does not say which office.
    office: Option<Place>,
    pool: Option<String>,
}

/// A place or region by its ARS (2, 3, 5, 9 or 12 digits) or AGS (8), keys that ceased included.
pub(super) fn tenant(live: &Live, digits: &str) -> Option<Tenant> {
    let register = &live.snapshot.register;
    let key = register.place_by_digits(digits)?;
    let services = (0..).zip(&live.snapshot.services).map(|(index, service)| {
        let found = live.snapshot.routes.office(ServiceIndex(index), key);
        let pool = found.and_then(|(_, pool)| live.snapshot.pools.get(pool.as_usize()));
        Charge {
            service: service.name.clone(),
            office: found.map(|(office, _)| Place::new(register, office)),
            pool: pool.map(|pool| pool.name.clone()),
        }
    });
    Some(Tenant {
        place: Place::new(register, TenantId::new(key)),
        services: services.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_without_parameters_is_the_first_page() {
        let first = Page {
            limit: LIMIT_DEFAULT,
            after: None,
        };
        assert_eq!(Page::parse(None).as_ref(), Ok(&first));
        assert_eq!(Page::parse(Some("")), Ok(first));
    }

    #[test]
    fn a_query_that_is_not_understood_is_refused() {
        for query in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=",
            "limit=1&limit=1",
            "after=",
            "after=1",
            "after=x",
            "offset=3",
            "limit=99999999999999999999",
        ] {
            assert!(Page::parse(Some(query)).is_err(), "{query}");
        }
        assert!(Page::parse(Some("after=110000000000&limit=1000")).is_ok());
    }
}
