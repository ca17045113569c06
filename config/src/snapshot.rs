//! What a config means once it was checked: one immutable value that a request pins and that a reload replaces whole.
//!
//! Nothing here runs: no locks, no counters, no sockets. Runtime state lives in the proxy and is keyed by the names and
//! addresses found here, so that it outlives the snapshot.

mod launches;
mod limits;
mod sources;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use schleuse_core::{PoolPolicy, Register, Routes, TenantId};

use crate::networks::Networks;

pub use launches::PoolPlan;
pub use sources::{
    Discovery, Dns, DnsQuestion, ProcessTemplate, Scale, ScaleWay, Webhook, WebhookSecret,
};

pub(crate) use limits::RATE_PER_SECOND_MIN;
pub use limits::{
    Burst, ClientLimit, Cost, Over, Overload, RATE_PER_SECOND_MAX, ServiceLimits, TenantLimit,
};

/// The whole configuration, checked and indexed.
#[derive(Debug)]
pub struct Snapshot {
    /// SHA-256 over the names and bytes of every file that was read.
    pub hash: [u8; 32],
    /// Where the public side listens. Never empty.
    pub listeners: Vec<Listener>,
    /// Where operators ask; none: no admin listener.
    pub admin: Option<Admin>,
    /// Where KEDA asks; none: no such listener.
    pub scaler: Option<Scaler>,
    /// Networks whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Networks,
    /// Workers (threads that accept); none: one per core. Fixed at start.
    pub workers: Option<usize>,
    /// How long requests in flight may take after SIGTERM. A limit, not a delay.
    pub drain_max: Duration,
    /// Where learnt values outlive the process, absolute; none: that of the environment, if any.
    pub state_directory: Option<PathBuf>,
    /// Limits and deadlines of a client's connection.
    pub client: ClientPolicy,
    /// Host, path, query, cookie and header to service, tenant and pool.
    pub routes: Routes,
    /// The municipalities, for names and inhabitants.
    pub register: Arc<Register>,
    /// SHA-256 of what the register was built from: its file and the aliases.
    pub register_source: [u8; 32],
    /// By `ServiceIndex`.
    pub services: Vec<Arc<Service>>,
    /// By `PoolIndex`.
    pub pools: Vec<Arc<Pool>>,
    /// Announced launches, at most one plan per pool.
    pub plans: Vec<PoolPlan>,
    /// Who is told when a launch will not hold.
    pub alarm: Option<Arc<Webhook>>,
    /// Keys of the affinity cookie's signature; the first signs, all verify. Empty: one is drawn at start.
    pub affinity_keys: Vec<AffinityKey>,
    /// What the access log says.
    pub access_log: AccessLog,
    /// What the process may use before it begins to refuse.
    pub overload: Overload,
    /// Client networks whose rate is remembered at once.
    pub clients_max: u32,
    /// Of the tenants that have a weight of their own.
    pub weights: Weights,
}

impl Snapshot {
    /// The announced launches of a pool.
    pub fn plan(&self, pool: usize) -> Option<&PoolPlan> {
        self.plans.iter().find(|plan| plan.pool.as_usize() == pool)
    }

    /// What a tenant counts when tenants share a pool: its own weight, else its inhabitants. At least 1.
    pub fn weight(&self, tenant: TenantId) -> u64 {
        let own = self.weights.find(tenant);
        own.unwrap_or_else(|| self.register.population(tenant))
            .max(1)
    }
}

/// Weights that the operator wrote; few, so a binary search beats a hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weights(Vec<(TenantId, u64)>);

impl Weights {
    /// Of these tenants; of those that stand twice, one wins.
    pub fn new(mut weights: Vec<(TenantId, u64)>) -> Self {
        weights.sort_unstable();
        Self(weights)
    }

    /// The weight of a tenant that has one of its own.
    pub fn find(&self, tenant: TenantId) -> Option<u64> {
        let at = self.0.binary_search_by_key(&tenant, |(known, _)| *known);
        self.0.get(at.ok()?).map(|(_, weight)| *weight)
    }
}

/// One address of the public side.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Address and port, as written.
    pub address: SocketAddr,
    /// TLS with certificates chosen by SNI; none: plain.
    pub tls: Option<Arc<CertificateSet>>,
    /// Answers every request with 308 to `https://` on this port; plain listeners only.
    pub redirect_https_port: Option<u16>,
}

