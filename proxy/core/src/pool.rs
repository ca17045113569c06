//! The pool of endpoints: whether a request may go now and where to, decided in one event.
//!
//! Admission and choice are one, because a free seat belongs to one endpoint: who admits first and chooses later finds
//! the seat taken. A pool that waits will wait inside the same event.
//!
//! Who gets a request: the endpoint of its session while that one serves; otherwise the better of two random usable
//! ones with a free seat, those already tried for this request last. When none is usable, all that the operator did not
//! take out are asked: the backend's own answer tells a client more than ours (istio/istio#20135).
//!
//! State is keyed by address and port and outlives every change of the list (haproxy/haproxy#1282: a rebuilt balancer
//! sent everything to the first server after each change). Policy, time and chance are arguments; the caller locks.
//! An arrival allocates nothing and looks at two endpoints; only a pool that is small, mostly full or mostly unusable
//! is scanned.

mod choose;

use std::{collections::HashSet, net::SocketAddr, time::Duration};

use crate::{
    Refusal, Timestamp,
    ejection::{Ejection, EjectionPolicy},
    endpoint::{Endpoint, EndpointId, EndpointView, Mode},
    health::{Health, HealthChange, HealthPolicy},
    retry::{RetryBudget, RetryPolicy},
};

/// What a pool decides by; comes from the configuration with each event, so that a reload needs no event of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolPolicy {
    /// Seats per endpoint: requests in flight there at once. 0 counts as 1.
    pub concurrency: u32,
    /// How long an endpoint that became ready takes to reach its full share; zero: no ramp.
    pub slow_start: Duration,
    /// When failing answers take an endpoint out.
    pub ejection: EjectionPolicy,
    /// How many attempts beyond the first.
    pub retry: RetryPolicy,
    /// How many probes change an endpoint's health.
    pub health: HealthPolicy,
    /// Whether endpoints are probed at all; if not, all are healthy.
    pub probed: bool,
}

impl Default for PoolPolicy {
    fn default() -> Self {
        Self {
            concurrency: 20,
            slow_start: Duration::from_secs(10),
            ejection: EjectionPolicy::default(),
            retry: RetryPolicy::default(),
            health: HealthPolicy::default(),
            probed: false,
        }
    }
}

/// The answer to an arrival.
#[derive(Debug)]
#[must_use = "a slot holds a seat until it departs"]
pub enum Admission {
    /// Send it there now.
    Go(Slot),
    /// Answer it yourself.
    Refuse(Refusal),
}

/// One seat of one endpoint, taken by [`PoolState::arrive`] and given back by [`PoolState::depart`].
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
    /// A tunnel or stream began: the endpoint did well, and the request goes on outside the seats.
    Released,
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
    /// Seats given back.
    pub departed: u64,
    /// Attempts refused because all seats were taken.
    pub refused_full: u64,
    /// Attempts refused because there was no endpoint.
    pub refused_absent: u64,
    /// Retries granted.
    pub retries: u64,
    /// Retries refused by the budget (not those beyond `attempts_max`).
    pub retries_denied: u64,
    /// Requests of a session that went to another endpoint than the session's.
    pub affinity_lost: u64,
}

/// One pool: its endpoints, their seats, and the retry budget.
#[derive(Debug, Default)]
pub struct PoolState {
    /// Those in the list, by ascending id (ids only grow), so that an id is found by binary search.
    endpoints: Vec<Endpoint>,
    /// No longer in the list, but with requests in flight.
    leaving: Vec<Endpoint>,
    /// Session tags of `endpoints`, ascending.
    tags: Vec<(u64, EndpointId)>,
    next_id: u32,
    budget: RetryBudget,
    totals: PoolTotals,
}

impl PoolState {
    /// A pool without endpoints; refuses everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the list of endpoints, in any order; repeats are one.
    ///
    /// To be called at start, whenever the list changes and after every reload (a changed policy is applied to the
    /// endpoints that stay). Those that stay keep everything. Those that go take nothing new; their state lives until
    /// their last request departs, and is found again should they come back before. Costs O(n log n).
    pub fn set_endpoints(&mut self, policy: &PoolPolicy, addresses: &[SocketAddr], now: Timestamp) {
        let mut missing: HashSet<SocketAddr> = addresses.iter().copied().collect();
        let known = std::mem::take(&mut self.endpoints)
            .into_iter()
            .chain(std::mem::take(&mut self.leaving));
        for endpoint in known {
            if missing.remove(&endpoint.address) {
                self.endpoints.push(endpoint);
            } else if endpoint.in_flight > 0 {
                self.leaving.push(endpoint);
            }
        }
        if !policy.probed {
            for endpoint in self.endpoints.iter_mut().chain(&mut self.leaving) {
                endpoint.health = Health::default();
            }
        }
        let relieved = self.endpoints.iter().any(|other| other.usable(now));
        for address in addresses {
            if missing.remove(address) {
                let id = EndpointId(self.next_id);
                // 2^32 endpoints are 13 years of ten new ones per second; then an id may meet its first owner.
                self.next_id = self.next_id.wrapping_add(1);
                let mut endpoint = Endpoint::new(id, *address, now);
                endpoint.ramp_since = relieved.then_some(now);
                self.endpoints.push(endpoint);
            }
        }
        self.endpoints.sort_unstable_by_key(|endpoint| endpoint.id);
        self.tags.clear();
        self.tags
            .extend(self.endpoints.iter().map(|each| (each.tag, each.id)));
        self.tags.sort_unstable();
        self.uphold_ejected_share(&policy.ejection, now);
    }

