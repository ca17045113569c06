//! What a request needs to be let through: its tenant's rate, and a seat, for which it may have to wait.
//!
//! Service and tenant give the terms (weight, quota, limit in flight); they are looked up once per config and tenant. A
//! rate with `over: refuse` is charged here, before anything is read or held for the request; one with `over: wait` goes
//! into the queue with it and is charged when its turn has come.

use std::time::Duration;

use schleuse_config::{Over, Service, TenantLimit};
use schleuse_core::{
    Arrival, Class, EndpointId, FlowKey, Quota, Refusal, Refused, Retry, SharedRate as _,
    Terms as WaitingTerms, Timestamp, identify::Identified,
};
use schleuse_http1::RequestHead;

use crate::{
    clock,
    context::RequestContext,
    deadlines::Deadlines,
    edge::Live,
    exchange::Responder,
    limits::{ClientNetwork, HeldBytes},
    registry::{Arrived, HeldSlot, Place, Pool, Requeued, Tenant, Terms, plain},
    respond::RateLimitShown,
    wait::wait,
};

/// What a waiting request costs beside its head and body: its place, its task and what they hold.
const HELD_BYTES: usize = 4 * 1024;

/// Who asks for a seat, and on which terms. Found once per request.
#[derive(Debug)]
pub struct Admission {
    /// State of the tenant that lives across reloads.
    pub tenant: Tenant,
    /// The tenant as the queue knows it.
    pub flow: FlowKey,
    terms: Terms,
    /// The client's own network.
    network: u128,
}

impl Admission {
    /// For the tenant that was identified and a client of this network; none when the service has no runtime.
    pub fn find(
        context: &RequestContext<'_>,
        service: &Service,
        found: &Identified,
        network: &ClientNetwork,
    ) -> Option<Self> {
        let live = &context.live;
        let runtime = live.services.get(found.service.0 as usize)?;
        let tenant = runtime.tenant(found.tenant);
        let terms = tenant.terms(live.generation, || Terms {
            generation: live.generation,
            weight: live.snapshot.weight(found.tenant),
            quota: quota(service, live.snapshot.register.population(found.tenant)),
        });
        Some(Self {
            flow: FlowKey {
                service: runtime.number,
                tenant: found.tenant,
            },
            tenant,
            terms,
            network: network.own,
        })
    }

    /// Another attempt of a request that has been at `tried`, oldest first, and might have waited `until` then.
    pub fn retry<'t>(
        &self,
        asked: &Asked<'_>,
        tried: &'t [EndpointId],
        until: Timestamp,
    ) -> Retry<'t> {
        Retry {
            flow: self.flow,
            inhabitants: self.terms.weight,
            cost: asked.cost(),
            tried,
            preferred: None,
            until,
            draw: 0,
        }
    }

    /// On the terms that it came under, or `newer` ones.
    fn arrival<'a>(
        &'a self,
        client: u64,
        asked: &Asked<'_>,
        newer: Option<&'a WaitingTerms<Tenant>>,
    ) -> Arrival<'a, Tenant> {
        let limit = enforced(asked.service);
        let waits = limit.is_some_and(|limit| limit.over == Over::Wait);
        let quota = self.terms.quota.filter(|_| waits);
        let held_bytes = HELD_BYTES + asked.head.text_bytes() + asked.body_bytes;
        Arrival {
            flow: self.flow,
            generation: newer.map_or(self.terms.generation, |terms| terms.generation),
            inhabitants: newer.map_or(self.terms.weight, |terms| terms.inhabitants),
            class: Class::New,
            client,
            cost: asked.cost(),
            bytes: held_bytes as u64,
            in_flight_max: newer.map_or(in_flight_max(asked.service), |terms| terms.in_flight_max),
            rate: match newer {
                Some(terms) => terms.rate.as_ref().map(|(quota, rate)| (*quota, rate)),
                None => quota.map(|quota| (quota, &self.tenant)),
            },
            preferred: None,
            draw: 0,
        }
    }

    /// Counts a seat, for the tenant and for the pool.
    fn admitted(&self, pool: &Pool, wait: Duration) {
        let now = clock::recent();
        self.tenant.counts.admitted(wait, now);
        pool.counts.admitted(wait, now);
    }

    /// Counts a client that left while it waited.
    fn left(&self, pool: &Pool) {
        self.tenant.counts.left();
        pool.counts.counts.left();
    }

    /// What the rate that refused says of itself.
    fn shown(&self, now: Timestamp, reset: Duration) -> Option<RateLimitShown> {
        let quota = self.terms.quota?;
        Some(RateLimitShown {
            name: "tenant",
            quota: quota.tolerance() / quota.interval().max(1) + 1,
            window: Duration::from_nanos(quota.tolerance() + quota.interval()),
            remaining: self.tenant.with(|rate| rate.remaining(&quota, now)),
            reset,
        })
    }
}

