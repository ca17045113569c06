//! Whose request is this: service, tenant and pool from host, path, query, cookie and a trusted header.
//!
//! The rule behind every case: a request that two readers could give to two tenants is answered with 400, never guessed.
//! A key that is present must be good (an unknown one never falls through to the next way), and the keys of host, path,
//! query and header must name the same office. Only the cookie is a memory of ours and not the citizen's word: it loses
//! to all others and is then set anew.
//!
//! No allocation, and a fixed number of map probes whatever the number of tenants.

mod not_identified;

use crate::{
    key::{RegionalKey, TenantId},
    level::office,
    path::check_path,
    request_key::{KeyBuffer, decoded, path_key, query_keys},
    routes::{HostOwner, PoolIndex, Routes, ServiceIndex, ServiceRoute, TenantFrom},
};

pub use not_identified::NotIdentified;

/// What a request says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'r> {
    /// Normalised by [`normalize_host`](crate::host::normalize_host): lower case, no port.
    pub host: &'r str,
    /// As received, without the query.
    pub path: &'r str,
    /// As received, without the `?`.
    pub query: Option<&'r str>,
    /// Value of the tenant cookie.
    pub cookie: Option<&'r str>,
    /// Value of the service's tenant header; only when the peer is trusted.
    pub header: Option<&'r str>,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The service.
    pub service: ServiceIndex,
    /// The office in charge.
    pub tenant: TenantId,
    /// Where its endpoints are.
    pub pool: PoolIndex,
    /// Bytes of the raw path up to the end of the segment that names the tenant (or, on a tenant's own host, the
    /// service): what prefix stripping cuts. 0: nothing. When nothing is left behind them the path to forward is `/`.
    pub strip: usize,
    /// What named the tenant.
    pub way: Way,
    /// The tenant cookie is in use, and missing or different: set it to `tenant`.
    pub cookie_stale: bool,
}

/// What named the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The host: a tenant's own, or the label in front of a wildcard's domain.
    Host,
    /// The first segment of the path.
    Path,
    /// `ars` or `ags` in the query.
    Query,
    /// The tenant cookie.
    Cookie,
    /// The header of a trusted peer.
    Header,
    /// Nothing: the service has one office for all of Germany.
    Only,
}

/// A service found by its host, and what the host says beside it.
#[derive(Clone, Copy)]
struct Entrance<'r> {
    route: &'r ServiceRoute,
    /// The tenant whose own host it is.
    owner: Option<RegionalKey>,
    /// What a wildcard stood for.
    label: Option<&'r str>,
    /// Bytes of the path that named the service.
    path_start: usize,
}

/// A place and what named it.
#[derive(Clone, Copy)]
struct Named {
    key: RegionalKey,
    way: Way,
}

impl Routes {
    /// Finds service, tenant and pool of a request.
    ///
    /// # Errors
    ///
    /// The first reason why it has none; see [`NotIdentified::refusal`] for the answer.
    #[inline]
    pub fn identify(&self, facts: &Facts<'_>) -> Result<Identified, NotIdentified> {
        check_path(facts.path)?;
        let entrance = self.entrance(facts)?;
        let mut reading = Reading {
            routes: self,
            route: entrance.route,
            facts,
            entrance,
            strip: entrance.path_start,
        };
        let named = reading.named()?;
        reading.identified(named)
    }

    /// The service of a host, and what the host (and on a tenant's own host the path) says beside it.
    fn entrance<'r>(&'r self, facts: &Facts<'r>) -> Result<Entrance<'r>, NotIdentified> {
        match self.owner(facts.host).ok_or(NotIdentified::UnknownHost)? {
            HostOwner::Service(route) => Ok(Entrance {
                route,
                owner: None,
                label: None,
                path_start: 0,
            }),
            HostOwner::Label(route, label) => Ok(Entrance {
                route,
                owner: None,
                label: Some(label),
                path_start: 0,
            }),
            HostOwner::Tenant {
                key,
                service: Some(route),
            } => Ok(Entrance {
                route,
                owner: Some(key),
                label: None,
                path_start: 0,
            }),
            HostOwner::Tenant { key, service: None } => {
                let (route, path_start) =
                    self.service_of_path(facts.path)
                        .ok_or(NotIdentified::AmbiguousService {
                            tenant: TenantId::new(key),
                        })?;
                Ok(Entrance {
                    route,
                    owner: Some(key),
                    label: None,
                    path_start,
                })
            }
        }
    }
}

/// One request while its ways are read.
struct Reading<'r> {
    routes: &'r Routes,
    route: &'r ServiceRoute,
    facts: &'r Facts<'r>,
    entrance: Entrance<'r>,
    strip: usize,
}

