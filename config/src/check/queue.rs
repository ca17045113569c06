//! How requests wait for a pool's seats.

use std::time::Duration;

use schleuse_core::{FairBy, QueuePolicy};

use super::{pools::CheckedPool, services::CheckedService};
use crate::{
    problem::Report,
    reader::{Placed, Section},
    units::{spell_duration, spell_size},
};

const WAITING_PER_TENANT: u32 = 2_000;
const BYTES: u64 = 256 << 20;
const BYTES_PER_TENANT: u64 = 32 << 20;
/// A waiting request without a body takes so much at least.
const BYTES_PER_REQUEST: u64 = 4 << 10;
const WAIT: Duration = Duration::from_secs(30);

/// The section `queue`, and `wait_max` where it was written.
pub(super) fn read(
    pool: &Section<'_, '_>,
    held_bytes_max: u64,
    report: &mut Report,
) -> (QueuePolicy, Option<Placed<Duration>>) {
    let section = pool.section("queue", "pools.NAME.queue", report);
    let waiting_max = section.integer("waiting_max", report);
    let bytes_max = section.size_within(
        "bytes_max",
        BYTES,
        ("overload.held_bytes_max", held_bytes_max),
        report,
    );
    let wait_max = section.optional_duration("wait_max", report);
    let policy = QueuePolicy {
        waiting_max,
        waiting_per_tenant_max: section.integer_within(
            "waiting_per_tenant_max",
            WAITING_PER_TENANT,
            ("waiting_max", waiting_max),
            report,
        ),
        bytes_max,
        bytes_per_tenant_max: section.size_within(
            "bytes_per_tenant_max",
            BYTES_PER_TENANT,
            ("bytes_max", bytes_max),
            report,
        ),
        wait_max: wait_max.unwrap_or(WAIT),
        fair_by: match section.choice("fair_by", report) {
            Some("square_root") => FairBy::SquareRoot,
            Some("equal") => FairBy::Equal,
            Some("none") => FairBy::None,
            _ => FairBy::Population,
        },
        client_share: section.percent("client_share", report),
    };
    warn_of_places(
        &section,
        ("waiting_max", policy.waiting_max),
        ("bytes_max", policy.bytes_max),
        report,
    );
    warn_of_places(
        &section,
        ("waiting_per_tenant_max", policy.waiting_per_tenant_max),
        ("bytes_per_tenant_max", policy.bytes_per_tenant_max),
        report,
    );
    let wait_max = wait_max.map(|value| Placed {
        value,
        place: section.place_of("wait_max"),
        at: section.path("wait_max"),
    });
    (policy, wait_max)
}

/// Places for which there is no memory: somebody counts on them, and requests are refused long before.
fn warn_of_places(
    section: &Section<'_, '_>,
    (places_key, places): (&str, u32),
    (bytes_key, bytes): (&str, u64),
    report: &mut Report,
) {
    let room = bytes / BYTES_PER_REQUEST;
    let Some(key) = [bytes_key, places_key]
        .into_iter()
        .find(|key| section.has(key))
    else {
        return;
    };
    if room >= u64::from(places) / 2 {
        return;
    }
    let wrong = format!(
        "{} holds {room} waiting requests at most, 4 KiB each, far less than `{places_key}`, {places}",
        spell_size(bytes)
    );
    let enough = spell_size(u64::from(places) * BYTES_PER_REQUEST);
    let remedy = format!("write {bytes_key}: {enough} or more, or {places_key}: {room}");
    report.warn(section.place_of(key), section.path(key), wrong, remedy);
}

/// Nobody waits longer than the whole exchange may take: the request would end before its turn.
pub(super) fn settle_wait_max(
    pools: &mut [CheckedPool],
    services: &[CheckedService],
    report: &mut Report,
) {
    for (index, pool) in pools.iter_mut().enumerate() {
        let users = services.iter().filter(|service| service.uses_pool(index));
        let Some(hastiest) = users.min_by_key(|service| service.service.timeout) else {
            continue;
        };
        let timeout = hastiest.service.timeout;
        match &pool.wait_max {
            None => {
                let queue = &mut pool.value.policy.queue;
                queue.wait_max = queue.wait_max.min(timeout);
            }
            Some(written) if written.value > timeout => {
                let name = &hastiest.service.name;
                let wrong = format!(
                    "{} is longer than a whole exchange of service `{name}` may take, {} (`timeout`)",
                    spell_duration(written.value),
                    spell_duration(timeout),
                );
                let remedy = format!(
                    "write at most {}, or raise the service's `timeout`",
                    spell_duration(timeout)
                );
                report.wrong(written.place, written.at.clone(), wrong, remedy);
            }
            Some(_) => {}
        }
    }
}
