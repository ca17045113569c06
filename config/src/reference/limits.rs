//! The keys that say who may ask how much: of a service, of a pool's queue, of the process.

use super::{DefaultValue, Duration, HOUR, KeyDoc, Kind, MILLISECOND, MINUTE, key};

const MODE: Kind = Kind::Choice(&["enforce", "observe"]);
/// One request with its first 16 KiB must fit.
const QUEUE_BYTES: Kind = Kind::Size(64 << 10, 1 << 40);

pub(super) const SERVICE_KEYS: &[KeyDoc] = &[
    key(
        "services.NAME.limits",
        Kind::Section,
        DefaultValue::Otherwise("no limits but those of queue and connections"),
        "What one tenant and one client may ask of the service. All of it outlives a reload: changed limits carry over what was used.",
        "{ client: { rate: 10/s } }",
    ),
    key(
        "services.NAME.limits.tenant",
        Kind::Section,
        DefaultValue::Otherwise("no limit"),
        "Each tenant on its own.",
        "{ rate: 5/s }",
    ),
    key(
        "services.NAME.limits.tenant.rate",
        Kind::RequestRate,
        DefaultValue::Otherwise("none"),
        "Requests of one tenant, whatever its size.",
        "5/s",
    ),
    key(
        "services.NAME.limits.tenant.rate_per_1000_inhabitants",
        Kind::RequestRate,
        DefaultValue::Otherwise("none"),
        "Added to `rate` for each 1,000 inhabitants of the tenant.",
        "0.2/s",
    ),
    key(
        "services.NAME.limits.tenant.burst",
        Kind::Burst,
        DefaultValue::Value("2s"),
        "How much may come at once: a number of requests, or what the rate gives in that time; at least one request.",
        "2s",
    ),
    key(
        "services.NAME.limits.tenant.over",
        Kind::Choice(&["wait", "refuse"]),
        DefaultValue::Value("wait"),
        "A request beyond the rate waits in the queue until the rate allows it, 429 only where that is longer than `wait_max`; or it is refused with 429 at once.",
        "wait",
    ),
    key(
        "services.NAME.limits.tenant.in_flight",
        Kind::Integer(1, 1_000_000),
        DefaultValue::Otherwise("no limit"),
        "Requests of one tenant in flight at once; further ones wait in the queue. At most the seats of the pool. Holds in every `mode`, which is the rate's: it refuses nobody.",
        "20",
    ),
    key(
        "services.NAME.limits.tenant.mode",
        MODE,
        DefaultValue::Value("enforce"),
        "`observe` counts what the rate would refuse or hold up, and does neither.",
        "enforce",
    ),
    key(
        "services.NAME.limits.client",
        Kind::Section,
        DefaultValue::Otherwise("no limit"),
        "Each client network on its own (`client.ipv4_prefix`, `client.ipv6_prefix`): 429 beyond. Behind one address may be a whole town hall or a mobile network: measure with `mode: observe` first.",
        "{ rate: 10/s, burst: 20 }",
    ),
    key(
        "services.NAME.limits.client.rate",
        Kind::RequestRate,
        DefaultValue::Required,
        "Requests of one client network.",
        "10/s",
    ),
    key(
        "services.NAME.limits.client.burst",
        Kind::Burst,
        DefaultValue::Value("2s"),
        "How much may come at once: a number of requests, or what the rate gives in that time; at least one request.",
        "20",
    ),
    key(
        "services.NAME.limits.client.mode",
        MODE,
        DefaultValue::Value("enforce"),
        "`observe` counts what would be refused, and refuses nothing.",
        "observe",
    ),
    key(
        "services.NAME.costs",
        Kind::Sections,
        DefaultValue::Value("[]"),
        "Routes that cost the backend more than others, so that they count for more when tenants share a pool. The first that fits a request counts.",
        "[{ path: /upload/, method: POST, cost: 4 }]",
    ),
    key(
        "services.NAME.costs[].path",
        Kind::Text("path"),
        DefaultValue::Required,
        "How the path starts, as it is sent, without the segment that names the tenant.",
        "/upload/",
    ),
    key(
        "services.NAME.costs[].method",
        Kind::Text("method"),
        DefaultValue::Otherwise("all methods"),
        "Only requests with this method.",
        "POST",
    ),
    key(
        "services.NAME.costs[].cost",
        Kind::Integer(1, 100),
        DefaultValue::Required,
        "In ordinary requests.",
        "4",
    ),
];

