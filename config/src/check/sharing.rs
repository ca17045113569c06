//! Pools that several tenants share and of which one of them can take all seats.
//!
//! The fair queue decides who is next, but takes no seat back. Slow uploads or long requests of one tenant, which cost
//! it 1 KiB/s each, hold seats for minutes; only `in_flight` of its service keeps some for the others.

use schleuse_core::Level;

use super::{pools::CheckedPool, services::CheckedService};
use crate::problem::Report;

/// One warning for each pool in which a tenant may take all the seats.
pub(super) fn warn_of_unbounded(
    pools: &[CheckedPool],
    services: &[CheckedService],
    report: &mut Report,
) {
    for (index, pool) in pools.iter().enumerate() {
        let seats = pool.seats();
        let users = services.iter().filter(|service| service.uses_pool(index));
        if seats < 2 || !is_shared(users.clone(), index) {
            continue;
        }
        let mut unbounded = users.filter(|service| !is_bounded(service, seats));
        let Some(service) = unbounded.next() else {
            continue;
        };
        let name = &service.service.name;
        let wrong = format!(
            "several tenants share this pool, and slow uploads or long requests of one can hold all its seats: service `{name}` does not limit a tenant's requests in flight"
        );
        let known = pool.knows_endpoints().then_some(seats);
        let quarter = (known.unwrap_or(pool.value.policy.concurrency) / 4).max(1);
        let remedy =
            format!("write limits: {{ tenant: {{ in_flight: {quarter} }} }} in that service");
        report.warn(pool.place, pool.at.clone(), wrong, remedy);
    }
}

/// Whether more than one tenant may have requests there.
fn is_shared<'s>(mut users: impl Iterator<Item = &'s CheckedService>, index: usize) -> bool {
    users.any(|service| {
        let is_here = |pool: schleuse_core::PoolIndex| pool.as_usize() == index;
        let own = service.pools_by_tenant.iter();
        let tenants = own.filter(|entry| is_here(entry.value.1)).count();
        tenants > 1 || service.level != Level::Bund && service.pool.is_some_and(is_here)
    })
}

/// Whether a limit leaves seats to others; it holds also where the rate is only observed.
fn is_bounded(service: &CheckedService, seats: u32) -> bool {
    let limit = service.service.limits.tenant.as_ref();
    limit.is_some_and(|limit| limit.in_flight.is_some_and(|most| most < seats))
}
