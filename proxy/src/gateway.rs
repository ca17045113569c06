//! The pipeline of one request. Read this first: every step of `docs/request.md` is one call below.
//!
//! Identify → check → limit → admit → forward → account. Each step decides by one call of the core and ends either in the next
//! step or in a [`Refusal`]; whatever it takes is held by a value that gives it back when dropped.

use std::{net::IpAddr, sync::Arc};

use schleuse_config::{ClientPolicy, Service};
use schleuse_core::{
    Refusal,
    host::{HostBuffer, normalize_host},
    identify::Identified,
};
use schleuse_http1::{BodyLength, RequestHead};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{
    admit::{self, Admission},
    connection::{ConnectionInfo, Handler},
    context::RequestContext,
    deadlines::Limit,
    edge::Edge,
    exchange::{BodyIn, Exchange, Parts, Responder},
    forward::{self, Forwarding},
    forwarding,
    identify::identify,
    limits::{ClientNetwork, Room},
    respond::{self, Refused},
};

pub use crate::identify::TENANT_COOKIE;

/// Answers the public listeners.
#[derive(Debug)]
pub struct Gateway {
    edge: Arc<Edge>,
}

impl Gateway {
    /// For this proxy.
    pub fn new(edge: Arc<Edge>) -> Self {
        Self { edge }
    }
}

/// Counts a request in flight, for the metric and for stopping.
#[derive(Debug)]
pub struct InFlight {
    edge: Arc<Edge>,
    _request: TaskTrackerToken,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.edge.metrics.in_flight.dec();
    }
}

impl Handler for Gateway {
    type Token = InFlight;

    fn policy(&self) -> Arc<ClientPolicy> {
        self.edge.client_policy()
    }

    fn idle_closed(&self) {
        self.edge.metrics.idle_closed.inc();
    }

    fn leaving(&self) -> bool {
        self.edge.leaving()
    }

    fn room(&self) -> Option<Room<'_>> {
        let live = self.edge.live();
        Some(self.edge.limits.room(&live.snapshot.overload))
    }

    fn enter(&self) -> InFlight {
        self.edge.metrics.in_flight.inc();
        InFlight {
            edge: self.edge.clone(),
            _request: self.edge.requests.token(),
        }
    }

    async fn serve<E: Exchange>(&self, exchange: &mut E, info: &ConnectionInfo) {
        let Parts {
            head,
            mut body,
            mut responder,
            deadlines,
        } = exchange.split();
        let mut context = RequestContext::new(&self.edge, info, Some(head));
        let ends = self.leaving() || self.edge.limits.accepting_paused();
        if ends || !context.live.listens_on(info.listener) {
            responder.close_after();
        }
        let prepared = prepare(&mut context, head).and_then(|step| limit(&mut context, step));
        let answered = match prepared {
            Ok(Step::Forward(service, found)) => {
                deadlines.set(Limit::Exchange, context.started + service.timeout);
                let forwarding = Forwarding {
                    head,
                    service: &service,
                    found,
                    deadlines,
                };
                forward::run(&mut context, &forwarding, &mut body, &mut responder).await
            }
            Ok(Step::Redirect(location)) => {
                context.learnt.status = 308;
                self.edge.metrics.redirected.inc();
                announce_close(&body, &mut responder);
                let _ = respond::redirect(&mut responder, &location).await;
                Ok(())
            }
            Err(refusal) => Err(Some(refusal)),
        };
        if let Err(reason) = answered {
            announce_close(&body, &mut responder);
            conclude(&mut context, &mut responder, reason).await;
        }
        context.learnt.sent_bytes = responder.sent_bytes();
    }

    async fn refuse<R: Responder>(
        &self,
        responder: &mut R,
        refusal: Refusal,
        info: &ConnectionInfo,
    ) {
        let mut context = RequestContext::new(&self.edge, info, None);
        conclude(&mut context, responder, Some(refusal)).await;
    }
}

/// An answer of ours that does not read a long body to its end closes the connection, and has to say so.
fn announce_close<B: BodyIn, R: Responder>(body: &B, responder: &mut R) {
    if body.rest_is_long() {
        responder.close_after();
    }
}

/// Answers a refusal while that is possible, and otherwise makes the client notice. No reason: the client left.
async fn conclude<R: Responder>(
    context: &mut RequestContext<'_>,
    responder: &mut R,
    reason: Option<Refusal>,
) {
    context.learnt.refusal = reason;
    if responder.begun() {
        context.learnt.aborted = true;
        responder.abort();
        return;
    }
    let Some(refusal) = reason else { return };
    context.learnt.status = refusal.status();
    // A client that left meanwhile does not see it; the log does.
    let refused = Refused {
        refusal,
        reference: &context.reference,
        head: context.head,
        retry_after: context.learnt.retry_after,
        rate_limit: context.learnt.rate_limit,
        page: context
            .service()
            .filter(|_| refusal.is_of_pool())
            .and_then(|service| service.fallback_page.as_ref()),
    };
    let _ = respond::refuse(responder, &refused).await;
}

