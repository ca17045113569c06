//! The attempts of one request: a seat, a connection, the relay, and what may be tried again.
//!
//! Repeated is only what cannot have happened twice: nothing was written (then anything), or a safe method without a
//! body of which no answer came (RFC 9110 §9.2.2). One whose endpoint took no connection was sent to nobody and goes back
//! into the queue. A connection that was idle too long and broke at the first use is replaced by a fresh one without
//! counting against the endpoint or the retry budget.

use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::Poll,
};

use schleuse_config::{Isolation, Pool, Service};
use schleuse_core::{
    EndpointId, Failure, Outcome, Refusal, RegionalKey, Timestamp, affinity::SessionCookie,
    identify::Identified,
};
use schleuse_http1::{BodyLength, HeadLimits, Known, RequestHead, ResponseHead, ResponseTo};
use smallvec::SmallVec;

use crate::{
    admit::{self, Again, Asked},
    affinity::{self, cookie},
    clock,
    context::RequestContext,
    deadlines::{Deadlines, Limit, Stop},
    exchange::{Answer, BodyIn, ClientError, Responder, http1::lend},
    gateway::TENANT_COOKIE,
    outgoing,
    prefetch::{Prefetched, is_grpc_type},
    registry::{HeldSlot, HeldStream},
    socket::is_local_shortage,
    upstream::{
        Group, Upstream, idle,
        relay::{Compose, Course, Fault, Outgoing, RelayPolicy, Relayed, relay},
    },
};

/// What a request is forwarded by; the same for all its attempts.
#[derive(Debug)]
pub struct Forwarding<'f> {
    /// The request's head.
    pub head: &'f RequestHead,
    /// Its service.
    pub service: &'f Service,
    /// Tenant and pool.
    pub found: Identified,
    /// Of the task that runs the exchange.
    pub deadlines: &'f Deadlines,
}

/// Forwards the request and its answer.
///
/// # Errors
///
/// Why there is no complete answer; `None` when the client left. `responder.begun()` tells whether it saw a part.
pub async fn run<B: BodyIn, R: Responder>(
    context: &mut RequestContext<'_>,
    forwarding: &Forwarding<'_>,
    body: &mut B,
    responder: &mut R,
) -> Result<(), Option<Refusal>> {
    let live = context.live.clone();
    let index = forwarding.found.pool.0 as usize;
    let (Some(config), Some(pool)) = (live.snapshot.pools.get(index), live.pools.get(index)) else {
        return Err(Some(Refusal::NoEndpoint));
    };
    let session = session(context, forwarding, config);
    let tag = session.map(|session| session.tag);
    let room = context.edge.limits.room(&live.snapshot.overload);
    let body = &mut Prefetched::new(body, room);
    let filled = body.fill(forwarding.head, forwarding.service.body_bytes_max);
    filled.await.map_err(|fault| judge(&fault).1)?;
    let asked = Asked {
        head: forwarding.head,
        service: forwarding.service,
        strip: forwarding.found.strip,
        body_bytes: body.held_bytes(),
        covered_bytes: body.covered_bytes(),
        session: tag,
    };
    let mut slot = admit::seat(context, asked, pool, responder, forwarding.deadlines).await?;
    let mut tried: SmallVec<[EndpointId; 4]> = SmallVec::new();
    loop {
        let until = slot.until();
        let attempt = Attempt {
            context: &mut *context,
            forwarding,
            config,
            session,
            started: slot.started(),
            slot: Some(slot),
            stream: None,
        };
        // Boxed: a request that waits for its seat must not hold the room that an attempt needs (3 KiB).
        let failed = match Box::pin(attempt.run(body, responder)).await {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        if let Some(seat) = failed.unreached {
            // Boxed as well: hardly anybody comes here.
            let again = admit::seat_again(context, &asked, seat, responder, forwarding.deadlines);
            match Box::pin(again).await? {
                Again::Seat(seat) => {
                    context.edge.metrics.requeued.inc();
                    slot = seat;
                    continue;
                }
                Again::Stands => admit::count_admitted(context, pool),
                Again::InVain => {
                    admit::count_admitted(context, pool);
                    return Err(failed.refusal);
                }
            }
        }
        tried.extend(failed.endpoint);
        if !failed.repeatable || responder.begun() || !pool.retry_allowed(&tried) {
            return Err(failed.refusal);
        }
        // Without a free seat the failure that it was stays: what was sent does not wait again.
        slot = context
            .admission
            .as_ref()
            .and_then(|admission| pool.retry(admission.retry(&asked, &tried, until), tag).ok())
            .ok_or(failed.refusal)?;
        context.edge.metrics.retries.inc();
    }
}

/// What the affinity cookie says, when the service keeps sessions.
fn session(
    context: &RequestContext<'_>,
    forwarding: &Forwarding<'_>,
    pool: &Pool,
) -> Option<SessionCookie> {
    forwarding.service.affinity.as_ref()?;
    let cookies = forwarding.head.values(Known::Cookie);
    let mut values = cookies.filter_map(|field| cookie(field, affinity::COOKIE));
    values.find_map(|value| context.live.affinity_keys.decode(&pool.name, value))
}

struct Failed<'p> {
    /// The seat at an endpoint that took no connection, though the request might have been sent: it may wait again.
    unreached: Option<HeldSlot<'p>>,
    endpoint: Option<EndpointId>,
    refusal: Option<Refusal>,
    repeatable: bool,
}