    /// A request (or its next attempt) wants a seat.
    ///
    /// `draw` is any evenly distributed number. `tried` are the endpoints of its earlier attempts, oldest first: they
    /// come last, and only a request without any is counted as an arrival. `preferred` is its session's endpoint; one
    /// that was tried already has lost it.
    pub fn arrive(
        &mut self,
        policy: &PoolPolicy,
        now: Timestamp,
        draw: u64,
        tried: &[EndpointId],
        preferred: Option<EndpointId>,
    ) -> Admission {
        if tried.is_empty() {
            self.totals.arrivals += 1;
            self.budget.arrived(now);
        }
        let session = preferred
            .filter(|id| !tried.contains(id))
            .and_then(|id| self.session_seat(policy, id, now));
        let chosen = match session {
            Some(position) => Ok(position),
            None => self.choose(policy, tried, draw, now),
        };
        match chosen {
            Ok(position) => {
                // A request whose earlier attempts left its session's endpoint is counted as lost already.
                let first_loss = tried.iter().all(|id| Some(*id) == preferred);
                self.take_seat(position, preferred, first_loss, now)
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// An attempt ended: its seat is free again, and its endpoint is judged by it.
    ///
    /// Harmless when the endpoint has gone from the list meanwhile.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "consuming the slot is what makes a second departure impossible"
    )]
    pub fn depart(&mut self, policy: &PoolPolicy, slot: Slot, outcome: Outcome, now: Timestamp) {
        self.totals.departed += 1;
        if let Some(position) = self.position(slot.endpoint) {
            let Some(endpoint) = self.endpoints.get_mut(position) else {
                return;
            };
            if endpoint.depart(policy, outcome, now) {
                self.eject(&policy.ejection, position, now);
            }
        } else if let Some(position) = self.leaving.iter().position(|e| e.id == slot.endpoint)
            && let Some(endpoint) = self.leaving.get_mut(position)
        {
            endpoint.depart(policy, outcome, now);
            if endpoint.in_flight == 0 {
                self.leaving.swap_remove(position);
            }
        }
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
        let position = self.position(endpoint)?;
        let endpoint = self.endpoints.get_mut(position)?;
        let change = endpoint.health.probed(policy.health, ok)?;
        endpoint.since = now;
        if change == HealthChange::Healthy {
            self.start_ramp(position, now);
        }
        Some(change)
    }

    /// The operator's wish for one endpoint; false: there is no such endpoint.
    ///
    /// Back to [`Mode::Ready`], what failed before counts no longer: the operator knows better. An endpoint that was
    /// idle meanwhile comes back on the ramp; one that is still at work is warm.
    pub fn set_mode(&mut self, address: SocketAddr, mode: Mode, now: Timestamp) -> bool {
        let listed = self.endpoints.iter_mut();
        let mut all = listed.chain(&mut self.leaving);
        let Some(endpoint) = all.find(|endpoint| endpoint.address == address) else {
            return false;
        };
        if endpoint.mode == mode {
            return true;
        }
        endpoint.mode = mode;
        endpoint.since = now;
        let (id, idle) = (endpoint.id, endpoint.in_flight == 0);
        if mode == Mode::Ready {
            endpoint.ejection = Ejection::default();
            endpoint.ramp_since = None;
            if idle && let Some(position) = self.position(id) {
                self.start_ramp(position, now);
            }
        }
        true
    }

    /// The endpoint at this address, while it is in the list.
    pub fn endpoint(&self, address: SocketAddr) -> Option<EndpointId> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.address == address)
            .map(|endpoint| endpoint.id)
    }

    /// The endpoint of a session, by the tag in its cookie, as `preferred` of [`arrive`](Self::arrive).
    ///
    /// [`EndpointId::GONE`] when no endpoint of the list has this tag, so that the session counts as lost.
    pub fn session_endpoint(&self, tag: u64) -> EndpointId {
        self.tags
            .binary_search_by_key(&tag, |(tag, _)| *tag)
            .ok()
            .and_then(|position| self.tags.get(position))
            .map_or(EndpointId::GONE, |(_, id)| *id)
    }

    /// All endpoints, those that are leaving last.
    pub fn views<'a>(
        &'a self,
        policy: &'a PoolPolicy,
        now: Timestamp,
    ) -> impl Iterator<Item = EndpointView> + 'a {
        let listed = self.endpoints.iter().map(|each| (each, true));
        let leaving = self.leaving.iter().map(|each| (each, false));
        listed
            .chain(leaving)
            .map(move |(endpoint, listed)| endpoint.view(policy, listed, now))
    }

    /// Seats taken, over all endpoints.
    pub fn in_flight(&self) -> u64 {
        let all = self.endpoints.iter().chain(&self.leaving);
        all.map(|endpoint| u64::from(endpoint.in_flight)).sum()
    }

    /// Counters since the start.
    pub fn totals(&self) -> PoolTotals {
        self.totals
    }
}

