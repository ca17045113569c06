//! The only file that reads a clock: everything else is handed a [`Timestamp`] or asks here.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::time::{ClockId, clock_gettime};
use schleuse_core::Timestamp;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Monotonic time since the process first asked. Costs one vDSO call (20–25 ns).
pub fn now() -> Timestamp {
    let micros = START.elapsed().as_micros();
    Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// The runtime's instant for `at`, to arm a timer with.
pub(crate) fn instant(at: Timestamp) -> tokio::time::Instant {
    tokio::time::Instant::from_std(*START + Duration::from_micros(at.as_micros()))
}

/// Wall-clock time since 1970, for logs, cookies and certificates; never for a deadline.
pub fn unix() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// `CLOCK_MONOTONIC` in microseconds, as systemd compares it; none where the system has no such clock.
pub fn system_monotonic_micros() -> Option<i64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    Some(now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000)
}
