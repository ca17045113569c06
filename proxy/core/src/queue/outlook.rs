//! How long one would wait, in constant time: what a queue can say before it takes somebody in.

use std::time::Duration;

use super::{
    FairQueue,
    policy::{FairBy, QueuePolicy},
};
use crate::{
    Refusal, Timestamp,
    rate::{Quota, SharedRate},
};

/// Microseconds as a duration, with the widest intermediate results.
fn micros(value: u128) -> Duration {
    Duration::from_micros(u64::try_from(value).unwrap_or(u64::MAX))
}

/// What one more request of a flow has to expect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlook {
    /// Seat-microseconds that it is expected to need.
    pub(crate) work: u64,
    /// Until its flow's rate lets it through.
    pub(crate) rate: Duration,
    /// Until its turn, by everything else.
    pub(crate) seat: Duration,
}

impl<R: SharedRate> FairQueue<R> {
    /// What a request of this flow and cost has to expect, with `seats` in all, and all of them taken if `full`.
    pub(crate) fn outlook(
        &self,
        index: u32,
        cost: u32,
        rate: Option<(Quota, &R)>,
        seats: u32,
        full: bool,
        now: Timestamp,
    ) -> Outlook {
        let prior = self.service_time.or(self.expected);
        let flow = self.flows.get(index);
        let each = flow
            .map_or(prior, |flow| flow.service_time.or(prior))
            .micros();
        let work = each.saturating_mul(u64::from(cost));
        let Some(flow) = flow else {
            return Outlook {
                work,
                rate: Duration::ZERO,
                seat: Duration::ZERO,
            };
        };
        let ahead = u64::from(flow.waiting);
        let rate = rate.map_or(Duration::ZERO, |(quota, rate)| {
            rate.earliest(&quota, now, ahead - u64::from(flow.readmitted)) - now
        });
        let over = (u64::from(flow.in_flight) + ahead + 1)
            .saturating_sub(u64::from(flow.terms.in_flight_max));
        let own_limit =
            u128::from(over) * u128::from(each) / u128::from(flow.terms.in_flight_max.max(1));
        let turn = if full || self.load.ready > 0 {
            self.turn(
                flow.weight.thousandths().max(self.load.weight_floor()),
                flow.work,
                flow.standing.is_ready(),
                work,
                seats,
            )
        } else {
            0
        };
        Outlook {
            work,
            rate,
            seat: micros(own_limit.max(turn)),
        }
    }

    /// Microseconds until a request's turn: what waits before it in its own flow, at the flow's share of the seats, or
    /// what waits in all, at all of them, whichever is less; and the next free seat. The share is that of the dispatches:
    /// by the weight with its floor.
    fn turn(&self, weight: u64, own_work: u64, ready: bool, work: u64, seats: u32) -> u128 {
        let seats = u128::from(seats.max(1));
        let next = u128::from(work) / seats;
        let everybody = u128::from(self.load.ready_work) / seats + next;
        if self.fair_by == FairBy::None {
            return everybody;
        }
        let joining = if ready { 0 } else { weight };
        let weights = u128::from(self.load.ready_weight) + u128::from(joining);
        let own = u128::from(own_work) * weights / (u128::from(weight.max(1)) * seats);
        (own + next).min(everybody)
    }

    /// Time in which those who are ready now will have got their seats.
    pub(crate) fn drain(&self, seats: u32) -> Duration {
        micros(u128::from(self.load.ready_work) / u128::from(seats.max(1)))
    }

    /// Which of the queue's bounds forbids one more; of several the widest, because that is the one to act on: a client
    /// network that held fewer places would not help a pool that has none left.
    pub(crate) fn bound(
        &self,
        policy: &QueuePolicy,
        index: u32,
        client: u64,
        bytes: u64,
    ) -> Option<Refusal> {
        let flow = self.flows.get(index)?;
        if self.load.waiting >= policy.waiting_max
            || self.load.bytes.saturating_add(bytes) > policy.bytes_max
        {
            return Some(Refusal::QueueFull);
        }
        if flow.waiting >= policy.waiting_per_tenant_max
            || flow.bytes.saturating_add(bytes) > policy.bytes_per_tenant_max
        {
            return Some(Refusal::TenantQueueFull);
        }
        let held = self.clients.get(&(index, client)).copied().unwrap_or(0);
        let in_all = self.networks.get(&client).copied().unwrap_or(0);
        let refused = held >= policy.client_max() || in_all >= policy.client_max_in_all();
        refused.then_some(Refusal::ClientWaiting)
    }
}
