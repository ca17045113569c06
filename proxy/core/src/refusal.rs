//! The one list of reasons for which the proxy, not a backend, answers a request.
//!
//! Status, label, waiting time and the citizen's words are decided here once, so that the error page, the metric and
//! the access log cannot tell different stories. Renaming a variant is free; renaming a label breaks dashboards.

use std::time::Duration;

mod words;

pub use words::{CitizenText, Language, Words};

/// A reason for which the proxy answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The HTTP engine did not accept the message: its label (snake case, stable) and its status.
    #[error("the request is not acceptable HTTP: {0}")]
    BadRequest(&'static str, u16),
    /// The path leaves its own directory, holds a NUL or a broken percent escape.
    #[error("the path has a dot segment, a NUL or a broken percent escape")]
    BadPath,
    /// `ars` or `ags` stands in the query more than once, or they disagree.
    #[error("ars or ags is repeated in the query")]
    RepeatedKey,
    /// Host, path, query or header name different tenants.
    #[error("host, path, query and header name different tenants")]
    ContradictingTenants,
    /// No service and no tenant has this host.
    #[error("no service has this host")]
    UnknownHost,
    /// The service needs a tenant and nothing names one.
    #[error("nothing in the request names a tenant")]
    NoTenant,
    /// The key names a whole region, the service needs one office in it.
    #[error("the key is too short for the service's level of responsibility")]
    KeyTooShort,
    /// The key names no place of the register.
    #[error("the key names no place of the register")]
    UnknownTenant,
    /// A tenant's own host, and nothing says which of the services is meant.
    #[error("the host belongs to a tenant and the path names no service")]
    AmbiguousService,
    /// The client's network may not use the service.
    #[error("the client's network may not use this service")]
    NotAllowed,
    /// The certificate for this host is not the one that the connection was opened with (RFC 9110 §15.5.20).
    #[error("the host is not served on this connection")]
    Misdirected,
    /// The body is larger than the service accepts.
    #[error("the body is larger than the service accepts")]
    BodyTooLarge,
    /// The head was not complete in time.
    #[error("the head was not complete in time")]
    HeaderTimeout,
    /// Not one byte of the body came in time.
    #[error("the client stopped sending its body")]
    ClientBodyTimeout,
    /// Not one byte of the answer was taken in time.
    #[error("the client stopped taking the answer")]
    ClientStalled,
    /// The client sends or reads below the least rate.
    #[error("the client is below the least transfer rate")]
    ClientTooSlow,
    /// No connection to an endpoint could be opened.
    #[error("no connection to the backend")]
    ConnectFailed,
    /// No connection to an endpoint was there in time.
    #[error("no connection to the backend in time")]
    ConnectTimeout,
    /// The endpoint closed or reset the connection before its answer was complete.
    #[error("the backend closed the connection before it answered")]
    UpstreamReset,
    /// The endpoint's answer is not acceptable HTTP.
    #[error("the backend's answer is not acceptable HTTP")]
    UpstreamInvalid,
    /// The endpoint took the request and did not begin to answer in time.
    #[error("the backend did not begin to answer in time")]
    FirstByteTimeout,
    /// The endpoint stopped in the middle.
    #[error("the backend stopped in the middle of the exchange")]
    UpstreamIdleTimeout,
    /// The whole exchange took longer than the service allows.
    #[error("the exchange took longer than the service allows")]
    ExchangeTimeout,
    /// The pool has no endpoint that may be used.
    #[error("the pool has no usable endpoint")]
    NoEndpoint,
    /// All seats of the pool are taken.
    #[error("all seats of the pool are taken")]
    PoolFull,
    /// The proxy itself has no file handle, port or memory for one more connection.
    #[error("the proxy has nothing left to open a connection with")]
    Exhausted,
    /// All connections that the endpoint may have are in use, tunnels among them.
    #[error("all connections to the backend are in use")]
    ConnectionsFull,
    /// The client's network sends more requests than the service allows it.
    #[error("too many requests from this network")]
    ClientRate,
    /// The tenant's rate is used up: at once with `over: refuse`, else longer than a request may wait.
    #[error("too many requests for this tenant")]
    TenantRate,
    /// The client's network holds its share of the tenant's places in the queue.
    #[error("too many requests of this network are waiting")]
    ClientWaiting,
    /// The tenant's places in the queue are taken, by number or by bytes.
    #[error("too many requests for this tenant are waiting")]
    TenantQueueFull,
    /// The pool's places in the queue are taken, by number or by bytes.
    #[error("too many requests are waiting")]
    QueueFull,
    /// The wait would be longer than a request may wait.
    #[error("the wait would be too long")]
    WaitTooLong,
    /// No seat came free as long as a request may wait.
    #[error("no seat came free in time")]
    WaitExpired,
    /// The proxy itself is short of memory or of time.
    #[error("the proxy is overloaded")]
    Overloaded,
    /// All streams that the endpoints may have (WebSocket, events, gRPC) are open.
    #[error("all streams to the backend are in use")]
    StreamsFull,
    /// The pool is asleep, is being woken, and will not be ready within the time that a request may wait.
    #[error("the backend is being started and is not ready yet")]
    Starting,
    /// The pool is asleep, and the last attempt to wake it failed.
    #[error("the backend could not be started")]
    StartFailed,
}

