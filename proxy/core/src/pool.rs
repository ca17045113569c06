//! The pool of endpoints: whether a request may go now and where to, or waits, decided in one event.
//!
//! Admission and choice are one, because a free seat belongs to one endpoint: who admits first and chooses later finds
//! the seat taken. For the same reason those who wait are let in here: [`PoolState::dispatch`] finds the seat, the
//! queue (`crate::queue`) says for whom.
//!
//! Who gets a request: the endpoint of its session while that one serves; otherwise the better of two random usable
//! ones with a free seat, those already tried for this request last. When none is usable, all that the operator did not
//! take out are asked: the backend's own answer tells a client more than ours (istio/istio#20135).
//!
//! Policy, time and chance are arguments; the caller locks. In steady state no event allocates. After every event that
//! may free a seat, or let somebody have one, the caller dispatches until nothing comes: arrivals that wait,
//! departures, streams, tickets that leave, changed endpoints, modes and health, and the time that
//! [`due`](PoolState::due) names. Then no seat is free while somebody waits who could have it (haproxy/haproxy#3290).

mod admit;
mod choose;
mod demand;
mod endpoints;
pub(crate) mod event;
pub(crate) mod policy;
mod requeue;
mod seat_times;
mod waking;

use std::{net::SocketAddr, ops::Range, time::Duration};

use crate::{
    Timestamp,
    activation::Activation,
    endpoint::{EndpointId, EndpointView, Mode},
    health::HealthChange,
    queue::{
        FairQueue,
        charge::CORRECTION_INTERVAL,
        flow::{FlowKey, FlowTerms},
        ticket::Ticket,
        view::{FlowView, QueueView},
    },
    rate::SharedRate,
    retry::RetryBudget,
    scale::demand::{Counters, Gauges},
};
use demand::Demand;
use endpoints::Endpoints;
pub use event::{
    Admission, Arrival, Failure, Grant, Leave, Outcome, PoolTotals, Refused, Requeued, Retry, Slot,
    Stream, Terms, Waiting,
};
pub use policy::PoolPolicy;
pub use seat_times::SeatTimes;

/// This process's part of a number in flight.
fn share_of(policy: &PoolPolicy, limit: u32) -> u32 {
    match limit {
        u32::MAX => u32::MAX,
        limit => policy.share.of(limit).max(1),
    }
}

/// One pool: its endpoints, their seats, who waits for them, and the retry budget. `R` is how a tenant's used rate is
/// reached, which is not the pool's.
#[derive(Debug)]
pub struct PoolState<R> {
    endpoints: Endpoints,
    queue: FairQueue<R>,
    budget: RetryBudget,
    totals: PoolTotals,
    demand: Demand,
    seat_times: SeatTimes,
    activation: Activation,
    /// Next place of the queue to look at for those who cannot wait for the next attempt to start the pool.
    sweep: Option<u32>,
}

impl<R> Default for PoolState<R> {
    fn default() -> Self {
        Self {
            endpoints: Endpoints::default(),
            queue: FairQueue::default(),
            budget: RetryBudget::default(),
            totals: PoolTotals::default(),
            demand: Demand::default(),
            seat_times: SeatTimes::default(),
            activation: Activation::default(),
            sweep: None,
        }
    }
}

impl<R: SharedRate> PoolState<R> {
    /// A pool without endpoints; refuses everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the list of endpoints, in any order; repeats are one.
    ///
    /// To be called at start, whenever the list changes and after every reload (a changed policy is applied to the
    /// endpoints that stay, and those who wait are ordered by its `fair_by`). Those that stay keep everything. Those
    /// that go take nothing new; their state lives until their last request or stream ends, and is found again should
    /// they come back before. Who waits goes on waiting, also when none is left. Costs O(n log n).
    pub fn set_endpoints(&mut self, policy: &PoolPolicy, addresses: &[SocketAddr], now: Timestamp) {
        self.endpoints.replace(policy, addresses, now);
        self.queue.set_fair_by(policy.queue.fair_by, now);
        self.follow_endpoints(policy, now);
    }

    /// What a flow's waiting requests go by from now on; to be called for every flow after a reload, and to be followed by
    /// dispatching. Without it they would wait by the old terms until the next request of their flow comes.
    pub fn set_terms(
        &mut self,
        policy: &PoolPolicy,
        flow: FlowKey,
        terms: Terms<R>,
        now: Timestamp,
    ) {
        let rate = terms
            .rate
            .map(|(quota, rate)| (quota.share(policy.share), rate));
        let flow_terms = FlowTerms {
            generation: terms.generation,
            inhabitants: terms.inhabitants,
            in_flight_max: share_of(policy, terms.in_flight_max),
        };
        self.queue.set_terms(flow, flow_terms, rate, now);
    }

