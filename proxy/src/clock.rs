//! The only file that reads a clock: everything else is handed a [`Timestamp`] or asks here.

use std::{
    cell::Cell,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::time::{ClockId, clock_gettime};
use schleuse_core::{Timestamp, scale::plan::WallTime};

/// How long the difference between wall clock and monotonic clock is taken as known.
const OFFSET_AGE_MAX: Duration = Duration::from_secs(1);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    static RECENT: Cell<Timestamp> = Cell::new(Timestamp::default());
    /// When it was looked up, and what to add to a timestamp for Unix time.
    static UNIX_OFFSET: Cell<Option<(Timestamp, Duration)>> = const { Cell::new(None) };
}

/// Monotonic time since the process first asked. Costs one vDSO call (20–25 ns).
pub fn now() -> Timestamp {
    let micros = START.elapsed().as_micros();
    let now = Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
    RECENT.set(now);
    now
}

/// The last time that this thread asked for: for steps that follow within microseconds of one that read the clock, where
/// reading it again would cost more than the step.
pub fn recent() -> Timestamp {
    RECENT.get()
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

/// The same as [`unix`] for what is announced by the calendar: launches begin by the wall clock, also if that was set.
pub fn wall() -> WallTime {
    WallTime::from_unix_millis(i64::try_from(unix().as_millis()).unwrap_or(i64::MAX))
}

/// `CLOCK_MONOTONIC` in microseconds, as systemd compares it; none where the system has no such clock.
pub fn system_monotonic_micros() -> Option<i64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    Some(now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000)
}

/// [`unix`] of [`recent`]: a step of the wall clock shows up to a second late.
pub fn unix_recent() -> Duration {
    let recent = recent();
    let known = UNIX_OFFSET
        .get()
        .filter(|(at, _)| recent - *at < OFFSET_AGE_MAX);
    let offset = known.map_or_else(
        || {
            let offset = unix().saturating_sub(now() - Timestamp::default());
            UNIX_OFFSET.set(Some((recent, offset)));
            offset
        },
        |(_, offset)| offset,
    );
    offset + (recent - Timestamp::default())
}
