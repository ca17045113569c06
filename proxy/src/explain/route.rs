//! From the connection to the pool: listener, certificate, service, tenant, network, body, pool.

use std::net::IpAddr;

use schleuse_config::{Listener, Pool, Service, Snapshot, spell_size};
use schleuse_core::{
    Level, PoolIndex, Refusal, TenantId,
    host::{HostBuffer, normalize_host},
    identify::{Identified, Way},
};
use schleuse_http1::{BodyLength, RequestHead};

use super::{
    Verdict,
    asked::Asked,
    limits::explain_connections,
    refused,
    seats::Seats,
    step::{Step, Steps, grouped},
};
use crate::{
    forwarding,
    gateway::{check_network, https_url},
    identify::{TENANT_COOKIE, Unidentified, identify},
};

/// Whose request it is and where it goes.
#[derive(Debug)]
pub(super) struct Route<'s> {
    pub(super) service: &'s Service,
    pub(super) pool: &'s Pool,
    pub(super) found: Identified,
    pub(super) inhabitants: u64,
    /// The client as far as it can be believed; none: nobody said where the connection comes from.
    pub(super) client: Option<IpAddr>,
}

impl Route<'_> {
    pub(super) fn pool_name(&self) -> String {
        self.pool.name.clone()
    }

    pub(super) const fn tenant(&self) -> TenantId {
        self.found.tenant
    }
}

/// As `gateway::prepare`, step by step.
pub(super) fn trace<'s>(
    asked: &Asked,
    head: &RequestHead,
    snapshot: &'s Snapshot,
    steps: &mut Steps,
) -> Result<Route<'s>, Verdict> {
    let mut buffer = HostBuffer::default();
    let host = normalize_host(head.host(), &mut buffer)
        .map_err(|_| refused(Refusal::UnknownHost, "the host is not a host name"))?;
    let trusted = asked
        .from
        .is_some_and(|peer| snapshot.trusted_proxies.contains(peer));
    let client = asked.from.map(|peer| {
        if trusted {
            forwarding::client(head, peer, &snapshot.trusted_proxies)
        } else {
            peer
        }
    });
    let listener = explain_listener(asked, snapshot, steps);
    explain_certificate(asked, listener, steps);
    explain_client(asked.from, client, trusted, steps);
    explain_connections(asked, snapshot, steps);
    if !snapshot.routes.knows_host(host) {
        let why = format!("no service and no tenant has the host {host}");
        return Err(refused(Refusal::UnknownHost, why));
    }
    if let Some(port) = listener.and_then(|listener| listener.redirect_https_port) {
        let location = https_url(host, port, head);
        steps.push(Step::new(
            "redirect",
            location.clone(),
            "the listener has `redirect_https`",
        ));
        return Err(Verdict::Redirected { location });
    }
    let found = identify(snapshot, head, host, trusted)
        .map_err(|reason| unidentified(&reason, snapshot, steps))?;
    let service = snapshot.services.get(found.service.as_usize());
    let service = service.ok_or_else(|| refused(Refusal::UnknownHost, "the service is gone"))?;
    explain_service(service, host, steps);
    let inhabitants = snapshot.register.population(found.tenant);
    explain_tenant(head, snapshot, service, &found, trusted, steps);
    explain_network(service, client, steps)?;
    explain_body(service, head, steps)?;
    let pool = explain_pool(snapshot, &found, steps)?;
    Ok(Route {
        service,
        pool,
        found,
        inhabitants,
        client,
    })
}

/// The listener that such a URL reaches: that of its scheme and port, else the first of its scheme.
fn explain_listener<'s>(
    asked: &Asked,
    snapshot: &'s Snapshot,
    steps: &mut Steps,
) -> Option<&'s Listener> {
    let scheme = if asked.secure { "https" } else { "http" };
    let speaking = || {
        let listeners = snapshot.listeners.iter();
        listeners.filter(|listener| listener.tls.is_some() == asked.secure)
    };
    let exact = speaking().find(|listener| listener.address.port() == asked.port);
    let listener = exact.or_else(|| speaking().next());
    let step = match (exact, listener) {
        (Some(listener), _) => Step::new(
            "listener",
            listener.address.to_string(),
            format!("it speaks {scheme} on port {}", asked.port),
        ),
        (None, Some(listener)) => Step::new(
            "listener",
            listener.address.to_string(),
            format!(
                "no listener has port {}; this is the first that speaks {scheme}, taken as behind a port mapping",
                asked.port
            ),
        ),
        (None, None) => Step::new(
            "listener",
            "not known",
            format!("no listener speaks {scheme}; taken as a load balancer's in front"),
        ),
    };
    let address = listener.map(|listener| listener.address.to_string());
    steps.push(step.fact("address", address));
    listener
}

