//! Which tenants an operator wants to see in full, and until when.
//!
//! Series for every tenant would be hundreds of thousands; a lease buys those of one place for a time and gives them
//! back by itself (as sozu's detail leases). Their number is bounded, they are on record in the log, and they end with
//! the process.

use std::time::Duration;

use parking_lot::Mutex;
use schleuse_core::{RegionalKey, TenantId, Timestamp};

use crate::{
    clock,
    log::{self, Level},
};

/// Leases at once.
pub const LEASES_MAX: usize = 16;
/// Longest life; a lease may be renewed.
pub const LEASE_MAX: Duration = Duration::from_hours(24);
/// When the request does not say.
pub const LEASE_DEFAULT: Duration = Duration::from_mins(10);

/// One place that is shown in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The place; its offices in charge are shown.
    pub place: RegionalKey,
    /// When it ends.
    pub until: Timestamp,
}

/// There are [`LEASES_MAX`] already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// All leases; the one granted or renewed last is last.
#[derive(Debug, Default)]
pub struct Leases(Mutex<Vec<Lease>>);

impl Leases {
    /// Shows `place` in full for `ttl`; one that it has already ends then instead.
    ///
    /// # Errors
    ///
    /// [`TooMany`].
    pub fn grant(
        &self,
        place: RegionalKey,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Lease, TooMany> {
        let lease = Lease {
            place,
            until: now + ttl.min(LEASE_MAX),
        };
        let mut leases = self.0.lock();
        forget_ended(&mut leases, now);
        leases.retain(|known| known.place != place);
        if leases.len() >= LEASES_MAX {
            return Err(TooMany);
        }
        leases.push(lease);
        drop(leases);
        let seconds = ttl.min(LEASE_MAX).as_secs().to_string();
        record("lease_granted", place, &[("ttl_seconds", &seconds)]);
        Ok(lease)
    }

    /// Ends a lease before its time; false when there is none.
    pub fn revoke(&self, place: RegionalKey, now: Timestamp) -> bool {
        let mut leases = self.0.lock();
        forget_ended(&mut leases, now);
        let before = leases.len();
        leases.retain(|known| known.place != place);
        let revoked = leases.len() < before;
        drop(leases);
        if revoked {
            record("lease_ended", place, &[("why", "revoked")]);
        }
        revoked
    }

    /// Those that have not ended.
    pub fn list(&self, now: Timestamp) -> Vec<Lease> {
        let mut leases = self.0.lock();
        forget_ended(&mut leases, now);
        leases.clone()
    }
}

/// An end is noticed when somebody looks: a lease that nobody looks at costs nothing.
fn forget_ended(leases: &mut Vec<Lease>, now: Timestamp) {
    leases.retain(|lease| {
        let ended = lease.until <= now;
        if ended {
            record("lease_ended", lease.place, &[("why", "expired")]);
        }
        !ended
    });
}

fn record(event: &str, place: RegionalKey, more: &[(&str, &str)]) {
    let place = TenantId::new(place).to_string();
    let mut fields = vec![("tenant", place.as_str())];
    fields.extend_from_slice(more);
    log::event(Level::Info, event, &fields);
}

/// Unix time at which a lease ends, seconds.
pub fn ends_at(lease: &Lease) -> u64 {
    (clock::unix() + (lease.until - clock::now())).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_lease_ends_by_itself_and_may_be_renewed_or_revoked_before() {
        let leases = Leases::default();
        let minute = Duration::from_mins(1);
        let berlin = RegionalKey::parse_ars("110000000000").unwrap();
        leases.grant(berlin, minute, at(0)).unwrap();
        assert_eq!(leases.list(at(59)).len(), 1);
        leases.grant(berlin, minute, at(59)).unwrap();
        assert_eq!(leases.list(at(118)).len(), 1);
        assert_eq!(leases.list(at(119)), []);
        leases.grant(berlin, minute, at(200)).unwrap();
        assert!(leases.revoke(berlin, at(201)));
        assert!(!leases.revoke(berlin, at(201)));
    }

    #[test]
    fn there_are_never_more_than_the_bound_and_an_ended_one_makes_room() {
        let leases = Leases::default();
        let keys: Vec<_> = (0..LEASES_MAX)
            .map(|number| RegionalKey::land(u8::try_from(number + 1).unwrap()).unwrap())
            .collect();
        for key in &keys {
            leases.grant(*key, Duration::from_mins(1), at(0)).unwrap();
        }
        let more = RegionalKey::parse_ars("01054").unwrap();
        assert_eq!(leases.grant(more, LEASE_DEFAULT, at(0)), Err(TooMany));
        assert!(leases.grant(more, LEASE_DEFAULT, at(60)).is_ok());
        assert_eq!(leases.list(at(60)).len(), 1);
    }

    #[test]
    fn no_lease_is_longer_than_the_longest() {
        let lease = Leases::default().grant(RegionalKey::BUND, Duration::MAX, at(0));
        assert_eq!(lease.unwrap().until, at(0) + LEASE_MAX);
    }
}