/// Seats come free within a service time; a second is the least that the field can say.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);
/// An endpoint comes back after its next probe (every 5 s by default), and a crowd needs about as long to thin out.
const ABSENT_RETRY_AFTER: Duration = Duration::from_secs(5);

impl Refusal {
    /// The status code: 4xx when the request must change, 502 to 504 when a backend failed or is missing.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest(_, status) => status,
            Self::BadPath | Self::RepeatedKey | Self::ContradictingTenants => 400,
            Self::NotAllowed => 403,
            Self::UnknownHost
            | Self::NoTenant
            | Self::KeyTooShort
            | Self::UnknownTenant
            | Self::AmbiguousService => 404,
            Self::HeaderTimeout
            | Self::ClientBodyTimeout
            | Self::ClientStalled
            | Self::ClientTooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::Misdirected => 421,
            Self::ConnectFailed | Self::UpstreamReset | Self::UpstreamInvalid => 502,
            Self::ClientRate | Self::TenantRate | Self::ClientWaiting => 429,
            Self::NoEndpoint
            | Self::PoolFull
            | Self::ConnectionsFull
            | Self::Exhausted
            | Self::TenantQueueFull
            | Self::QueueFull
            | Self::WaitTooLong
            | Self::WaitExpired
            | Self::Overloaded
            | Self::StreamsFull
            | Self::Starting
            | Self::StartFailed => 503,
            Self::ConnectTimeout
            | Self::FirstByteTimeout
            | Self::UpstreamIdleTimeout
            | Self::ExchangeTimeout => 504,
        }
    }

    /// Whether it is the pool that cannot take the request now: it is asleep, full, or has no endpoint. A service may have
    /// words of its own for that. What is short of something else (the proxy itself, a client's share) is not the
    /// service's to explain.
    pub const fn is_of_pool(self) -> bool {
        matches!(
            self,
            Self::NoEndpoint
                | Self::PoolFull
                | Self::ConnectionsFull
                | Self::TenantQueueFull
                | Self::QueueFull
                | Self::WaitTooLong
                | Self::WaitExpired
                | Self::StreamsFull
                | Self::Starting
                | Self::StartFailed
        )
    }

    /// The reason in metrics, logs and problem documents: snake case, stable.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BadRequest(label, _) => label,
            Self::BadPath => "bad_path",
            Self::RepeatedKey => "repeated_key",
            Self::ContradictingTenants => "contradicting_tenants",
            Self::UnknownHost => "unknown_host",
            Self::NoTenant => "no_tenant",
            Self::KeyTooShort => "key_too_short",
            Self::UnknownTenant => "unknown_tenant",
            Self::AmbiguousService => "ambiguous_service",
            Self::NotAllowed => "not_allowed",
            Self::Misdirected => "misdirected",
            Self::BodyTooLarge => "body_too_large",
            Self::HeaderTimeout => "header_timeout",
            Self::ClientBodyTimeout => "client_body_timeout",
            Self::ClientStalled => "client_stalled",
            Self::ClientTooSlow => "client_too_slow",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamInvalid => "upstream_invalid",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::UpstreamIdleTimeout => "upstream_idle_timeout",
            Self::ExchangeTimeout => "exchange_timeout",
            Self::NoEndpoint => "no_endpoint",
            Self::PoolFull => "pool_full",
            Self::ConnectionsFull => "connections_full",
            Self::Exhausted => "exhausted",
            Self::ClientRate => "client_rate",
            Self::TenantRate => "tenant_rate",
            Self::ClientWaiting => "client_waiting",
            Self::TenantQueueFull => "tenant_queue_full",
            Self::QueueFull => "queue_full",
            Self::WaitTooLong => "wait_too_long",
            Self::WaitExpired => "wait_expired",
            Self::Overloaded => "overloaded",
            Self::StreamsFull => "streams_full",
            Self::Starting => "starting",
            Self::StartFailed => "start_failed",
        }
    }

    /// When the same request may succeed, for `Retry-After` (RFC 9110 §10.2.3). None where waiting cannot help or
    /// nobody knows how long. Whoever knows better for one request (its bucket, its queue) says that instead.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::PoolFull
            | Self::ConnectionsFull
            | Self::Exhausted
            | Self::ClientRate
            | Self::TenantRate
            | Self::ClientWaiting => Some(FULL_RETRY_AFTER),
            Self::NoEndpoint
            | Self::TenantQueueFull
            | Self::QueueFull
            | Self::WaitTooLong
            | Self::WaitExpired
            | Self::Overloaded
            | Self::StreamsFull
            | Self::Starting
            | Self::StartFailed => Some(ABSENT_RETRY_AFTER),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const ALL: [Refusal; 38] = [
        Refusal::BadRequest("bad_chunk", 400),
        Refusal::BadPath,
        Refusal::RepeatedKey,
        Refusal::ContradictingTenants,
        Refusal::UnknownHost,
        Refusal::NoTenant,
        Refusal::KeyTooShort,
        Refusal::UnknownTenant,
        Refusal::AmbiguousService,
        Refusal::NotAllowed,
        Refusal::Misdirected,
        Refusal::BodyTooLarge,
        Refusal::HeaderTimeout,
        Refusal::ClientBodyTimeout,
        Refusal::ClientTooSlow,
        Refusal::ConnectFailed,
        Refusal::ConnectTimeout,
        Refusal::UpstreamReset,
        Refusal::UpstreamInvalid,
        Refusal::FirstByteTimeout,
        Refusal::UpstreamIdleTimeout,
        Refusal::ExchangeTimeout,
        Refusal::NoEndpoint,
        Refusal::PoolFull,
        Refusal::ConnectionsFull,
        Refusal::ClientStalled,
        Refusal::Exhausted,
        Refusal::ClientRate,
        Refusal::TenantRate,
        Refusal::ClientWaiting,
        Refusal::TenantQueueFull,
        Refusal::QueueFull,
        Refusal::WaitTooLong,
        Refusal::WaitExpired,
        Refusal::Overloaded,
        Refusal::StreamsFull,
        Refusal::Starting,
        Refusal::StartFailed,
    ];

    #[test]
    fn labels_are_snake_case_and_belong_to_one_reason_each() {
        let mut labels: Vec<&str> = ALL.iter().map(|refusal| refusal.label()).collect();
        assert!(
            labels
                .iter()
                .all(|label| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), ALL.len());
    }

    #[test]
    fn every_refusal_is_an_error_status() {
        for refusal in ALL {
            assert!((400..600).contains(&refusal.status()), "{refusal}");
        }
    }

    #[test]
    fn what_a_service_may_explain_is_answered_503_and_asks_to_come_back() {
        for refusal in ALL.iter().filter(|refusal| refusal.is_of_pool()) {
            assert_eq!(refusal.status(), 503, "{refusal}");
            assert!(refusal.retry_after().is_some(), "{refusal}");
        }
    }

    #[test]
    fn only_what_passes_by_itself_asks_to_come_back() {
        for refusal in ALL {
            assert_eq!(
                refusal.retry_after().is_some(),
                matches!(refusal.status(), 429 | 503),
                "{refusal}"
            );
        }
    }

    #[test]
    fn docs_request_md_lists_exactly_these_refusals() {
        let page = include_str!("../../../docs/request.md");
        let (_, section) = page.split_once("\n## Refusals\n").unwrap();
        let (section, _) = section.split_once("\n### ").unwrap();
        let rows = section.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let label = cells.next()?.trim_end_matches('`');
            Some((label, cells.next()?.parse::<u16>().unwrap()))
        });
        let mut documented: Vec<_> = rows.collect();
        let listed = ALL
            .iter()
            .filter(|refusal| !matches!(refusal, Refusal::BadRequest(..)));
        let mut expected: Vec<_> = listed
            .map(|refusal| (refusal.label(), refusal.status()))
            .collect();
        documented.sort_unstable();
        expected.sort_unstable();
        assert_eq!(documented, expected);
    }

    #[test]
    fn the_reasons_of_the_http_engine_pass_unchanged() {
        let refusal = Refusal::BadRequest("head_too_large", 431);
        assert_eq!((refusal.label(), refusal.status()), ("head_too_large", 431));
    }
}