/// The operators' address.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Address and port; loopback unless the operator says otherwise.
    pub address: SocketAddr,
    /// What a request must show; none: nothing.
    pub token: Option<AdminToken>,
}

/// The address of KEDA's external scaler.
#[derive(Debug)]
pub struct Scaler {
    /// Address and port.
    pub address: SocketAddr,
    /// Only HTTP/2 over TLS; none: plain.
    pub tls: Option<ScalerTls>,
}

/// TLS of the scaler's listener.
#[derive(Debug)]
pub struct ScalerTls {
    /// What it shows.
    pub certificates: CertificateSet,
    /// Authorities, DER, one of which must have signed a client's certificate; none: clients need no certificate.
    pub client_ca: Option<Vec<Vec<u8>>>,
}

/// The bearer token of the admin listener: at least 16 characters of `b64token` (RFC 6750 §2.1).
#[derive(Clone)]
pub struct AdminToken(pub Arc<[u8]>);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

/// Certificates and keys of a TLS listener, read and matched, still as DER so that this crate needs no TLS library at
/// run time of a request.
#[derive(Debug)]
pub struct CertificateSet {
    /// In order of their file names; the first one also serves clients without or with an unknown SNI.
    pub certificates: Vec<Certificate>,
}

/// A chain, its key and the names it is valid for.
#[derive(Debug)]
pub struct Certificate {
    /// The `.crt` it came from, for messages.
    pub file: PathBuf,
    /// DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// DER (PKCS#8, PKCS#1 or SEC1).
    pub key: Vec<u8>,
    /// Lower-case DNS names of the leaf (`*.` for a wildcard).
    pub names: Vec<String>,
    /// End of validity, seconds since 1970. Expired certificates are served and warned about.
    pub not_after: i64,
}

/// Limits and deadlines on the client's side.
#[derive(Debug, Clone)]
pub struct ClientPolicy {
    /// Head of a request, bytes (431 beyond).
    pub head_bytes_max: usize,
    /// Fields of a request (431 beyond).
    pub head_fields_max: usize,
    /// From the first byte of a head (or the start of the connection) to its end (408 beyond).
    pub header_max: Duration,
    /// TLS handshake, total.
    pub handshake_max: Duration,
    /// Keep-alive connection without a request.
    pub idle_max: Duration,
    /// Without one byte of a body, while we wait for it or for the client to take it.
    pub body_idle_max: Duration,
    /// Least average over ten seconds of waiting for a body, bytes per second; 0 switches it off.
    pub body_rate_min: u64,
    /// Connections of all clients; none: as many as the file handles allow, which the process knows.
    pub connections_max: Option<u32>,
    /// Connections of one client network; trusted proxies excepted.
    pub connections_per_network_max: u32,
    /// Leading bits of an IPv4 address that make a client network.
    pub ipv4_prefix: u8,
    /// Leading bits of an IPv6 address that make a client network.
    pub ipv6_prefix: u8,
}

/// One online service, as its Land built it for all.
#[derive(Debug)]
pub struct Service {
    /// The key in `services:`; the value of `Schleuse-Service`.
    pub name: String,
    /// The Leistungsschlüssel, 14 digits, for people and reports.
    pub leistung: Option<String>,
    /// Networks that may use it; empty: everybody.
    pub allow_from: Networks,
    /// Name of the request header that names the tenant, believed from `trusted_proxies` only.
    pub tenant_header: Option<String>,
    /// Cuts the tenant's path segment before forwarding.
    pub strip_prefix: bool,
    /// Put in front of the path (after stripping); empty: nothing. Starts with `/`, ends without.
    pub add_prefix: String,
    /// Request fields to set; values may contain `{tenant.ars}`, `{tenant.name}`, `{service}`, `{client.ip}`.
    pub headers_set: Vec<(String, HeaderValue)>,
    /// Request fields to remove, lower case.
    pub headers_remove: Vec<String>,
    /// Request body, bytes (413 beyond).
    pub body_bytes_max: u64,
    /// Whole exchange, tunnels excepted (504 beyond when nothing was sent yet).
    pub timeout: Duration,
    /// Shown to people instead of our own page while the pool cannot take them.
    pub fallback_page: Option<FallbackPage>,
    /// A form stays on its endpoint.
    pub affinity: Option<Affinity>,
    /// Who shares idle connections to an endpoint.
    pub isolation: Isolation,
    /// Whether the tenant cookie is set once the tenant was found by another way.
    pub tenant_cookie: bool,
    /// What one tenant and one client network may ask.
    pub limits: ServiceLimits,
    /// Routes that cost more than others; the first that applies counts.
    pub costs: Vec<Cost>,
}

