//! Announced launches.

use super::{DAY, DefaultValue, Duration, HOUR, KeyDoc, Kind, MILLISECOND, MINUTE, SECOND, key};

pub(super) const KEYS: &[KeyDoc] = &[
    key(
        "launches",
        Kind::Named("launch"),
        DefaultValue::Value("{}"),
        "Announced launches: replicas for them are ordered in time, and none goes before the end. Launches that overlap on one pool add up; what they say of the pool counts as the most cautious of them says it. `schleuse plan` prints the timetable.",
        "{ energiepreispauschale: { service: wohngeld, at: 2027-01-15T08:00:00+01:00, arrivals_per_second: 2000, duration: 4h } }",
    ),
    key(
        "launches.NAME.service",
        Kind::Text("name of a service"),
        DefaultValue::Required,
        "What is launched.",
        "wohngeld",
    ),
    key(
        "launches.NAME.pool",
        Kind::Text("name of a pool"),
        DefaultValue::Otherwise("the service's `pool`"),
        "Where the arrivals go: one of the service's pools, with `scale`.",
        "wohngeld",
    ),
    key(
        "launches.NAME.at",
        Kind::Text("time with date and offset (RFC 3339)"),
        DefaultValue::Required,
        "When it begins.",
        "2027-01-15T08:00:00+01:00",
    ),
    key(
        "launches.NAME.arrivals_per_second",
        Kind::Integer(1, 10_000_000),
        DefaultValue::Otherwise("`arrivals` says it"),
        "Requests that arrive each second, from the beginning (or the end of the `ramp`) to the end.",
        "2000",
    ),
    key(
        "launches.NAME.arrivals",
        Kind::Text("path of a CSV file"),
        DefaultValue::Otherwise("`arrivals_per_second` says it"),
        "Requests over time, with the columns `seconds` (since the beginning, ascending) and `arrivals_per_second`. Linear between two rows; two rows of one second are a jump.",
        "launch.csv",
    ),
    key(
        "launches.NAME.ramp",
        Kind::Duration(Duration::ZERO, DAY),
        DefaultValue::Value("0s"),
        "How long arrivals grow, evenly from nothing, to `arrivals_per_second`.",
        "5m",
    ),
    key(
        "launches.NAME.duration",
        Kind::Duration(SECOND, Duration::from_hours(31 * 24)),
        DefaultValue::Required,
        "How long it lasts. Until then no planned replica goes; from then on the pool follows what really arrives.",
        "4h",
    ),
    key(
        "launches.NAME.wait_p99",
        Kind::Duration(MILLISECOND, HOUR),
        DefaultValue::Value("1s"),
        "99 of 100 requests are to wait no longer for their seat.",
        "1s",
    ),
    key(
        "launches.NAME.service_time",
        Kind::Duration(MILLISECOND, HOUR),
        DefaultValue::Otherwise("as learnt, else the pool's `scale.service_time`"),
        "How long a request of it holds its seat on average.",
        "200ms",
    ),
    key(
        "launches.NAME.cold_start",
        Kind::Duration(MILLISECOND, HOUR),
        DefaultValue::Otherwise("as learnt (p99), else the pool's `scale.cold_start`, if written"),
        "From the order of a replica until it serves.",
        "20s",
    ),
    key(
        "launches.NAME.replicas_per_second",
        Kind::Integer(1, 1_000),
        DefaultValue::Value("5"),
        "How fast replicas are created beside one another.",
        "5",
    ),
    key(
        "launches.NAME.margin",
        Kind::Duration(MINUTE, DAY),
        DefaultValue::Value("2m"),
        "Time in hand: so long before the beginning all replicas are to be ready. A minute before it that is verified.",
        "2m",
    ),
];