fn explain_certificate(asked: &Asked, listener: Option<&Listener>, steps: &mut Steps) {
    let Some(set) = listener.and_then(|listener| listener.tls.as_ref()) else {
        return;
    };
    let name = asked.server_name().to_ascii_lowercase();
    let covers = |names: &[String]| {
        let wildcard = name
            .split_once('.')
            .map(|(_, domain)| format!("*.{domain}"));
        names
            .iter()
            .any(|known| *known == name || Some(known) == wildcard.as_ref())
    };
    let covering = set
        .certificates
        .iter()
        .find(|certificate| covers(&certificate.names));
    let Some(served) = covering.or(set.certificates.first()) else {
        return;
    };
    let reason = if covering.is_some() {
        format!("it names {name}")
    } else {
        format!("none names {name}, so the first is served and browsers will refuse it")
    };
    let file = served.file.display().to_string();
    steps.push(
        Step::new("certificate", file.clone(), reason)
            .fact("file", file)
            .fact("names", served.names.clone())
            .fact("covers_host", covering.is_some()),
    );
}

fn explain_client(from: Option<IpAddr>, client: Option<IpAddr>, trusted: bool, steps: &mut Steps) {
    let step = match (from, client) {
        (Some(peer), Some(client)) if trusted => Step::new(
            "client",
            client.to_string(),
            format!("{peer} is a trusted proxy: its Forwarded and X-Forwarded-For are believed"),
        ),
        (Some(peer), _) => Step::new(
            "client",
            peer.to_string(),
            "no trusted proxy: what it says of forwarding is dropped",
        ),
        (None, _) => Step::new(
            "client",
            "not known",
            "--from ADDRESS says where the connection comes from; taken as no trusted proxy",
        ),
    };
    steps.push(
        step.fact("address", client.map(|client| client.to_string()))
            .fact("trusted_proxy", trusted),
    );
}

fn unidentified(reason: &Unidentified, snapshot: &Snapshot, steps: &mut Steps) -> Verdict {
    if let Some(name) = reason.service_name(snapshot) {
        let why = "the host leads to it";
        steps.push(Step::new("service", name.clone(), why).fact("name", name));
    }
    let why = match &reason.reason {
        Some(reason) => reason.to_string(),
        None => "the tenant's header stands in the request twice".to_owned(),
    };
    refused(reason.refusal, why)
}

fn explain_service(service: &Service, host: &str, steps: &mut Steps) {
    steps.push(
        Step::new(
            "service",
            service.name.clone(),
            format!("the host {host} leads to it"),
        )
        .fact("name", service.name.clone())
        .fact("leistung", service.leistung.clone()),
    );
}

fn explain_tenant(
    head: &RequestHead,
    snapshot: &Snapshot,
    service: &Service,
    found: &Identified,
    trusted: bool,
    steps: &mut Steps,
) {
    let tenant = found.tenant;
    let name = snapshot.register.name(tenant);
    let inhabitants = snapshot.register.population(tenant);
    let way = match found.way {
        Way::Host => "the host names it".to_owned(),
        Way::Path => format!(
            "`{}` in the path names it",
            head.path().get(..found.strip).unwrap_or_default()
        ),
        Way::Query => format!(
            "`{}` in the query names it",
            head.query().unwrap_or_default()
        ),
        Way::Cookie => format!("the cookie {TENANT_COOKIE} names it"),
        Way::Header => format!(
            "the header {} of a trusted proxy names it",
            service.tenant_header.as_deref().unwrap_or_default()
        ),
        Way::Only => "nothing names one, and none is needed".to_owned(),
    };
    let level = snapshot.routes.level(found.service).map_or("", level_name);
    let mut reason = format!("{way}; in charge of the service is the {level} (`responsible`)");
    if let Some(header) = service.tenant_header.as_deref().filter(|_| !trusted)
        && head
            .fields()
            .any(|field| field.name.eq_ignore_ascii_case(header))
    {
        reason.push_str("\nthe header ");
        reason.push_str(header);
        reason.push_str(" is not believed: it comes from no trusted proxy");
    }
    if service.tenant_cookie && found.cookie_stale {
        reason.push_str("\nthe answer sets the cookie ");
        reason.push_str(TENANT_COOKIE);
    }
    let decision = match name {
        Some(name) => format!("{tenant} {name}, {} inhabitants", grouped(inhabitants)),
        None => format!("{tenant}, {} inhabitants", grouped(inhabitants)),
    };
    steps.push(
        Step::new("tenant", decision, reason)
            .fact("ars", tenant.to_string())
            .fact("name", name)
            .fact("inhabitants", inhabitants)
            .fact("way", way_name(found.way))
            .fact("level", level)
            .fact("sets_cookie", service.tenant_cookie && found.cookie_stale),
    );
}