/// What a seat is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'f> {
    /// The request's head.
    pub head: &'f RequestHead,
    /// Its service.
    pub service: &'f Service,
    /// Bytes of the path that named service and tenant.
    pub strip: usize,
    /// Bytes of its body that are here already.
    pub body_bytes: usize,
    /// Of those and the head's, in the process's budget already.
    pub covered_bytes: u64,
    /// The tag in its affinity cookie.
    pub session: Option<u64>,
}

impl Asked<'_> {
    /// What the route costs, in ordinary requests.
    fn cost(&self) -> u32 {
        if self.service.costs.is_empty() {
            return 1; // before looking at the path, which costs more than all the rest here
        }
        let path = self.head.path().get(self.strip..).unwrap_or_default();
        self.service.cost(self.head.method(), path)
    }
}

/// Charges a rate that does not wait, or is only observed.
///
/// # Errors
///
/// [`Refusal::TenantRate`]; when to come again is noted in the context.
pub fn charge(context: &mut RequestContext<'_>, service: &Service) -> Result<(), Refusal> {
    let (Some(limit), Some(admission)) = (&service.limits.tenant, &context.admission) else {
        return Ok(());
    };
    let Some(quota) = &admission.terms.quota else {
        return Ok(());
    };
    if limit.over == Over::Wait && !limit.observe {
        return Ok(());
    }
    let now = context.started;
    let Err(at) = admission.tenant.with(|rate| rate.take(quota, now)) else {
        return Ok(());
    };
    if limit.observe {
        admission.tenant.counts.observed();
        context.edge.limits.metrics().would_refuse("tenant");
        return Ok(());
    }
    Err(note(
        context,
        Refused {
            refusal: Refusal::TenantRate,
            retry_after: Some(at - now),
        },
    ))
}

/// Takes a seat in `pool`, at once or when its turn has come.
///
/// # Errors
///
/// Why there is none; `None` when the client left.
pub async fn seat<'p, R: Responder>(
    context: &mut RequestContext<'_>,
    asked: Asked<'_>,
    pool: &'p Pool,
    responder: &mut R,
    deadlines: &Deadlines,
) -> Result<HeldSlot<'p>, Option<Refusal>> {
    let Some(admission) = &context.admission else {
        return Err(Some(Refusal::NoEndpoint));
    };
    let limits = &context.edge.limits;
    let newer = newer_terms(context, admission);
    let arrival = admission.arrival(limits.client_key(admission.network), &asked, newer.as_ref());
    let bytes = arrival.bytes.saturating_sub(asked.covered_bytes);
    let place = match pool.arrive(arrival, asked.session) {
        Arrived::Go(slot) => return Ok(slot),
        Arrived::Wait(place) => place,
        Arrived::Refuse(refused) => return Err(Some(note(context, refused))),
    };
    let overload = &context.live.snapshot.overload;
    let held = limits.hold(bytes, overload);
    let held = held.map_err(|refusal| Some(note(context, plain(refusal))))?;
    let ended = hold_place(context, held, place, responder, deadlines).await;
    if matches!(ended, Err(None)) {
        count_left(context, pool);
    }
    ended.map_err(|refused| refused.map(|refused| note(context, refused)))
}

/// Counts a request as admitted, once, with all that it waited: when it has reached an endpoint, or will not wait again.
pub fn count_admitted(context: &mut RequestContext<'_>, pool: &Pool) {
    if let Some(admission) = &context.admission
        && !std::mem::replace(&mut context.learnt.admitted, true)
    {
        admission.admitted(pool, context.learnt.waited.unwrap_or_default());
    }
}

fn count_left(context: &RequestContext<'_>, pool: &Pool) {
    if let Some(admission) = &context.admission {
        admission.left(pool);
    }
}

/// What comes of a request whose endpoint took no connection.
#[derive(Debug)]
pub enum Again<'p> {
    /// It has another seat, at once or after it waited.
    Seat(HeldSlot<'p>),
    /// It may not wait; a retry is as good as after any other failure.
    Stands,
    /// It has waited as long as it may.
    InVain,
}

