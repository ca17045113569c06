//! The words of a pool's events: what comes in, and what it answers.

use std::{net::SocketAddr, time::Duration};

use crate::{
    EndpointId, Refusal, Timestamp,
    queue::{
        RunId,
        flow::FlowKey,
        ticket::{Class, Ticket},
    },
    rate::Quota,
};

/// A request that wants a seat.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a, R> {
    /// Whose it is.
    pub flow: FlowKey,
    /// Of the config that weight and limits come from. A flow that has those of a later one keeps them.
    pub generation: u64,
    /// What the flow's weight is made of by [`FairBy`](crate::FairBy): inhabitants of the place, or what the operator
    /// wrote instead. 0 counts as 1.
    pub inhabitants: u64,
    /// Whether it goes on with something begun.
    pub class: Class,
    /// Salted hash of the client's network, for its share of the places.
    pub client: u64,
    /// How many times an ordinary request's time it is expected to need; multiplies the charge. 0 counts as 1.
    pub cost: u32,
    /// Bytes held for it while it waits.
    pub bytes: u64,
    /// Requests that its flow may have in flight; `u32::MAX`: no limit, 0 counts as 1.
    pub in_flight_max: u32,
    /// What its dispatch is charged to; none: no limit, or one that refused it before it came here.
    pub rate: Option<(Quota, &'a R)>,
    /// Its session's endpoint.
    pub preferred: Option<EndpointId>,
    /// Any evenly distributed number.
    pub draw: u64,
}

/// What the waiting requests of a flow go by, of the fields of an [`Arrival`] those that a config decides.
#[derive(Clone, Debug)]
pub struct Terms<R> {
    /// See [`Arrival::generation`].
    pub generation: u64,
    /// See [`Arrival::inhabitants`].
    pub inhabitants: u64,
    /// See [`Arrival::in_flight_max`].
    pub in_flight_max: u32,
    /// See [`Arrival::rate`].
    pub rate: Option<(Quota, R)>,
}

/// A request whose attempt failed and that wants another seat.
#[derive(Clone, Copy, Debug)]
pub struct Retry<'a> {
    /// As when it arrived.
    pub flow: FlowKey,
    /// As when it arrived.
    pub inhabitants: u64,
    /// As when it arrived.
    pub cost: u32,
    /// The endpoints of its earlier attempts, oldest first; they come last.
    pub tried: &'a [EndpointId],
    /// Its session's endpoint; one that was tried already has lost it.
    pub preferred: Option<EndpointId>,
    /// See [`Slot::until`].
    pub until: Timestamp,
    /// Any evenly distributed number.
    pub draw: u64,
}

/// What becomes of a request whose endpoint took no connection.
#[derive(Debug)]
#[must_use = "a slot holds a seat until it departs, a ticket a place until it ends"]
pub enum Requeued {
    /// Another endpoint has a free seat.
    Go(Slot),
    /// It waits again, before all others of its flow.
    Wait(Waiting),
    /// Waiting is no use: the failure is the answer.
    Stands,
}

/// The answer to an arrival.
#[derive(Debug)]
#[must_use = "a slot holds a seat until it departs, a ticket a place until it ends"]
pub enum Admission {
    /// Send it there now.
    Go(Slot),
    /// Let it wait.
    Wait(Waiting),
    /// Answer it yourself.
    Refuse(Refused),
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Names it to [`dispatch`](crate::PoolState::dispatch) and [`leave`](crate::PoolState::leave).
    pub ticket: Ticket,
    /// The last moment at which it may be granted; leave as expired afterwards.
    pub until: Timestamp,
    /// How long it will probably take.
    pub predicted: Duration,
}

/// Why not, and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub refusal: Refusal,
    /// For `Retry-After`, to be rounded up to a second; beats the reason's own.
    pub retry_after: Option<Duration>,
}

