//! The endpoints of a pool: the list, who is on its way out of it, and what is known of all together.
//!
//! State is keyed by address and port and outlives every change of the list (haproxy/haproxy#1282: a rebuilt balancer
//! sent everything to the first server after each change).

use std::{collections::HashSet, net::SocketAddr, time::Duration};

use super::policy::PoolPolicy;
use crate::{
    Timestamp,
    connect_pause::ConnectPause,
    ejection::{Ejection, EjectionPolicy},
    endpoint::{Endpoint, EndpointId, EndpointView, Mode},
    fraction::Fraction,
    health::{Health, HealthChange},
    pool::{Failure, Outcome},
};

/// How old the number of seats may be that predictions and the bound of debts rest on. Admission itself counts.
const SEATS_AGE_MAX: Duration = Duration::from_millis(100);

/// Something that stays true until then, under the same policy, if nothing happens.
#[derive(Clone, Copy, Debug)]
struct Known<T> {
    value: T,
    until: Timestamp,
    basis: Basis,
}

/// The part of the policy that seats depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Basis {
    concurrency: u32,
    slow_start: Duration,
    share: Fraction,
}

impl Basis {
    fn of(policy: &PoolPolicy) -> Self {
        Self {
            concurrency: policy.concurrency,
            slow_start: policy.slow_start,
            share: policy.share,
        }
    }
}

impl<T: Copy> Known<T> {
    fn get(known: Option<Self>, policy: &PoolPolicy, now: Timestamp) -> Option<T> {
        let known = known.filter(|known| now < known.until && known.basis == Basis::of(policy));
        known.map(|known| known.value)
    }
}

/// All endpoints of a pool.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    /// Those in the list, by ascending id (ids only grow), so that an id is found by binary search.
    pub(super) listed: Vec<Endpoint>,
    /// No longer in the list, but with requests in flight or streams.
    leaving: Vec<Endpoint>,
    /// Session tags of `listed`, ascending.
    tags: Vec<(u64, EndpointId)>,
    next_id: u32,
    /// Endpoints that have to be probed until they answer, and that nobody was told of yet.
    unprobed: Vec<EndpointId>,
    /// Endpoints of the list in [`Mode::Drain`].
    draining: usize,
    /// Nobody has a free seat.
    full: Option<Known<()>>,
    /// Seats of all that may be used.
    seats: Option<Known<u32>>,
}

impl Endpoints {
    /// Replaces the list; see [`PoolState::set_endpoints`](super::PoolState::set_endpoints).
    pub(super) fn replace(
        &mut self,
        policy: &PoolPolicy,
        addresses: &[SocketAddr],
        now: Timestamp,
    ) {
        let mut missing: HashSet<SocketAddr> = addresses.iter().copied().collect();
        let known = std::mem::take(&mut self.listed)
            .into_iter()
            .chain(std::mem::take(&mut self.leaving));
        for endpoint in known {
            if missing.remove(&endpoint.address) {
                self.listed.push(endpoint);
            } else if endpoint.busy() {
                self.leaving.push(endpoint);
            }
        }
        for endpoint in self.listed.iter_mut().chain(&mut self.leaving) {
            if !policy.probed {
                endpoint.health = Health::default();
            }
            endpoint.starting &= policy.activation.is_some();
        }
        let relieved = self.listed.iter().any(|other| other.usable(now));
        for address in addresses {
            if missing.remove(address) {
                let id = EndpointId(self.next_id);
                // 2^32 endpoints are 13 years of ten new ones per second; then an id may meet its first owner.
                self.next_id = self.next_id.wrapping_add(1);
                let mut endpoint = Endpoint::new(id, *address, now);
                endpoint.ramp_since = relieved.then_some(now);
                if policy.activation.is_some() {
                    endpoint.starting = true;
                    self.unprobed.push(id);
                }
                self.listed.push(endpoint);
            }
        }
        self.listed.sort_unstable_by_key(|endpoint| endpoint.id);
        self.tags.clear();
        self.tags
            .extend(self.listed.iter().map(|each| (each.tag, each.id)));
        self.tags.sort_unstable();
        self.uphold_ejected_share(&policy.ejection, now);
        self.changed();
    }

    /// Whether there is none that new requests may go to.
    pub(super) fn absent(&self) -> bool {
        !self.listed.iter().any(Endpoint::serves)
    }

    /// Whether the operator took all of them out, and there are any: nobody else can change that.
    pub(super) fn taken_out(&self) -> bool {
        let mut listed = self.listed.iter();
        !self.listed.is_empty() && listed.all(|each| each.mode != Mode::Ready)
    }

