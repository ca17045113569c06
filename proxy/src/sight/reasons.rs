//! The refusals that limits and capacity cause, as a closed set with one counter each, and the key of the config that
//! decides each of them.
//!
//! Everything else (bad requests, unknown hosts, failing backends) says nothing about a tenant's or a pool's limits and
//! is counted by reason only.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use schleuse_core::Refusal;

/// Every refusal with status 429 or 503.
pub const CAUSED_BY_LIMITS: [Refusal; 15] = [
    Refusal::ClientRate,
    Refusal::TenantRate,
    Refusal::ClientWaiting,
    Refusal::TenantQueueFull,
    Refusal::QueueFull,
    Refusal::WaitTooLong,
    Refusal::WaitExpired,
    Refusal::Overloaded,
    Refusal::StreamsFull,
    Refusal::PoolFull,
    Refusal::ConnectionsFull,
    Refusal::Exhausted,
    Refusal::NoEndpoint,
    Refusal::Starting,
    Refusal::StartFailed,
];

/// How often each of [`CAUSED_BY_LIMITS`] happened.
#[derive(Debug, Default)]
pub struct RefusedCounts([AtomicU64; CAUSED_BY_LIMITS.len()]);

impl RefusedCounts {
    /// Counts one; whether it belongs here.
    pub fn count(&self, refusal: Refusal) -> bool {
        let position = CAUSED_BY_LIMITS.iter().position(|known| *known == refusal);
        let counter = position.and_then(|position| self.0.get(position));
        if let Some(counter) = counter {
            counter.fetch_add(1, Relaxed);
        }
        counter.is_some()
    }

    /// Label and count of each, in the order of [`CAUSED_BY_LIMITS`].
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Relaxed));
        CAUSED_BY_LIMITS
            .iter()
            .map(|known| known.label())
            .zip(counts)
    }

    /// All reasons together.
    pub fn sum(&self) -> u64 {
        self.all().map(|(_, count)| count).sum()
    }
}

/// The key of the config that decides a refusal; `(waiting|bytes)` where either of two may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Below `services.NAME.`.
    Service(&'static str),
    /// Below `pools.NAME.`.
    Pool(&'static str),
    /// At the top.
    Process(&'static str),
}

/// Which key decides `refusal`; none when no limit does.
pub fn deciding_key(refusal: Refusal) -> Option<Key> {
    Some(match refusal {
        Refusal::ClientRate => Key::Service("limits.client"),
        Refusal::TenantRate => Key::Service("limits.tenant"),
        Refusal::ClientWaiting => Key::Pool("queue.client_share"),
        Refusal::TenantQueueFull => Key::Pool("queue.(waiting|bytes)_per_tenant_max"),
        Refusal::QueueFull => Key::Pool("queue.(waiting|bytes)_max"),
        Refusal::WaitTooLong | Refusal::WaitExpired | Refusal::Starting => {
            Key::Pool("queue.wait_max")
        }
        Refusal::StreamsFull => Key::Pool("streams_max"),
        Refusal::PoolFull => Key::Pool("concurrency"),
        Refusal::ConnectionsFull => Key::Pool("connections_max"),
        Refusal::NoEndpoint => Key::Pool("endpoints"),
        Refusal::StartFailed => Key::Pool("scale"),
        Refusal::Overloaded | Refusal::Exhausted => Key::Process("overload"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_closed_set_is_every_documented_refusal_with_429_or_503_and_each_has_its_key() {
        let rows = include_str!("../../../docs/request.md")
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.split(" | ");
                let label = cells.next()?.trim_end_matches('`');
                matches!(cells.next()?, "429" | "503").then_some(label)
            });
        let counted = CAUSED_BY_LIMITS.iter().map(|refusal| refusal.label());
        assert_eq!(
            rows.collect::<BTreeSet<_>>(),
            counted.collect::<BTreeSet<_>>()
        );
        for refusal in CAUSED_BY_LIMITS {
            assert!(deciding_key(refusal).is_some(), "{refusal}");
        }
    }

    #[test]
    fn a_refusal_that_no_limit_caused_is_not_counted() {
        let counts = RefusedCounts::default();
        assert!(!counts.count(Refusal::BadPath));
        assert!(counts.count(Refusal::TenantRate) && counts.count(Refusal::TenantRate));
        assert_eq!(counts.sum(), 2);
        assert!(counts.all().any(|pair| pair == ("tenant_rate", 2)));
    }
}