    /// Gives a free seat to the one whose turn it is; none: nobody is left who could have one.
    ///
    /// To be called with the policy in force, not with one that an old request still pins. `draw` is any evenly
    /// distributed number. Nobody gets a seat after their time is over; their ticket ends when they leave.
    pub fn dispatch(&mut self, policy: &PoolPolicy, now: Timestamp, draw: u64) -> Option<Grant> {
        self.queue.promote(now);
        while let Some(next) = self.queue.next(now) {
            let Some(position) = self.find_seat(policy, next.preferred, draw, now) else {
                break;
            };
            if self.queue.take_token(next, now) {
                return self.grant(policy, next, position, now);
            }
        }
        self.dispatch_session(policy, now)
    }

    /// A ticket ends without a seat; what to answer, when its time is over. None as well when it ended before.
    pub fn leave(
        &mut self,
        policy: &PoolPolicy,
        ticket: Ticket,
        now: Timestamp,
        why: Leave,
    ) -> Option<Refused> {
        let (waiter, rated) = self.queue.remove(ticket, now)?;
        match why {
            Leave::Gone => {
                self.totals.gone += 1;
                None
            }
            Leave::Expired => {
                self.totals.expired += 1;
                Some(self.expired(policy, &waiter, rated, now))
            }
        }
    }