    /// Where the endpoint stands in the list, while it is in it.
    pub(super) fn position(&self, id: EndpointId) -> Option<usize> {
        self.listed
            .binary_search_by_key(&id, |endpoint| endpoint.id)
            .ok()
    }

    /// Whether it is this endpoint that stands there.
    pub(super) fn is_at(&self, position: usize, id: EndpointId) -> bool {
        let endpoint = self.listed.get(position);
        endpoint.is_some_and(|endpoint| endpoint.id == id)
    }

    /// The endpoint of this name, in the list or leaving it.
    fn find_mut(&mut self, id: EndpointId) -> Option<&mut Endpoint> {
        match self.position(id) {
            Some(position) => self.listed.get_mut(position),
            None => self.leaving.iter_mut().find(|each| each.id == id),
        }
    }

    pub(super) fn take_seat(&mut self, position: usize) -> Option<&Endpoint> {
        let endpoint = self.listed.get_mut(position)?;
        endpoint.take_seat();
        Some(endpoint)
    }

    /// Gives a seat back, and takes the endpoint out if it fails too often.
    pub(super) fn depart(
        &mut self,
        policy: &PoolPolicy,
        id: EndpointId,
        began: Timestamp,
        outcome: Outcome,
        now: Timestamp,
    ) {
        self.full = None;
        let Some(endpoint) = self.find_mut(id) else {
            return;
        };
        let failed = endpoint.depart(policy, began, outcome, now);
        if outcome == Outcome::Failed(Failure::Connect) {
            if policy.activation.is_some() {
                return self.await_answer(id, now);
            }
            self.pause(policy, id, now);
        }
        match self.position(id) {
            Some(position) if failed => self.eject(&policy.ejection, position, now),
            Some(_) => {}
            None => self.forget_left(),
        }
    }

    /// Whether it is no use to wait for a connection: all who serve have refused for longer than anybody may wait.
    pub(super) fn hopeless(&self, policy: &PoolPolicy, now: Timestamp) -> bool {
        let mut serving = self.listed.iter().filter(|each| each.serves()).peekable();
        let wait_max = policy.queue.wait_max;
        serving.peek().is_some() && serving.all(|each| each.pause.outlasts(wait_max, now))
    }

    /// Offers nothing to an endpoint that took no connection, if there are those who can wait and a hope that they do not
    /// wait in vain.
    fn pause(&mut self, policy: &PoolPolicy, id: EndpointId, now: Timestamp) {
        if !policy.queue.waits() || self.hopeless(policy, now) {
            return;
        }
        let position = self.position(id);
        if let Some(endpoint) = position.and_then(|position| self.listed.get_mut(position)) {
            endpoint.pause.begin(policy.seats_max(), now);
        }
    }

    /// Moves a request out of its seat; false: the endpoint has as many streams as it may.
    pub(super) fn stream(
        &mut self,
        policy: &PoolPolicy,
        id: EndpointId,
        began: Timestamp,
        now: Timestamp,
    ) -> bool {
        let Some(endpoint) = self.find_mut(id) else {
            return true; // of another pool; there is nothing to count
        };
        let moved = endpoint.stream(policy, began, now);
        if moved {
            self.full = None;
        }
        moved
    }

    pub(super) fn end_stream(&mut self, id: EndpointId) {
        if let Some(endpoint) = self.find_mut(id) {
            endpoint.streams = endpoint.streams.saturating_sub(1);
            self.forget_left();
        }
    }

    pub(super) fn probed(
        &mut self,
        policy: &PoolPolicy,
        id: EndpointId,
        ok: bool,
        now: Timestamp,
    ) -> Option<HealthChange> {
        let position = self.position(id)?;
        let endpoint = self.listed.get_mut(position)?;
        if endpoint.starting {
            return None; // has probes of its own
        }
        let change = endpoint.health.probed(policy.health, ok)?;
        endpoint.since = now;
        match change {
            HealthChange::Healthy => {
                endpoint.pause = ConnectPause::default();
                self.start_ramp(position, now);
            }
            HealthChange::Unhealthy if policy.activation.is_some() => self.await_answer(id, now),
            HealthChange::Unhealthy => {}
        }
        self.changed();
        Some(change)
    }

