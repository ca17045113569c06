//! Full metrics of single tenants for a time: granted, listed and revoked here; what they show is put together by the
//! scrape.

use std::time::Duration;

use schleuse_core::{RegionalKey, TenantId};
use serde::Serialize;

use super::{query::parameters, reply::Reply};
use crate::{
    clock,
    edge::Edge,
    sight::leases::{LEASE_DEFAULT, LEASE_MAX, Lease, ends_at},
};

/// A lease as an answer shows it.
#[derive(Debug, Serialize)]
struct Shown {
    tenant: String,
    name: Option<String>,
    /// Seconds since 1970.
    ends_at: u64,
    seconds_left: u64,
}

fn show(edge: &Edge, lease: &Lease) -> Shown {
    let tenant = TenantId::new(lease.place);
    let live = edge.live();
    Shown {
        tenant: tenant.to_string(),
        name: live.snapshot.register.name(tenant).map(str::to_owned),
        ends_at: ends_at(lease),
        seconds_left: (lease.until - clock::now()).as_secs(),
    }
}

/// `GET /api/v1/leases`.
pub(super) fn list(edge: &Edge) -> Reply {
    let leases = edge.leases.list(clock::now());
    let shown: Vec<_> = leases.iter().map(|lease| show(edge, lease)).collect();
    Reply::json(200, &shown)
}

/// `POST /api/v1/tenants/{key}/lease`.
pub(super) fn grant(edge: &Edge, digits: &str, query: Option<&str>) -> Reply {
    let ttl = match life(query) {
        Ok(ttl) => ttl,
        Err(wrong) => return Reply::problem(400, &wrong),
    };
    let Some(place) = place(edge, digits) else {
        return Reply::problem(404, "no place or region has this key");
    };
    match edge.leases.grant(place, ttl, clock::now()) {
        Ok(lease) => Reply::json(200, &show(edge, &lease)),
        Err(_) => Reply::problem(409, "there are as many leases as may be; revoke one first"),
    }
}

/// `DELETE /api/v1/tenants/{key}/lease`.
pub(super) fn revoke(edge: &Edge, digits: &str) -> Reply {
    let Some(place) = place(edge, digits) else {
        return Reply::problem(404, "no place or region has this key");
    };
    if !edge.leases.revoke(place, clock::now()) {
        return Reply::problem(404, "this tenant has no lease");
    }
    let tenant = TenantId::new(place).to_string();
    Reply::json(
        200,
        &serde_json::json!({ "tenant": tenant, "result": "revoked" }),
    )
}

fn place(edge: &Edge, digits: &str) -> Option<RegionalKey> {
    edge.live().snapshot.register.place_by_digits(digits)
}

/// The wanted life of a lease.
fn life(query: Option<&str>) -> Result<Duration, String> {
    let [ttl] = parameters(query, ["ttl"])?;
    let Some(text) = ttl else {
        return Ok(LEASE_DEFAULT);
    };
    let ttl = schleuse_config::read_duration(text)?;
    if ttl < Duration::from_secs(1) || ttl > LEASE_MAX {
        return Err("ttl is from 1s to 24h".to_owned());
    }
    Ok(ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_its_unit_and_its_bounds() {
        assert_eq!(life(Some("ttl=10m")), Ok(Duration::from_mins(10)));
        assert_eq!(life(None), Ok(LEASE_DEFAULT));
        for wrong in ["ttl=10", "ttl=", "ttl=0s", "ttl=25h", "ttl=-1s", "life=1m"] {
            assert!(life(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