const fn way_name(way: Way) -> &'static str {
    match way {
        Way::Host => "host",
        Way::Path => "path",
        Way::Query => "query",
        Way::Cookie => "cookie",
        Way::Header => "header",
        Way::Only => "only",
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Gemeinde => "gemeinde",
        Level::Verband => "verband",
        Level::Kreis => "kreis",
        Level::Land => "land",
        Level::Bund => "bund",
    }
}

fn explain_network(
    service: &Service,
    client: Option<IpAddr>,
    steps: &mut Steps,
) -> Result<(), Verdict> {
    if service.allow_from.is_empty() {
        return Ok(());
    }
    let Some(client) = client else {
        let why = "`allow_from` names networks; --from ADDRESS lets it be judged";
        steps.push(Step::new("network", "not judged", why));
        return Ok(());
    };
    if let Err(refusal) = check_network(service, client) {
        let why = format!("{client} is in no network of `allow_from`");
        return Err(refused(refusal, why));
    }
    let why = format!("{client} is in a network of `allow_from`");
    steps.push(Step::new("network", "allowed", why));
    Ok(())
}

fn explain_body(service: &Service, head: &RequestHead, steps: &mut Steps) -> Result<(), Verdict> {
    let max = service.body_bytes_max;
    match head.body() {
        BodyLength::Length(length) if length > max => {
            let why = format!(
                "{} bytes are more than `body_max`, {}",
                grouped(length),
                spell_size(max)
            );
            Err(refused(Refusal::BodyTooLarge, why))
        }
        BodyLength::Length(_) | BodyLength::Chunked => {
            steps.push(
                Step::new("body", format!("at most {}", spell_size(max)), "`body_max`")
                    .fact("bytes_max", max),
            );
            Ok(())
        }
        BodyLength::Empty | BodyLength::UntilClose => Ok(()),
    }
}

fn explain_pool<'s>(
    snapshot: &'s Snapshot,
    found: &Identified,
    steps: &mut Steps,
) -> Result<&'s Pool, Verdict> {
    let pool = snapshot.pools.get(found.pool.as_usize());
    let pool = pool.ok_or_else(|| refused(Refusal::NoEndpoint, "the pool is gone"))?;
    let shared = snapshot.routes.shared_pool(found.service) == Some(found.pool);
    let reason = if shared {
        format!("the service's `pool`{}", users(snapshot, found.pool))
    } else {
        "the tenant's own, by `pools_by_tenant`".to_owned()
    };
    let endpoints: Vec<_> = pool.endpoints.iter().map(ToString::to_string).collect();
    let seats = Seats::of(pool);
    let reason = match seats.origin() {
        Some(origin) => format!("{reason}\n{origin}"),
        None => reason,
    };
    steps.push(
        Step::new("pool", pool.name.clone(), reason)
            .fact("name", pool.name.clone())
            .fact("own", !shared)
            .fact("endpoints", endpoints)
            .fact("seats", seats.fixed())
            .fact("seats_max", seats.most())
            .fact("seats_per_endpoint", pool.policy.concurrency),
    );
    Ok(pool)
}

/// Which other services share a pool.
fn users(snapshot: &Snapshot, pool: PoolIndex) -> String {
    let others = (0..)
        .map(schleuse_core::ServiceIndex)
        .zip(&snapshot.services)
        .filter(|(index, _)| snapshot.routes.shared_pool(*index) == Some(pool))
        .count();
    if others > 1 {
        format!(", shared by {others} services")
    } else {
        String::new()
    }
}
