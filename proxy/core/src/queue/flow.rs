//! A flow: one tenant of one service in a pool, with those of it that wait and what it has been charged.

use crate::{
    TenantId, Timestamp,
    queue::{
        policy::FairBy,
        service_time::ServiceTime,
        ticket::{Class, List, Tickets, Waiter},
        virtual_time::{Virtual, Weight},
    },
    rate::{Quota, SharedRate},
};

/// Who is treated fairly: a tenant of a service. Two services in one pool are two flows per tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// A stable number of the service.
    pub service: u32,
    /// The office.
    pub tenant: TenantId,
}

/// What a config says about a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowTerms {
    /// The config's number: those of an older one change nothing.
    pub(crate) generation: u64,
    pub(crate) inhabitants: u64,
    pub(crate) in_flight_max: u32,
}

/// Dispatches to people in a session in a row, while new ones wait: one in eight is theirs.
const SIGNED_IN_A_ROW_MAX: u8 = 7;

/// Why a flow's next one does or does not go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody waits.
    #[default]
    Idle,
    /// Backlogged and eligible: only a seat is missing.
    Ready,
    /// The same for those alone who had a seat already; the rate allows the first of the others then.
    Again(Timestamp),
    /// As many in flight as it may have; goes on with its own next departure.
    Limited,
    /// Its rate allows the next one then.
    Rated(Timestamp),
}

impl Standing {
    /// Whether somebody of the flow misses nothing but a seat.
    pub(crate) fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::Again(_))
    }
}

/// State of one flow; forgotten when it is idle and has had no more than its share.
#[derive(Clone, Debug)]
pub(crate) struct Flow<R> {
    pub(crate) key: FlowKey,
    pub(crate) terms: FlowTerms,
    pub(crate) weight: Weight,
    /// F: how much service it had per weight.
    pub(crate) finish: Virtual,
    pub(crate) standing: Standing,
    /// Those who had a seat already.
    again: List,
    signed: List,
    new: List,
    signed_in_a_row: u8,
    pub(crate) waiting: u32,
    /// Of those who wait, those who had a seat already.
    pub(crate) readmitted: u32,
    pub(crate) bytes: u64,
    /// Seat-microseconds that those who wait are expected to need.
    pub(crate) work: u64,
    /// Of that, for those who had a seat already.
    pub(crate) work_again: u64,
    pub(crate) in_flight: u32,
    /// While somebody waits: what their dispatch is to be charged to.
    pub(crate) rate: Option<(Quota, R)>,
    pub(crate) service_time: ServiceTime,
}

impl<R: SharedRate> Flow<R> {
    pub(crate) fn new(key: FlowKey) -> Self {
        Self {
            key,
            terms: FlowTerms {
                generation: 0,
                inhabitants: 0,
                in_flight_max: u32::MAX,
            },
            weight: Weight::from_thousandths(0),
            finish: Virtual::ZERO,
            standing: Standing::Idle,
            again: List::default(),
            signed: List::default(),
            new: List::default(),
            signed_in_a_row: 0,
            waiting: 0,
            readmitted: 0,
            bytes: 0,
            work: 0,
            work_again: 0,
            in_flight: 0,
            rate: None,
            service_time: ServiceTime::default(),
        }
    }

    /// Weighs `weight` from now on. What it had more than its share, or less while it waits for a seat, keeps its worth in
    /// seat-seconds, of which each was charged by `old` and will be by `new`: its weight or the floor.
    pub(crate) fn reweigh(
        &mut self,
        weight: Weight,
        (old, new): (Weight, Weight),
        virtual_time: Virtual,
    ) {
        self.weight = weight;
        if old == new {
            return;
        }
        let more = self.finish.since(virtual_time).rescaled(old, new);
        let less = virtual_time.since(self.finish);
        let less = if self.standing.is_ready() {
            less.rescaled(old, new)
        } else {
            less // being idle is no lead, and its size means nothing
        };
        self.finish = (virtual_time + more).before(less);
    }

    pub(crate) fn active(&self) -> bool {
        self.waiting > 0 || self.in_flight > 0
    }

    /// What it should be now, by what is known of it.
    pub(crate) fn standing_at(&self, now: Timestamp) -> Standing {
        if self.waiting == 0 {
            return Standing::Idle;
        }
        if !self.within_limit() {
            return Standing::Limited;
        }
        match self.rate_allows(now, 0) {
            Some(at) if at > now && self.readmitted > 0 => Standing::Again(at),
            Some(at) if at > now => Standing::Rated(at),
            _ => Standing::Ready,
        }
    }

    /// Whether it has fewer in flight than it may.
    pub(crate) fn within_limit(&self) -> bool {
        self.in_flight < self.terms.in_flight_max
    }

    /// When its rate lets one through that has `ahead` others before it; none: it has no rate.
    pub(crate) fn rate_allows(&self, now: Timestamp, ahead: u64) -> Option<Timestamp> {
        let (quota, rate) = self.rate.as_ref()?;
        Some(rate.earliest(quota, now, ahead))
    }

    /// The ticket that goes next.
    pub(crate) fn next(&self, fair_by: FairBy, tickets: &Tickets) -> Option<u32> {
        if let Some(again) = self.again.first() {
            return Some(again);
        }
        let (Some(signed), Some(new)) = (self.signed.first(), self.new.first()) else {
            return self.signed.first().or(self.new.first());
        };
        let order = |index| tickets.waiter(index).map(|waiter| waiter.sequence);
        let new_first = match fair_by {
            FairBy::None => order(new) < order(signed),
            _ => self.signed_in_a_row >= SIGNED_IN_A_ROW_MAX,
        };
        Some(if new_first { new } else { signed })
    }

    /// Those who had a seat already.
    pub(crate) fn again(&self) -> List {
        self.again
    }

    /// This one goes.
    pub(crate) fn count_class(&mut self, waiter: &Waiter) {
        if waiter.readmitted {
            return; // it was counted when it went first
        }
        self.signed_in_a_row = match waiter.class {
            Class::Signed if self.new.first().is_some() => self.signed_in_a_row.saturating_add(1),
            Class::Signed | Class::New => 0,
        };
    }

    /// The list in which this one stands.
    pub(crate) fn list_mut(&mut self, waiter: &Waiter) -> &mut List {
        match waiter.class {
            _ if waiter.readmitted => &mut self.again,
            Class::Signed => &mut self.signed,
            Class::New => &mut self.new,
        }
    }
}