    /// A starting endpoint answered a probe; false: there is no such endpoint. A `cold` one comes on the ramp even when it
    /// is the first: behind it stands everybody who waited for it, and more endpoints are on their way.
    pub(super) fn answered(&mut self, id: EndpointId, cold: bool, now: Timestamp) -> bool {
        let position = self.position(id);
        let endpoint = position.and_then(|position| self.listed.get_mut(position));
        let (Some(position), Some(endpoint)) = (position, endpoint.filter(|each| each.starting))
        else {
            return false;
        };
        endpoint.starting = false;
        endpoint.unanswered = false;
        endpoint.pause = ConnectPause::default();
        endpoint.health = Health::default();
        endpoint.since = now;
        if cold {
            endpoint.ramp_since = Some(now);
        } else {
            self.start_ramp(position, now);
        }
        self.changed();
        true
    }

    /// A starting endpoint has not answered a probe.
    pub(super) fn note_unanswered(&mut self, id: EndpointId) {
        let position = self.position(id);
        if let Some(endpoint) = position.and_then(|position| self.listed.get_mut(position)) {
            endpoint.unanswered = true;
        }
    }

    /// Whether the endpoint has to be probed until it answers.
    pub(super) fn is_starting(&self, id: EndpointId) -> bool {
        let endpoint = self
            .position(id)
            .and_then(|position| self.listed.get(position));
        endpoint.is_some_and(|endpoint| endpoint.starting)
    }

    /// One that has to be probed from now on.
    pub(super) fn next_unprobed(&mut self) -> Option<(EndpointId, SocketAddr)> {
        loop {
            let id = self.unprobed.pop()?;
            let endpoint = self
                .position(id)
                .and_then(|position| self.listed.get(position));
            if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.starting) {
                return Some((id, endpoint.address));
            }
        }
    }

    pub(super) fn has_unprobed(&self) -> bool {
        !self.unprobed.is_empty()
    }

    pub(super) fn set_mode(&mut self, address: SocketAddr, mode: Mode, now: Timestamp) -> bool {
        let mut all = self.listed.iter_mut().chain(&mut self.leaving);
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
            endpoint.pause = ConnectPause::default();
            endpoint.ramp_since = None;
            if idle && let Some(position) = self.position(id) {
                self.start_ramp(position, now);
            }
        }
        self.changed();
        true
    }

    pub(super) fn at(&self, address: SocketAddr) -> Option<EndpointId> {
        let mut listed = self.listed.iter();
        let found = listed.find(|endpoint| endpoint.address == address)?;
        Some(found.id)
    }

    pub(super) fn of_session(&self, tag: u64) -> EndpointId {
        self.tags
            .binary_search_by_key(&tag, |(tag, _)| *tag)
            .ok()
            .and_then(|position| self.tags.get(position))
            .map_or(EndpointId::GONE, |(_, id)| *id)
    }

    pub(super) fn views<'a>(
        &'a self,
        policy: &'a PoolPolicy,
        now: Timestamp,
    ) -> impl Iterator<Item = EndpointView> + 'a {
        let listed = self.listed.iter().map(|each| (each, true));
        let leaving = self.leaving.iter().map(|each| (each, false));
        listed
            .chain(leaving)
            .map(move |(endpoint, listed)| endpoint.view(policy, listed, now))
    }

    pub(super) fn in_flight(&self) -> u64 {
        let all = self.listed.iter().chain(&self.leaving);
        all.map(|endpoint| u64::from(endpoint.in_flight)).sum()
    }

    pub(super) fn count_affinity_lost(&mut self, session: EndpointId) {
        let position = self.position(session);
        if let Some(loser) = position.and_then(|position| self.listed.get_mut(position)) {
            loser.affinity_lost += 1;
        }
    }

    /// Endpoints that go on with their sessions only.
    pub(super) fn draining(&self) -> impl Iterator<Item = EndpointId> + '_ {
        let some = if self.draining > 0 { usize::MAX } else { 0 };
        let drained = self.listed.iter().filter(|each| each.mode == Mode::Drain);
        drained.take(some).map(|each| each.id)
    }

    /// When one of these has a seat more or is usable again though nothing happens; none: never.
    pub(super) fn draining_until(&self, policy: &PoolPolicy, now: Timestamp) -> Option<Timestamp> {
        let some = if self.draining > 0 { usize::MAX } else { 0 };
        let drained = self.listed.iter().filter(|each| each.mode == Mode::Drain);
        let changes = drained
            .take(some)
            .filter_map(|each| each.next_change(policy, now));
        changes.min()
    }

    /// Seats of all that may be used, as of the last [`SEATS_AGE_MAX`]. An endpoint that pauses for a moment has its seats
    /// still: one refused connection must not turn away those who would wait, nor forgive debts.
    pub(super) fn seats(&mut self, policy: &PoolPolicy, now: Timestamp) -> u32 {
        if let Some(seats) = Known::get(self.seats, policy, now) {
            return seats;
        }
        let value = self.count_seats(policy, now);
        self.seats = Some(Known {
            value,
            until: now + SEATS_AGE_MAX,
            basis: Basis::of(policy),
        });
        value
    }

    /// The same, counted now.
    pub(super) fn count_seats(&self, policy: &PoolPolicy, now: Timestamp) -> u32 {
        let usable = self.listed.iter().any(|each| each.usable_soon(now));
        let may = |each: &&Endpoint| {
            if usable {
                each.usable_soon(now)
            } else {
                each.serves()
            }
        };
        let counted = self.listed.iter().filter(may);
        counted.fold(0_u32, |sum, each| {
            sum.saturating_add(each.seats(policy, now))
        })
    }

    /// Whether nobody has a free seat, as far as that is known without looking.
    pub(super) fn known_full(&self, policy: &PoolPolicy, now: Timestamp) -> bool {
        Known::get(self.full, policy, now).is_some()
    }

    /// Until when nobody has a free seat if nothing happens; none: not known.
    pub(super) fn full_until(&self) -> Option<Timestamp> {
        self.full.map(|full| full.until)
    }

    /// Nobody has a free seat: true until one departs, a ramp gives one more, or an ejection ends.
    pub(super) fn note_full(&mut self, policy: &PoolPolicy, now: Timestamp) {
        let changes = self
            .listed
            .iter()
            .filter_map(|each| each.next_change(policy, now));
        let never = now + Duration::MAX;
        self.full = Some(Known {
            value: (),
            until: changes.min().unwrap_or(never),
            basis: Basis::of(policy),
        });
    }
}

