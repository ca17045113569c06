//! By what it is decided how many endpoints a pool has.

use super::{DAY, DefaultValue, Duration, HOUR, KeyDoc, Kind, MILLISECOND, key};

pub(super) const KEYS: &[KeyDoc] = &[
    key(
        "pools.NAME.scale.min",
        Kind::Integer(0, 10_000),
        DefaultValue::Value("1"),
        "Replicas that are always there. With 0 an idle pool sleeps, and its first request wakes it and waits.",
        "2",
    ),
    key(
        "pools.NAME.scale.max",
        Kind::Integer(1, 10_000),
        DefaultValue::Value("40"),
        "Never more replicas. What they cannot serve waits, and is refused when the wait would be too long.",
        "40",
    ),
    key(
        "pools.NAME.scale.wake_floor",
        Kind::Integer(1, 10_000),
        DefaultValue::Value("1"),
        "A pool that wakes gets at least so many replicas, and keeps them for half a minute beyond the cold start: the first quarter of a second shows no slope.",
        "3",
    ),
    key(
        "pools.NAME.scale.service_time",
        Kind::Duration(MILLISECOND, HOUR),
        DefaultValue::Value("100ms"),
        "How long a request holds its seat on average, until that is learnt.",
        "100ms",
    ),
    key(
        "pools.NAME.scale.cold_start",
        Kind::Duration(MILLISECOND, HOUR),
        DefaultValue::Value("10s"),
        "From the order of a replica until it serves, until that is learnt. Requests wait for a pool that sleeps as long as three of these, at least 10 s and never longer than `queue.wait_max`.",
        "5s",
    ),
    key(
        "pools.NAME.scale.backlog_drain",
        Kind::Duration(Duration::from_millis(100), HOUR),
        DefaultValue::Value("2s"),
        "What waits is to be gone so long after the replicas for it are ready. Shorter: more replicas, for a shorter time.",
        "2s",
    ),
    key(
        "pools.NAME.scale.hold_down",
        Kind::Duration(Duration::ZERO, HOUR),
        DefaultValue::Value("1m"),
        "Replicas go when fewer were enough for so long.",
        "1m",
    ),
    key(
        "pools.NAME.scale.descent_per_minute",
        Kind::Percent(1, 100),
        DefaultValue::Value("50%"),
        "Share of the replicas that may go within a minute.",
        "50%",
    ),
    key(
        "pools.NAME.scale.idle_after",
        Kind::Duration(Duration::from_secs(1), DAY),
        DefaultValue::Value("5m"),
        "Without a request for so long, a pool has its `min` of replicas.",
        "5m",
    ),
    key(
        "pools.NAME.scale.failing_starts_max",
        Kind::Integer(1, 100),
        DefaultValue::Value("3"),
        "After so many failed starts in a row nothing more is ordered than one replica now and then to try.",
        "3",
    ),
];