pub(super) const POOL_KEYS: &[KeyDoc] = &[
    key(
        "pools.NAME.streams_max",
        Kind::Integer(0, 100_000),
        DefaultValue::Value("100"),
        "WebSockets, event streams and gRPC streams per endpoint, beside its seats and `connections_max`. `0`: none; 503 beyond.",
        "100",
    ),
    key(
        "pools.NAME.queue",
        Kind::Section,
        DefaultValue::Otherwise("the values below"),
        "Where requests wait while all seats are taken: each tenant its turn, by weight.",
        "{ wait_max: 30s }",
    ),
    key(
        "pools.NAME.queue.waiting_max",
        Kind::Integer(0, 1_000_000),
        DefaultValue::Value("20000"),
        "Requests that wait at once; 503 beyond. `0`: nothing waits.",
        "20000",
    ),
    key(
        "pools.NAME.queue.waiting_per_tenant_max",
        Kind::Integer(1, 1_000_000),
        DefaultValue::Otherwise("2000, or `waiting_max` where that is less"),
        "The same for one tenant of one service.",
        "2000",
    ),
    key(
        "pools.NAME.queue.bytes_max",
        QUEUE_BYTES,
        DefaultValue::Otherwise("256MiB, or `overload.held_bytes_max` where that is less"),
        "Memory of all waiting requests: heads and what was read of bodies; 503 beyond.",
        "256MiB",
    ),
    key(
        "pools.NAME.queue.bytes_per_tenant_max",
        QUEUE_BYTES,
        DefaultValue::Otherwise("32MiB, or `bytes_max` where that is less"),
        "The same for one tenant of one service.",
        "32MiB",
    ),
    key(
        "pools.NAME.queue.wait_max",
        Kind::Duration(MILLISECOND, HOUR),
        DefaultValue::Otherwise(
            "30s, or the shortest `timeout` of the services that use the pool where that is less",
        ),
        "The longest wait. Whoever would wait longer is told so at once, with 503 and the time to come back at.",
        "30s",
    ),
    key(
        "pools.NAME.queue.fair_by",
        Kind::Choice(&["population", "square_root", "equal", "none"]),
        DefaultValue::Value("population"),
        "What a tenant counts while several wait: its inhabitants, their square root, all the same; or `none`: first come, first served, whoever it is.",
        "population",
    ),
    key(
        "pools.NAME.queue.client_share",
        Kind::Percent(1, 100),
        DefaultValue::Value("10%"),
        "Share of `waiting_per_tenant_max` that one client network may hold, and of `waiting_max` over all tenants; at least one place. 429 beyond.",
        "10%",
    ),
];

pub(super) const PROCESS_KEYS: &[KeyDoc] = &[
    key(
        "limits",
        Kind::Section,
        DefaultValue::Otherwise("the values below"),
        "What limits may cost.",
        "{ clients_max: 1000000 }",
    ),
    key(
        "limits.clients_max",
        Kind::Integer(1_000, 100_000_000),
        DefaultValue::Value("1000000"),
        "Client networks whose rate is remembered at once, 36 bytes each. Read at start only. When the table is full, new ones share the limit of their /48, then /40 (IPv4 /24, /16).",
        "1000000",
    ),
    key(
        "overload",
        Kind::Section,
        DefaultValue::Otherwise("the values below"),
        "When the proxy itself is short of something: what it refuses then costs it least, and what it admitted it finishes.",
        "{ held_bytes_max: 1GiB }",
    ),
    key(
        "overload.held_bytes_max",
        Kind::Size(1 << 20, 1 << 40),
        DefaultValue::Value("1GiB"),
        "Memory of requests that wait or are still being read, over all pools; 503 beyond.",
        "1GiB",
    ),
    key(
        "overload.lag_max",
        Kind::Duration(Duration::from_millis(10), MINUTE),
        DefaultValue::Value("500ms"),
        "How late a worker may be with its work before it refuses new requests with 503.",
        "500ms",
    ),
    key(
        "overload.file_handles",
        Kind::Percent(10, 100),
        DefaultValue::Value("90%"),
        "Share of the process's file handles in use at which no connection is accepted until some are free.",
        "90%",
    ),
];