/// A ticket's seat.
#[derive(Debug)]
#[must_use = "a seat that does not depart is lost"]
pub struct Grant {
    /// Whose turn it was; has ended now.
    pub ticket: Ticket,
    /// Where it goes.
    pub slot: Slot,
}

/// Why a ticket ends without a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Its client left.
    Gone,
    /// Its time is over.
    Expired,
}

/// One seat of one endpoint, taken by [`PoolState::arrive`](crate::PoolState::arrive) or
/// [`dispatch`](crate::PoolState::dispatch) and given back by [`depart`](crate::PoolState::depart).
///
/// Not `Clone` and only made here, so that no seat is given back twice. One that is dropped instead is lost for good;
/// the shell wraps it in a guard that departs as [`Outcome::Abandoned`].
#[derive(Debug)]
#[must_use = "a seat that does not depart is lost"]
#[non_exhaustive]
pub struct Slot {
    /// Whose seat it is; goes into `tried` when this attempt fails.
    pub endpoint: EndpointId,
    /// Where to connect to.
    pub address: SocketAddr,
    /// When the seat was taken.
    pub started: Timestamp,
    /// The request named a session's endpoint and got another one.
    pub affinity_lost: bool,
    /// How long it may wait for another seat, should nobody take a connection.
    pub until: Timestamp,
    /// Its place in order of arrival.
    pub(crate) sequence: u64,
    /// Its charge.
    pub(crate) run: RunId,
}

/// A request that goes on outside the seats; ended by [`end_stream`](crate::PoolState::end_stream).
#[derive(Debug)]
#[must_use = "a stream that does not end is counted for ever"]
pub struct Stream {
    pub(crate) endpoint: EndpointId,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint answered; 502, 503 and 504 count as its failures.
    ///
    /// Also when it answered early and the upload broke then: the answer counts (envoyproxy/envoy#2929).
    Answered {
        /// Final status of the answer.
        status: u16,
        /// From sending the request to the first byte of the answer.
        first_byte: Duration,
    },
    /// The endpoint failed.
    Failed(Failure),
    /// The client left; says nothing about the endpoint.
    Abandoned,
}

/// What an endpoint did wrong. All kinds weigh the same; they are told apart for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection within the time for it.
    Connect,
    /// The connection ended before the answer did.
    Reset,
    /// No byte within the time for it.
    Timeout,
    /// Not an answer by RFC 9112.
    Garbage,
}

/// Counters of a pool since the start; endpoints that are gone are still in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolTotals {
    /// Requests, each counted once however many attempts it took.
    pub arrivals: u64,
    /// Seats given out.
    pub admitted: u64,
    /// Seats given back, those of requests that became streams among them.
    pub departed: u64,
    /// Tickets given out.
    pub queued: u64,
    /// Those of them that were given to requests whose endpoint took no connection.
    pub requeued: u64,
    /// Tickets that ended with a seat; they are among the admitted.
    pub granted: u64,
    /// Tickets whose client left.
    pub gone: u64,
    /// Tickets whose time was over.
    pub expired: u64,
    /// Tickets that ended because the pool did not start.
    pub turned_away: u64,
    /// Requests that became streams.
    pub streams: u64,
    /// Attempts refused because all seats were taken and waiting was no choice.
    pub refused_full: u64,
    /// Attempts refused because there was no endpoint.
    pub refused_absent: u64,
    /// Arrivals refused by a bound of the queue: a tenant's, a client's or the pool's.
    pub refused_bound: u64,
    /// Arrivals refused because the wait for a seat would have been too long.
    pub refused_long: u64,
    /// Arrivals refused because the pool would not start in time.
    pub refused_cold: u64,
    /// Arrivals refused because the wait for their tenant's rate would have been too long.
    pub refused_rate: u64,
    /// Retries granted.
    pub retries: u64,
    /// Retries refused by the budget (not those beyond `attempts_max`).
    pub retries_denied: u64,
    /// Requests of a session that went to another endpoint than the session's.
    pub affinity_lost: u64,
}