impl PoolState {
    /// Where the endpoint stands in the list, while it is in it.
    fn position(&self, id: EndpointId) -> Option<usize> {
        self.endpoints
            .binary_search_by_key(&id, |endpoint| endpoint.id)
            .ok()
    }

    fn take_seat(
        &mut self,
        position: usize,
        preferred: Option<EndpointId>,
        first_loss: bool,
        now: Timestamp,
    ) -> Admission {
        let Some(endpoint) = self.endpoints.get_mut(position) else {
            return self.refuse(Refusal::NoEndpoint);
        };
        endpoint.take_seat();
        let slot = Slot {
            endpoint: endpoint.id,
            address: endpoint.address,
            started: now,
            affinity_lost: preferred.is_some_and(|preferred| preferred != endpoint.id),
        };
        self.totals.admitted += 1;
        if slot.affinity_lost && first_loss {
            self.totals.affinity_lost += 1;
            let loser = preferred.and_then(|id| self.position(id));
            if let Some(loser) = loser.and_then(|position| self.endpoints.get_mut(position)) {
                loser.affinity_lost += 1;
            }
        }
        Admission::Go(slot)
    }

    fn refuse(&mut self, refusal: Refusal) -> Admission {
        match refusal {
            Refusal::PoolFull => self.totals.refused_full += 1,
            _ => self.totals.refused_absent += 1,
        }
        Admission::Refuse(refusal)
    }

    /// Leaves an endpoint out, if the pool can do without it.
    fn eject(&mut self, policy: &EjectionPolicy, position: usize, now: Timestamp) {
        let enough = policy.within_share(self.ejected(now) + 1, self.endpoints.len());
        if enough
            && self.relieved(position, now)
            && let Some(endpoint) = self.endpoints.get_mut(position)
        {
            endpoint.eject(policy, now);
        }
    }

    /// Takes ejected endpoints back, those first whose time is nearly over, until no more are out than may be: the list
    /// has become shorter, or the policy stricter.
    fn uphold_ejected_share(&mut self, policy: &EjectionPolicy, now: Timestamp) {
        let mut out: Vec<(Timestamp, usize)> = self
            .endpoints
            .iter()
            .enumerate()
            .filter_map(|(position, each)| Some((each.ejection.until(now)?, position)))
            .collect();
        out.sort_unstable();
        let endpoints = self.endpoints.len();
        let surplus = (0..out.len())
            .take_while(|taken_back| {
                let left = out.len() - taken_back;
                !policy.within_share(left, endpoints)
            })
            .count();
        for (_, position) in out.into_iter().take(surplus) {
            if let Some(endpoint) = self.endpoints.get_mut(position) {
                endpoint.ejection.end(now);
                endpoint.since = now;
                self.start_ramp(position, now);
            }
        }
    }

    /// Puts an endpoint that became ready on the ramp, or gives it its full share when nobody else is usable.
    ///
    /// The ramp spares a newcomer by letting others carry the load; without others it would only refuse. So the first
    /// endpoints of a pool do not ramp, nor those of a list that was exchanged as a whole, nor the first one that
    /// recovers.
    fn start_ramp(&mut self, position: usize, now: Timestamp) {
        let relieved = self.relieved(position, now);
        if let Some(endpoint) = self.endpoints.get_mut(position) {
            let ready = endpoint.ejection.until(now).unwrap_or(now);
            endpoint.ramp_since = relieved.then_some(ready);
        }
    }

    /// Whether another endpoint than this one is usable.
    fn relieved(&self, position: usize, now: Timestamp) -> bool {
        let others = self.endpoints.iter().enumerate();
        others
            .filter(|(other, _)| *other != position)
            .any(|(_, other)| other.usable(now))
    }

    fn ejected(&self, now: Timestamp) -> usize {
        let out = |endpoint: &&Endpoint| endpoint.ejection.until(now).is_some();
        self.endpoints.iter().filter(out).count()
    }
}