    /// An attempt ended: its seat is free again, its endpoint is judged by it, and its flow's charge is corrected.
    ///
    /// Harmless when the endpoint has gone from the list meanwhile.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "consuming the slot is what makes a second departure impossible"
    )]
    pub fn depart(&mut self, policy: &PoolPolicy, slot: Slot, outcome: Outcome, now: Timestamp) {
        self.totals.departed += 1;
        self.demand.seat_freed(now);
        if matches!(outcome, Outcome::Answered { .. }) {
            self.seat_times.note(now - slot.started);
        }
        self.endpoints
            .depart(policy, slot.endpoint, slot.started, outcome, now);
        if policy.activation.is_some() && outcome == Outcome::Failed(Failure::Connect) {
            self.follow_endpoints(policy, now);
        }
        let seats = self.endpoints.seats(policy, now);
        // Who was not reached says nothing of how long the next one will take.
        let learn = outcome != Outcome::Failed(Failure::Connect);
        self.queue.finish(slot.run, learn, seats, now);
    }

    /// A request goes on outside the seats: a tunnel, server-sent events, gRPC. Speaks for the endpoint; of the time
    /// until now its flow is charged, but nothing is learnt from it.
    ///
    /// # Errors
    ///
    /// The slot again, when the endpoint has as many streams as it may.
    pub fn stream(
        &mut self,
        policy: &PoolPolicy,
        slot: Slot,
        now: Timestamp,
    ) -> Result<Stream, Slot> {
        if !(self.endpoints).stream(policy, slot.endpoint, slot.started, now) {
            return Err(slot);
        }
        self.totals.departed += 1;
        self.totals.streams += 1;
        self.demand.seat_freed(now);
        self.demand.stream_began();
        let seats = self.endpoints.seats(policy, now);
        self.queue.finish(slot.run, false, seats, now);
        Ok(Stream {
            endpoint: slot.endpoint,
        })
    }

    /// A stream ended.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "consuming the stream is what makes a second end impossible"
    )]
    pub fn end_stream(&mut self, stream: Stream) {
        self.demand.stream_ended();
        self.endpoints.end_stream(stream.endpoint);
    }

    /// Charges those in flight that run longer than they were charged for. Every 250 ms while somebody waits, as
    /// [`due`](Self::due) asks for; costs a few nanoseconds per request in flight.
    pub fn tick(&mut self, policy: &PoolPolicy, now: Timestamp) {
        self.follow_time(policy, now);
        let seats = self.endpoints.seats(policy, now);
        self.queue.correct(seats, now);
    }

    /// When to [`tick`](Self::tick) and [`dispatch`](Self::dispatch) though nothing happens: a rate lets one through, a
    /// ramp gives a seat, an ejection ends, a correction is due, an attempt to wake the pool or the pause after one has
    /// had its time. None: nobody waits, and the pool is not being woken.
    pub fn due(&self, policy: &PoolPolicy, now: Timestamp) -> Option<Timestamp> {
        let activation = policy.activation.as_ref();
        let woken = activation.and_then(|policy| self.activation.due(policy));
        let queue = self.queue_due(policy, now);
        woken.into_iter().chain(queue).min()
    }

    fn queue_due(&self, policy: &PoolPolicy, now: Timestamp) -> Option<Timestamp> {
        let due = self.queue.due()?;
        if !self.queue.ready() {
            return Some(due);
        }
        let seat = match self.endpoints.full_until() {
            Some(until) if self.endpoints.known_full(policy, now) => until,
            // Without any endpoint there is nothing to wait for but somebody's event; those that drain have their sessions.
            _ if self.endpoints.absent() => {
                self.endpoints.draining_until(policy, now).unwrap_or(due)
            }
            _ => now,
        };
        Some(due.min(seat))
    }

    /// How often [`due`](Self::due) asks for a correction.
    pub const fn correction_interval() -> Duration {
        CORRECTION_INTERVAL
    }

    /// Whether a request whose earlier attempts went to `tried` may be attempted once more; a yes takes the retry out
    /// of the budget.
    ///
    /// That repeating it is safe is for the caller to know.
    pub fn retry_allowed(
        &mut self,
        policy: &PoolPolicy,
        tried: &[EndpointId],
        now: Timestamp,
    ) -> bool {
        let attempts_max = usize::try_from(policy.retry.attempts_max).unwrap_or(usize::MAX);
        if tried.len() >= attempts_max {
            return false;
        }
        let granted = self.budget.take(&policy.retry, now);
        if granted {
            self.totals.retries += 1;
        } else {
            self.totals.retries_denied += 1;
        }
        granted
    }

    /// An active probe of an endpoint ended; says when that changed its health.
    pub fn probed(
        &mut self,
        policy: &PoolPolicy,
        endpoint: EndpointId,
        ok: bool,
        now: Timestamp,
    ) -> Option<HealthChange> {
        if !policy.probed {
            return None; // a late probe of a pool that is no longer probed
        }
        let change = self.endpoints.probed(policy, endpoint, ok, now);
        if change.is_some() {
            self.follow_endpoints(policy, now);
        }
        change
    }

    /// The operator's wish for one endpoint; false: there is no such endpoint.
    ///
    /// Back to [`Mode::Ready`], what failed before counts no longer: the operator knows better. An endpoint that was
    /// idle meanwhile comes back on the ramp; one that is still at work is warm.
    pub fn set_mode(&mut self, address: SocketAddr, mode: Mode, now: Timestamp) -> bool {
        let known = self.endpoints.set_mode(address, mode, now);
        self.note_serving(now); // who waits wakes the pool with the next tick
        known
    }

    /// The endpoint at this address, while it is in the list.
    pub fn endpoint(&self, address: SocketAddr) -> Option<EndpointId> {
        self.endpoints.at(address)
    }

    /// The endpoint of a session, by the tag in its cookie, as `preferred` of an arrival.
    ///
    /// [`EndpointId::GONE`] when no endpoint of the list has this tag, so that the session counts as lost.
    pub fn session_endpoint(&self, tag: u64) -> EndpointId {
        self.endpoints.of_session(tag)
    }

    /// All endpoints, those that are leaving last.
    pub fn views<'a>(
        &'a self,
        policy: &'a PoolPolicy,
        now: Timestamp,
    ) -> impl Iterator<Item = EndpointView> + 'a {
        self.endpoints.views(policy, now)
    }

    /// One flow; none: it has nothing waiting or in flight, and owes nothing.
    pub fn flow(&self, key: FlowKey) -> Option<FlowView> {
        self.queue.flow_view(key)
    }

    /// All flows that are remembered, in no order.
    pub fn flows(&self) -> impl Iterator<Item = (FlowKey, FlowView)> + '_ {
        self.flows_at(0..usize::MAX)
    }

    /// Those at these places of the list, of [`flow_places`](Self::flow_places): for who looks at thousands and gives
    /// the lock back between.
    pub fn flows_at(&self, places: Range<usize>) -> impl Iterator<Item = (FlowKey, FlowView)> + '_ {
        self.queue.flow_views_at(places)
    }

    /// Places of the list of flows. Flows keep theirs.
    pub fn flow_places(&self) -> usize {
        self.queue.flow_places()
    }

    /// The queue as a whole. Counts the seats: for operators, not for every request.
    pub fn queue(&self, policy: &PoolPolicy, now: Timestamp) -> QueueView {
        self.queue.view(self.endpoints.count_seats(policy, now))
    }

    /// Seats taken, over all endpoints.
    pub fn in_flight(&self) -> u64 {
        self.endpoints.in_flight()
    }

    /// What it is asked for: sums since the start, and this moment. Both count what the limits let through.
    pub fn demand(&self, now: Timestamp) -> (Counters, Gauges) {
        self.demand.at(self.queue.waiting_for_seats(), now)
    }

    /// How long requests held their seats that were answered since the last call, streams left out.
    pub fn take_seat_times(&mut self) -> SeatTimes {
        std::mem::take(&mut self.seat_times)
    }

    /// What is known of how long a request holds its seat on average, from an earlier process or from the operator: what
    /// counts until the first one departs, for the waits that are told and for the first charges.
    pub fn expect_seat_time(&mut self, seat_time: Duration) {
        self.queue.expect_service_time(seat_time);
    }

    /// Counters since the start.
    pub fn totals(&self) -> PoolTotals {
        self.totals
    }
}