impl Reading<'_> {
    /// The place that all ways but the cookie agree on, else the cookie's.
    fn named(&mut self) -> Result<Option<Named>, NotIdentified> {
        let mut named = self.entrance.owner.map(|key| Named {
            key,
            way: Way::Host,
        });
        for &from in self.route.tenant_from() {
            let key = match from {
                TenantFrom::Host => self.label_key()?,
                TenantFrom::Path => self.path_key()?,
                TenantFrom::Query => self.query_key()?,
                TenantFrom::Header => self.header_key()?,
                TenantFrom::Cookie => continue,
            };
            if let Some(key) = key {
                named = Some(self.agree(
                    named,
                    Named {
                        key,
                        way: from.way(),
                    },
                )?);
            }
        }
        Ok(named.or_else(|| {
            self.cookie_key().map(|key| Named {
                key,
                way: Way::Cookie,
            })
        }))
    }

    /// Two keys agree when one lies in the other (the longer wins), or when the same office is in charge of both.
    fn agree(&self, first: Option<Named>, second: Named) -> Result<Named, NotIdentified> {
        let Some(first) = first else {
            return Ok(second);
        };
        if second.key.contains(first.key) {
            return Ok(first);
        }
        if first.key.contains(second.key) {
            return Ok(second);
        }
        let level = self.route.level();
        match (office(first.key, level), office(second.key, level)) {
            (Some(one), Some(other)) if one == other => Ok(first),
            _ => Err(NotIdentified::ContradictingTenants {
                service: self.route.index(),
                one: first.way,
                other: second.way,
            }),
        }
    }

    fn label_key(&self) -> Result<Option<RegionalKey>, NotIdentified> {
        let Some(label) = self.entrance.label else {
            return Ok(None);
        };
        let register = self.routes.register();
        let place = register.place_by_label(label);
        if place.is_none() && register.places_with_slug(label) > 1 {
            return Err(NotIdentified::AmbiguousName {
                service: self.route.index(),
            });
        }
        place.map(Some).ok_or(self.unknown(Way::Host))
    }

    fn path_key(&mut self) -> Result<Option<RegionalKey>, NotIdentified> {
        let start = self.entrance.path_start;
        let mut buffer = KeyBuffer::default();
        let rest = self.facts.path.get(start..).unwrap_or_default();
        let Some((digits, end)) = path_key(rest, &mut buffer)? else {
            return Ok(None);
        };
        self.strip = start + end;
        let place = self.routes.register().place_by_digits(digits);
        place.map(Some).ok_or(self.unknown(Way::Path))
    }

    fn query_key(&self) -> Result<Option<RegionalKey>, NotIdentified> {
        let Some(query) = self.facts.query else {
            return Ok(None);
        };
        let repeated = NotIdentified::RepeatedKey {
            service: self.route.index(),
        };
        let keys = query_keys(query).map_err(|_| repeated)?;
        let ars = keys.ars.map(|raw| self.query_place(raw)).transpose()?;
        let ags = keys.ags.map(|raw| self.query_place(raw)).transpose()?;
        match (ars, ags) {
            (Some(ars), Some(ags)) if ars.contains(ags) => Ok(Some(ags)),
            (Some(ars), Some(ags)) if !ags.contains(ars) => Err(repeated),
            (ars, ags) => Ok(ars.or(ags)),
        }
    }

    fn query_place(&self, raw: &str) -> Result<RegionalKey, NotIdentified> {
        let mut buffer = KeyBuffer::default();
        let place = self
            .routes
            .register()
            .place_by_digits(decoded(raw, &mut buffer));
        place.ok_or(self.unknown(Way::Query))
    }

    fn header_key(&self) -> Result<Option<RegionalKey>, NotIdentified> {
        let Some(value) = self.facts.header else {
            return Ok(None);
        };
        let place = self.routes.register().place_by_digits(value.trim_ascii());
        place.map(Some).ok_or(self.unknown(Way::Header))
    }

    /// None when the cookie is not in use, missing, or of no use: rubbish in a cookie is not the citizen's mistake.
    fn cookie_key(&self) -> Option<RegionalKey> {
        let key = self.routes.register().place_by_digits(self.cookie()?)?;
        office(key, self.route.level()).map(|_| key)
    }

    fn cookie(&self) -> Option<&str> {
        self.facts.cookie.filter(|_| self.route.uses_cookie())
    }

    const fn unknown(&self, way: Way) -> NotIdentified {
        NotIdentified::UnknownTenant {
            service: self.route.index(),
            way,
        }
    }

    fn identified(&self, named: Option<Named>) -> Result<Identified, NotIdentified> {
        let service = self.route.index();
        let level = self.route.level();
        // The Bund is the office of every key, and of none.
        let place = named.map_or(RegionalKey::BUND, |named| named.key);
        let tenant = office(place, level).ok_or(match named {
            None => NotIdentified::NoTenant { service },
            Some(named) => NotIdentified::KeyTooShort {
                service,
                key: named.key,
            },
        })?;
        Ok(Identified {
            service,
            tenant,
            pool: self.route.pool(tenant),
            strip: self.strip,
            way: named.map_or(Way::Only, |named| named.way),
            cookie_stale: self.route.uses_cookie()
                && tenant != TenantId::BUND
                && !self.cookie_names(tenant),
        })
    }

    fn cookie_names(&self, tenant: TenantId) -> bool {
        self.cookie() == Some(tenant.text(&mut KeyBuffer::default()))
    }
}