impl Service {
    /// What a request costs in ordinary ones. `path` is raw, without the tenant's segment and without the query.
    pub fn cost(&self, method: &str, path: &str) -> u32 {
        let cost = self.costs.iter().find(|cost| cost.applies(method, path));
        cost.map_or(1, |cost| cost.cost)
    }
}

/// A service's own page for people it has to turn away, in UTF-8, cut at its placeholders once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallbackPage(pub Vec<PagePart>);

/// One part of a [`FallbackPage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PagePart {
    /// HTML, sent as it stands.
    Text(String),
    /// `{reference}`: under which the log has the request.
    Reference,
    /// `{retry_after}`: whole seconds, as in the field `Retry-After`.
    RetryAfter,
}

/// A value with placeholders, cut into its parts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderValue(pub Vec<HeaderPart>);

/// One part of a [`HeaderValue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderPart {
    /// Sent as it stands.
    Text(String),
    /// `{tenant.ars}`
    TenantArs,
    /// `{tenant.name}`, percent-encoded UTF-8 where it is not ASCII.
    TenantName,
    /// `{service}`
    Service,
    /// `{client.ip}`
    ClientIp,
}

/// Session affinity by a signed cookie.
#[derive(Debug, Clone)]
pub struct Affinity {
    /// Life of the cookie, renewed when half of it is over.
    pub ttl: Duration,
}

/// A key of the affinity cookie.
#[derive(Clone)]
pub struct AffinityKey(pub Arc<[u8]>);

impl std::fmt::Debug for AffinityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AffinityKey(..)")
    }
}

/// Who shares idle upstream connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All tenants of the service (default): on a shared pool the application is the boundary anyway.
    Service,
    /// Each tenant has its own connections.
    Tenant,
}

/// A set of interchangeable endpoints.
#[derive(Debug, Clone)]
pub struct Pool {
    /// The key in `pools:`; identity of the runtime state.
    pub name: String,
    /// In the order written, without repeats; empty where they come from elsewhere.
    pub endpoints: Vec<SocketAddr>,
    /// Looks the endpoints up.
    pub discovery: Option<Discovery>,
    /// Who starts and stops the endpoints.
    pub scale: Option<Scale>,
    /// What the core decides by.
    pub policy: PoolPolicy,
    /// Connections per endpoint, idle and active, over all workers.
    pub connections_max: u32,
    /// Deadlines towards the endpoint.
    pub timeouts: PoolTimeouts,
    /// Active probes; none: only answers to real requests count.
    pub health: Option<Health>,
}

impl Pool {
    /// Whether the endpoints are those of the config, and not found at run time.
    pub fn is_fixed(&self) -> bool {
        !self.endpoints.is_empty()
    }
}

/// Deadlines towards an endpoint.
#[derive(Debug, Clone)]
pub struct PoolTimeouts {
    /// TCP connect.
    pub connect: Duration,
    /// From the end of the request to the first byte of the answer (504 beyond).
    pub first_byte: Duration,
    /// Without one byte of the answer's body, or without the endpoint taking one of the request's.
    pub idle: Duration,
    /// An idle connection is closed after this; below the backend's own keep-alive limit.
    pub keepalive: Duration,
}

/// An active probe.
#[derive(Debug, Clone)]
pub struct Health {
    /// `GET` of this path must answer 200–399; none: a TCP connect is enough.
    pub path: Option<String>,
    /// `Host` of the probe; the endpoint's address by default.
    pub host: Option<String>,
    /// Between probes of one endpoint, jittered by ±10 %.
    pub interval: Duration,
    /// Whole probe.
    pub timeout: Duration,
}

/// What the access log says.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one switch per key of the config, independent of each other"
)]
pub struct AccessLog {
    /// Off: no lines for requests (refusals keep theirs).
    pub enabled: bool,
    /// How much of the client's address is written.
    pub client: ClientAddress,
    /// The query, as received. Off by default: it may hold a citizen's ARS or a name.
    pub query: bool,
    /// The `User-Agent`.
    pub user_agent: bool,
    /// The `Referer`, without its query.
    pub referer: bool,
}

/// How much of a client's address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAddress {
    /// Nothing.
    None,
    /// IPv4 cut to /24, IPv6 to /48 (default).
    Network,
    /// The whole address: personal data.
    Full,
}