enum Step {
    Forward(Arc<Service>, Identified),
    Redirect(String),
}

/// Everything that is decided before a backend is involved.
fn prepare(context: &mut RequestContext<'_>, head: &RequestHead) -> Result<Step, Refusal> {
    let (edge, live) = (context.edge, &context.live);
    if context.info.first_request && edge.limits.refuses_new(&live.snapshot.overload) {
        return Err(Refusal::Overloaded);
    }
    let mut buffer = HostBuffer::default();
    let host = normalize_host(head.host(), &mut buffer).map_err(|_| Refusal::UnknownHost)?;
    if context.trusted {
        context.client = forwarding::client(
            head,
            context.info.peer_ip(),
            &context.live.snapshot.trusted_proxies,
        );
    }
    // A connection that outlived its listener by many others: what held there is not known any more.
    if context.live.listener(context.info.listener).is_none() {
        return Err(Refusal::Misdirected);
    }
    check_certificate(context, host)?;
    if !context.live.snapshot.routes.knows_host(host) {
        return Err(Refusal::UnknownHost); // before any redirect: only our own hosts are pointed to
    }
    if let Some(location) = https_location(context, host, head) {
        return Ok(Step::Redirect(location));
    }
    let found = identify(&context.live.snapshot, head, host, context.trusted);
    let found = found.map_err(|reason| {
        context.learnt.refused_service = reason.service_name(&context.live.snapshot);
        reason.refusal
    })?;
    context.identified = Some(found);
    let service = context.service().cloned().ok_or(Refusal::UnknownHost)?;
    check_network(&service, context.client)?;
    if let BodyLength::Length(length) = head.body()
        && length > service.body_bytes_max
    {
        return Err(Refusal::BodyTooLarge);
    }
    Ok(Step::Forward(service, found))
}

/// What is asked of client and tenant before anything is read or held for the request.
fn limit(context: &mut RequestContext<'_>, step: Step) -> Result<Step, Refusal> {
    if let Step::Forward(service, found) = &step {
        let network = ClientNetwork::of(context.client, &context.live.client);
        check_client_rate(context, service, found, &network)?;
        context.admission = Admission::find(context, service, found, &network);
        admit::charge(context, service)?;
    }
    Ok(step)
}

/// 403 for a client that `allow_from` does not name.
pub(crate) fn check_network(service: &Service, client: IpAddr) -> Result<(), Refusal> {
    if service.allow_from.is_empty() || service.allow_from.contains(client) {
        Ok(())
    } else {
        Err(Refusal::NotAllowed)
    }
}

/// 429 when the client's network has used up its rate at this service.
fn check_client_rate(
    context: &mut RequestContext<'_>,
    service: &Service,
    found: &Identified,
    network: &ClientNetwork,
) -> Result<(), Refusal> {
    let Some(limit) = &service.limits.client else {
        return Ok(());
    };
    let Some(runtime) = context.live.services.get(found.service.as_usize()) else {
        return Ok(());
    };
    let limits = &context.edge.limits;
    limits
        .client(runtime.number, limit, network, context.started)
        .map_err(|shown| {
            context.learnt.retry_after = Some(shown.reset);
            context.learnt.rate_limit = Some(shown);
            Refusal::ClientRate
        })
}

/// 421 when the certificate for this host is not the one that the connection was opened with (RFC 9110 §15.5.20).
fn check_certificate(context: &RequestContext<'_>, host: &str) -> Result<(), Refusal> {
    let Some(tls) = &context.info.tls else {
        return Ok(());
    };
    let listener = context.live.listener(context.info.listener);
    let Some(certificates) = listener.and_then(|listener| listener.certificates.as_ref()) else {
        return Ok(());
    };
    let served = certificates.find(tls.server_name.as_deref());
    if certificates.find(Some(host)) == served {
        Ok(())
    } else {
        Err(Refusal::Misdirected)
    }
}

fn https_location(context: &RequestContext<'_>, host: &str, head: &RequestHead) -> Option<String> {
    let listener = context.live.listener(context.info.listener)?;
    let port = listener.config.redirect_https_port?;
    Some(https_url(host, port, head))
}

/// Where a request for this host finds the same over TLS.
pub(crate) fn https_url(host: &str, port: u16, head: &RequestHead) -> String {
    let target = if head.path() == "*" {
        "/"
    } else {
        head.target()
    };
    let port = if port == 443 {
        String::new()
    } else {
        format!(":{port}")
    };
    format!("https://{host}{port}{target}")
}