/// One attempt: it holds a seat until the endpoint's last byte.
struct Attempt<'a, 'p, 'e, 'f> {
    context: &'a mut RequestContext<'e>,
    forwarding: &'a Forwarding<'f>,
    config: &'a Pool,
    session: Option<SessionCookie>,
    started: Timestamp,
    slot: Option<HeldSlot<'p>>,
    /// What the seat became.
    stream: Option<HeldStream<'p>>,
}

impl<'p> Attempt<'_, 'p, '_, '_> {
    async fn run<B: BodyIn, R: Responder>(
        mut self,
        body: &mut B,
        responder: &mut R,
    ) -> Result<(), Failed<'p>> {
        self.note_attempt();
        let written = AtomicBool::new(false);
        let relayed = self.relay(body, responder, &written).await;
        match relayed {
            Ok((relayed, upstream)) => {
                if relayed.reusable {
                    upstream.park(self.group(), self.config.timeouts.keepalive);
                } else {
                    drop(upstream);
                }
                if !relayed.tunnel && responder.end(&relayed.trailers).await.is_err() {
                    self.context.learnt.aborted = true;
                }
                Ok(())
            }
            Err(fault) => Err(self.fail(&fault, responder.begun(), written.load(Relaxed))),
        }
    }

    fn note_attempt(&mut self) {
        let learnt = &mut self.context.learnt;
        learnt.attempts += 1;
        if let Some(slot) = &self.slot {
            learnt.endpoint = Some(slot.connections().address());
            if slot.affinity_lost() && !std::mem::replace(&mut learnt.affinity_lost, true) {
                self.context.edge.metrics.affinity_lost.inc();
            }
        }
    }

    fn fail(&mut self, fault: &Fault, begun: bool, written: bool) -> Failed<'p> {
        let (outcome, refusal) = judge(fault);
        let endpoint = self.slot.as_ref().and_then(HeldSlot::endpoint);
        // Also when a reused connection broke before: that is done only with what is safe to repeat.
        let refused = matches!(fault, Fault::Unreachable | Fault::Expired(Limit::Connect));
        let mut unreached = None;
        match self.slot.take() {
            Some(slot) if refused && !begun => unreached = Some(slot),
            Some(slot) => {
                admit::count_admitted(self.context, slot.pool());
                slot.depart(outcome);
            }
            None => {}
        }
        if let Fault::Invalid(reject) = fault {
            self.context.learnt.detail = Some(reject.label());
        }
        // Before the relay nothing was sent and nothing of the body was taken; afterwards both may have happened.
        let unsent = refused || matches!(fault, Fault::Crowded);
        let bodyless = self.forwarding.head.body() == BodyLength::Empty;
        let endpoints_fault = matches!(outcome, Outcome::Failed(_))
            && !matches!(fault, Fault::Expired(Limit::Exchange));
        let harmless = bodyless && (!written || self.is_safe());
        Failed {
            unreached,
            endpoint,
            refusal,
            repeatable: !begun && (unsent || endpoints_fault && harmless),
        }
    }

    /// Safe method, nothing of a body that a repetition would lack.
    fn is_safe(&self) -> bool {
        let head = self.forwarding.head;
        head.body() == BodyLength::Empty
            && !head.websocket()
            && matches!(head.method(), "GET" | "HEAD" | "OPTIONS")
    }

    async fn relay<B: BodyIn, R: Responder>(
        &mut self,
        body: &mut B,
        responder: &mut R,
        written: &AtomicBool,
    ) -> Result<(Relayed, Upstream), Fault> {
        let policy = self.relay_policy();
        let (service, trusted) = (self.forwarding.service, self.context.trusted);
        let trailer_passes = |name: &[u8]| outgoing::trailer_passes(name, service, trusted);
        let mut upstream = self.connection(true, responder).await?;
        if let Some(slot) = &self.slot {
            admit::count_admitted(self.context, slot.pool());
        }
        loop {
            let head = self.forwarding.head;
            let mut out = lend();
            let Identified { tenant, strip, .. } = self.forwarding.found;
            outgoing::compose(
                &mut out,
                self.context,
                head,
                self.forwarding.service,
                tenant,
                strip,
            );
            let asked = ResponseTo {
                head_request: head.method() == "HEAD",
                upgrade_asked: head.websocket(),
            };
            let outgoing = Outgoing {
                head: out,
                framing: head.body(),
                written,
                asked,
                trailer_passes: &trailer_passes,
            };
            let deadlines = self.forwarding.deadlines;
            let mut compose = ComposeAnswer { attempt: self };
            match relay(
                &mut upstream,
                outgoing,
                body,
                responder,
                &mut compose,
                deadlines,
                &policy,
            )
            .await
            {
                Ok(relayed) => return Ok((relayed, upstream)),
                Err(Fault::Reset) if upstream.reused() && !responder.begun() && self.is_safe() => {
                    drop(upstream); // its lease first, or a full endpoint waits for itself
                    upstream = self.connection(false, responder).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    fn relay_policy(&self) -> RelayPolicy {
        let client = &self.context.live.client;
        RelayPolicy {
            first_byte: self.config.timeouts.first_byte,
            idle: self.config.timeouts.idle,
            body_bytes_max: self.forwarding.service.body_bytes_max,
            head: HeadLimits {
                bytes_max: client.head_bytes_max,
                fields_max: client.head_fields_max,
            },
        }
    }

    /// An idle connection of the group, when `reuse`, or a new one; ends when the client leaves meanwhile.
    async fn connection<R: Responder>(
        &self,
        reuse: bool,
        responder: &mut R,
    ) -> Result<Upstream, Fault> {
        let Some(slot) = &self.slot else {
            return Err(Fault::Reset);
        };
        let metrics = &self.context.edge.metrics;
        if reuse && let Some(upstream) = idle::take(slot.connections(), self.group()) {
            metrics.upstream_reused.inc();
            return Ok(upstream);
        }
        let deadlines = self.forwarding.deadlines;
        deadlines.set_after(Limit::Connect, self.config.timeouts.connect);
        let mut opening = pin!(open(slot, self.config.connections_max, deadlines));
        let opened = poll_fn(|cx| match opening.as_mut().poll(cx) {
            Poll::Pending if responder.poll_gone(cx).is_ready() => {
                Poll::Ready(Err(Fault::Client(ClientError::Gone)))
            }
            polled => polled,
        })
        .await;
        deadlines.clear(Limit::Connect);
        if opened.is_ok() {
            metrics.upstream_connections.inc();
        }
        opened
    }

    fn group(&self) -> Group {
        let Identified {
            service, tenant, ..
        } = self.forwarding.found;
        let number = self
            .context
            .live
            .services
            .get(service.0 as usize)
            .map_or(u32::MAX, |service| service.number);
        let isolated = self.forwarding.service.isolation == Isolation::Tenant;
        Group {
            service: number,
            tenant: isolated.then_some(tenant),
        }
    }
}

/// Opens a connection once the endpoint has room for one.
async fn open(
    slot: &HeldSlot<'_>,
    connections_max: u32,
    deadlines: &Deadlines,
) -> Result<Upstream, Fault> {
    let lease = slot.connections().lease(connections_max, deadlines).await;
    let lease = lease.map_err(|stop| match stop {
        Stop::Expired(Limit::Connect) => Fault::Crowded,
        Stop::Expired(Limit::Exchange) => Fault::Late,
        stop => Fault::from(stop),
    })?;
    let opened = Upstream::connect(lease, deadlines).await;
    opened.map_err(|stop| match stop {
        Stop::Io(error) if is_local_shortage(&error) => Fault::Exhausted,
        Stop::Io(_) => Fault::Unreachable,
        Stop::Expired(Limit::Exchange) => Fault::Late,
        Stop::Expired(limit) => Fault::Expired(limit),
    })
}

/// Adds our fields to the endpoint's head.
struct ComposeAnswer<'c, 'a, 'p, 'e, 'f> {
    attempt: &'c mut Attempt<'a, 'p, 'e, 'f>,
}

impl Compose for ComposeAnswer<'_, '_, '_, '_, '_> {
    fn begin<R: Responder>(
        &mut self,
        responder: &mut R,
        head: &ResponseHead,
    ) -> Result<Course, Fault> {
        let attempt = &mut *self.attempt;
        let learnt = &mut attempt.context.learnt;
        learnt.status = head.status();
        learnt.first_byte = Some(clock::recent() - attempt.started);
        let tenant_cookie = attempt.tenant_cookie();
        let affinity_cookie = attempt.affinity_cookie();
        let mut fields: SmallVec<[(&str, &[u8]); 3]> = SmallVec::new();
        for cookie in [&tenant_cookie, &affinity_cookie].into_iter().flatten() {
            fields.push(("Set-Cookie", cookie.as_bytes()));
        }
        if attempt.context.edge.leaving() {
            responder.close_after();
        }
        let course = attempt.course(head)?;
        let answer = Answer {
            status: head.status(),
            upstream: Some(head),
            fields: &fields,
        };
        responder.begin(&answer, head.body());
        Ok(course)
    }

    fn complete(&mut self) {
        let attempt = &mut *self.attempt;
        let learnt = &attempt.context.learnt;
        if let Some(slot) = attempt.slot.take() {
            slot.depart(Outcome::Answered {
                status: learnt.status,
                first_byte: learnt.first_byte.unwrap_or_default(),
            });
        }
    }
}

/// Whether an answer is a stream: a tunnel, server-sent events, gRPC (of which nothing tells a call from a stream).
fn streams(head: &ResponseHead) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let of_events = |kind: &[u8]| {
        kind.get(..EVENTS.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
    };
    head.status() == 101
        || head
            .get(Known::ContentType)
            .is_some_and(|kind| of_events(kind) || is_grpc_type(kind))
}

impl Attempt<'_, '_, '_, '_> {
    /// A stream is no longer a request that a seat is for.
    fn course(&mut self, head: &ResponseHead) -> Result<Course, Fault> {
        if !streams(head) {
            return Ok(Course::Answer);
        }
        match self.slot.take().map(HeldSlot::stream) {
            Some(Err(slot)) => {
                self.slot = Some(slot);
                Err(Fault::StreamsFull)
            }
            moved => {
                self.stream = moved.and_then(Result::ok);
                Ok(Course::Stream)
            }
        }
    }

    /// Carries the tenant through the rest of a form, once it was found by another way.
    fn tenant_cookie(&self) -> Option<String> {
        let Identified {
            tenant,
            cookie_stale,
            ..
        } = self.forwarding.found;
        (cookie_stale && self.forwarding.service.tenant_cookie).then(|| {
            let mut digits = [0; RegionalKey::DIGITS_MAX];
            format!(
                "{TENANT_COOKIE}={}; Path=/; HttpOnly; SameSite=Lax; Secure",
                tenant.text(&mut digits)
            )
        })
    }

    /// Ties the session to its endpoint, anew when it moved or half of its life is over.
    fn affinity_cookie(&self) -> Option<String> {
        let affinity = self.forwarding.service.affinity.as_ref()?;
        let address = self.slot.as_ref()?.connections().address();
        let tag = schleuse_core::affinity::endpoint_tag(address);
        let keys = &self.context.live.affinity_keys;
        let now = clock::unix().as_secs();
        let stays = |session: SessionCookie| {
            session.tag == tag && !session.due_for_renewal(affinity.ttl, now)
        };
        if self.session.is_some_and(stays) {
            return None;
        }
        keys.set_cookie(&self.config.name, tag, affinity)
    }
}

/// Who is to blame, and what the client gets to see.
fn judge(fault: &Fault) -> (Outcome, Option<Refusal>) {
    use Outcome::{Abandoned, Failed as By};
    match fault {
        Fault::Client(ClientError::Gone) => (Abandoned, None),
        Fault::Client(ClientError::Invalid(reject)) => (
            Abandoned,
            Some(Refusal::BadRequest(reject.label(), reject.status())),
        ),
        Fault::Client(ClientError::Expired(Limit::ClientRead)) => {
            (Abandoned, Some(Refusal::ClientBodyTimeout))
        }
        Fault::Client(ClientError::Expired(Limit::Exchange)) => {
            (Abandoned, Some(Refusal::ExchangeTimeout))
        }
        Fault::Expired(Limit::Exchange) => (By(Failure::Timeout), Some(Refusal::ExchangeTimeout)),
        Fault::Client(ClientError::Expired(Limit::ClientWrite)) => {
            (Abandoned, Some(Refusal::ClientStalled))
        }
        Fault::Client(ClientError::Expired(_)) => (Abandoned, Some(Refusal::ClientTooSlow)),
        Fault::TooLarge => (Abandoned, Some(Refusal::BodyTooLarge)),
        Fault::Overloaded => (Abandoned, Some(Refusal::Overloaded)),
        Fault::Crowded => (Abandoned, Some(Refusal::ConnectionsFull)),
        // Its time was used up before: nothing is known of the endpoint, neither that it was reached nor that it was not.
        Fault::Late => (Abandoned, Some(Refusal::ExchangeTimeout)),
        Fault::StreamsFull => (Abandoned, Some(Refusal::StreamsFull)),
        Fault::Exhausted => (Abandoned, Some(Refusal::Exhausted)),
        Fault::Unreachable => (By(Failure::Connect), Some(Refusal::ConnectFailed)),
        Fault::Reset => (By(Failure::Reset), Some(Refusal::UpstreamReset)),
        Fault::Invalid(_) | Fault::TooManyInterims => {
            (By(Failure::Garbage), Some(Refusal::UpstreamInvalid))
        }
        Fault::Expired(Limit::Connect) => (By(Failure::Connect), Some(Refusal::ConnectTimeout)),
        Fault::Expired(Limit::FirstByte) => (By(Failure::Timeout), Some(Refusal::FirstByteTimeout)),
        Fault::Expired(_) => (By(Failure::Timeout), Some(Refusal::UpstreamIdleTimeout)),
    }
}