/// Another seat for a request whose endpoint took no connection.
///
/// # Errors
///
/// Why there is none; `None` when the client left.
pub async fn seat_again<'p, R: Responder>(
    context: &mut RequestContext<'_>,
    asked: &Asked<'_>,
    slot: HeldSlot<'p>,
    responder: &mut R,
    deadlines: &Deadlines,
) -> Result<Again<'p>, Option<Refusal>> {
    let Some(admission) = &context.admission else {
        return Ok(Again::Stands);
    };
    let limits = &context.edge.limits;
    let newer = newer_terms(context, admission);
    let arrival = admission.arrival(limits.client_key(admission.network), asked, newer.as_ref());
    let bytes = arrival.bytes.saturating_sub(asked.covered_bytes);
    let pool = slot.pool();
    let place = match slot.requeue(arrival, asked.session) {
        Requeued::Go(slot) => return Ok(Again::Seat(slot)),
        Requeued::Wait(place) => place,
        Requeued::Stands => return Ok(Again::Stands),
    };
    let held = limits.hold_admitted(bytes);
    match hold_place(context, held, place, responder, deadlines).await {
        Ok(slot) => Ok(Again::Seat(slot)),
        // That nobody took a connection is what it waited for, and what its client is to know.
        Err(Some(refused)) if refused.refusal == Refusal::WaitExpired => Ok(Again::InVain),
        Err(Some(refused)) => Err(Some(note(context, refused))),
        Err(None) => {
            count_left(context, pool);
            Err(None)
        }
    }
}

/// The terms in force, when they are not those that the request came under: its body may have taken minutes to come.
fn newer_terms(
    context: &RequestContext<'_>,
    admission: &Admission,
) -> Option<WaitingTerms<Tenant>> {
    if context.edge.generation() == context.live.generation {
        return None;
    }
    terms_of(&context.edge.live(), admission.flow)
}

/// Waits at a place; `held` is what that takes of the process's budget of memory.
async fn hold_place<'p, R: Responder>(
    context: &mut RequestContext<'_>,
    held: HeldBytes<'_>,
    place: Place<'p>,
    responder: &mut R,
    deadlines: &Deadlines,
) -> Result<HeldSlot<'p>, Option<Refused>> {
    let since = clock::recent();
    let ended = wait(place, responder, deadlines).await;
    let waited = clock::now() - since;
    context.learnt.waited = Some(context.learnt.waited.unwrap_or_default() + waited);
    drop(held);
    ended
}

/// What those of a flow who wait go by in this config; none: its service is no longer in it.
pub fn terms_of(live: &Live, flow: FlowKey) -> Option<WaitingTerms<Tenant>> {
    let index = live
        .services
        .iter()
        .position(|runtime| runtime.number == flow.service)?;
    let (runtime, service) = (
        live.services.get(index)?,
        live.snapshot.services.get(index)?,
    );
    let tenant = runtime.known_tenant(flow.tenant)?;
    let limit = enforced(service);
    let waits = limit.is_some_and(|limit| limit.over == Over::Wait);
    let quota = quota(service, live.snapshot.register.population(flow.tenant));
    Some(WaitingTerms {
        generation: live.generation,
        inhabitants: live.snapshot.weight(flow.tenant),
        in_flight_max: in_flight_max(service),
        rate: quota.filter(|_| waits).map(|quota| (quota, tenant)),
    })
}

/// What the client is told beside the reason.
fn note(context: &mut RequestContext<'_>, refused: Refused) -> Refusal {
    let learnt = &mut context.learnt;
    learnt.retry_after = refused.retry_after;
    if refused.refusal == Refusal::TenantRate
        && let Some(admission) = &context.admission
    {
        let reset = refused.retry_after.unwrap_or_default();
        learnt.rate_limit = admission.shown(clock::recent(), reset);
    }
    refused.refusal
}

/// The limit whose rate is in force.
fn enforced(service: &Service) -> Option<&TenantLimit> {
    let limit = service.limits.tenant.as_ref();
    limit.filter(|limit| !limit.observe)
}

/// Requests of a tenant in flight at once, in whatever mode its rate is.
fn in_flight_max(service: &Service) -> u32 {
    let limit = service.limits.tenant.as_ref();
    limit.and_then(|limit| limit.in_flight).unwrap_or(u32::MAX)
}

/// The rate of a tenant with that many inhabitants; none: not limited.
pub fn quota(service: &Service, inhabitants: u64) -> Option<Quota> {
    let limit = service.limits.tenant.as_ref()?;
    let rate = limit.rate_of(inhabitants)?;
    Some(Quota::new(rate, limit.burst.requests(rate)))
}