impl Endpoints {
    /// Nobody answers there (any more): it takes nothing until a probe succeeds. Of a pool that sleeps, the address may
    /// stay while the endpoint goes.
    fn await_answer(&mut self, id: EndpointId, now: Timestamp) {
        let position = self.position(id);
        let Some(endpoint) = position.and_then(|position| self.listed.get_mut(position)) else {
            return self.forget_left();
        };
        if !endpoint.starting {
            endpoint.starting = true;
            endpoint.since = now;
            self.unprobed.push(id);
            self.changed();
        }
    }

    /// Seats may have come or gone.
    fn changed(&mut self) {
        self.full = None;
        self.seats = None;
        let drained = self.listed.iter().filter(|each| each.mode == Mode::Drain);
        self.draining = drained.count();
    }

    fn forget_left(&mut self) {
        self.leaving.retain(Endpoint::busy);
    }

    /// Leaves an endpoint out, if the pool can do without it.
    fn eject(&mut self, policy: &EjectionPolicy, position: usize, now: Timestamp) {
        let enough = policy.within_share(self.ejected(now) + 1, self.listed.len());
        if enough
            && self.relieved(position, now)
            && let Some(endpoint) = self.listed.get_mut(position)
        {
            endpoint.eject(policy, now);
            self.changed();
        }
    }

    /// Takes ejected endpoints back, those first whose time is nearly over, until no more are out than may be: the list
    /// has become shorter, or the policy stricter.
    fn uphold_ejected_share(&mut self, policy: &EjectionPolicy, now: Timestamp) {
        let mut out: Vec<(Timestamp, usize)> = self
            .listed
            .iter()
            .enumerate()
            .filter_map(|(position, each)| Some((each.ejection.until(now)?, position)))
            .collect();
        out.sort_unstable();
        let endpoints = self.listed.len();
        let surplus = (0..out.len())
            .take_while(|taken_back| {
                let left = out.len() - taken_back;
                !policy.within_share(left, endpoints)
            })
            .count();
        for (_, position) in out.into_iter().take(surplus) {
            if let Some(endpoint) = self.listed.get_mut(position) {
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
        if let Some(endpoint) = self.listed.get_mut(position) {
            let ready = endpoint.ejection.until(now).unwrap_or(now);
            endpoint.ramp_since = relieved.then_some(ready);
        }
    }

    /// Whether another endpoint than this one is usable.
    fn relieved(&self, position: usize, now: Timestamp) -> bool {
        let others = self.listed.iter().enumerate();
        others
            .filter(|(other, _)| *other != position)
            .any(|(_, other)| other.usable(now))
    }

    fn ejected(&self, now: Timestamp) -> usize {
        let out = |endpoint: &&Endpoint| endpoint.ejection.until(now).is_some();
        self.listed.iter().filter(out).count()
    }
}
