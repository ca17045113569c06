//! Who gets a free seat, who waits for one, and who is told at once that waiting is no use.

use std::time::Duration;

use super::{Admission, Arrival, Grant, PoolPolicy, PoolState, Refused, Retry, Slot, Waiting};
use crate::{
    EndpointId, Refusal, Timestamp,
    balance::Draws,
    queue::{Next, RunId, flow::FlowTerms, outlook::Outlook, ticket::Waiter},
    rate::{Quota, SharedRate},
};

/// Seats come free within a service time; a second is the least that `Retry-After` can say.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// Why a request does not go at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// There is no endpoint that it could ever go to.
    Absent,
    /// There is none that serves, but somebody can start one.
    Cold,
    /// Its seat is missing, or others are first.
    Seat,
    /// Its own flow has as many in flight as it may, or others of it wait.
    Flow,
    /// Its rate.
    Rate,
}

impl<R: SharedRate> PoolState<R> {
    /// A request wants a seat.
    pub fn arrive(
        &mut self,
        policy: &PoolPolicy,
        now: Timestamp,
        arrival: &Arrival<'_, R>,
    ) -> Admission {
        self.totals.arrivals += 1;
        self.budget.arrived(now);
        let flow = self
            .queue
            .arrived(arrival.flow, flow_terms(policy, arrival), now);
        // Asking with an older quota would reckon its tokens anew; it waits behind those whom the newer one holds.
        let held_by_newer = self.queue.waits_by_newer(flow, arrival.generation);
        let rate = arrival
            .rate
            .filter(|_| !held_by_newer)
            .map(|(quota, rate)| (quota.share(policy.share), rate));
        let seat = if held_by_newer {
            Err(Hindrance::Flow)
        } else {
            self.seat_at_once(policy, now, flow, arrival, rate)
        };
        match seat {
            Ok(position) => {
                self.demand.arrived();
                let seats = self.endpoints.seats(policy, now);
                let run = self.queue.admit(flow, arrival.cost.max(1), seats, now);
                let bearer = Bearer {
                    preferred: arrival.preferred,
                    counts_loss: true,
                    until: now + policy.queue.wait_max,
                    sequence: self.queue.next_sequence(),
                };
                match self.take_seat(position, run, bearer, now) {
                    Some(slot) => Admission::Go(slot),
                    None => Admission::Refuse(self.refuse(Refusal::NoEndpoint, None)),
                }
            }
            Err(hindrance) => self.wait(policy, now, flow, arrival, rate, hindrance),
        }
    }

    /// A request whose attempt failed wants another seat: a free one or none, before all who wait, because it was
    /// admitted already. Its tenant's rate is not charged again, its flow's share is.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn retry(
        &mut self,
        policy: &PoolPolicy,
        now: Timestamp,
        retry: &Retry<'_>,
    ) -> Result<Slot, Refusal> {
        let session = retry
            .preferred
            .filter(|id| !retry.tried.contains(id))
            .and_then(|id| self.endpoints.session_seat(policy, id, now));
        let chosen = match session {
            Some(position) => Ok(position),
            None => self.endpoints.choose(policy, retry.tried, retry.draw, now),
        };
        let position = chosen.map_err(|refusal| self.refuse(refusal, None).refusal)?;
        let flow = self.queue.readmitted(retry.flow, retry.inhabitants, now);
        // The seat that it gave back may have gone to the next of its own tenant.
        if !self.queue.within_limit(flow) {
            return Err(self.refuse(Refusal::PoolFull, None).refusal);
        }
        let seats = self.endpoints.seats(policy, now);
        let run = self.queue.admit(flow, retry.cost.max(1), seats, now);
        // A request whose earlier attempts left its session's endpoint is counted as lost already.
        let first_loss = retry.tried.iter().all(|id| Some(*id) == retry.preferred);
        let bearer = Bearer {
            preferred: retry.preferred,
            counts_loss: first_loss,
            until: retry.until,
            sequence: self.queue.next_sequence(),
        };
        let slot = self.take_seat(position, run, bearer, now);
        slot.ok_or(Refusal::NoEndpoint)
    }
}

/// Whose request takes a seat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bearer {
    pub(super) preferred: Option<EndpointId>,
    /// A loss of its session's endpoint was not counted before.
    pub(super) counts_loss: bool,
    /// How long it may wait.
    pub(super) until: Timestamp,
    pub(super) sequence: u64,
}

/// What the arrival's config says of its flow.
pub(super) fn flow_terms<R>(policy: &PoolPolicy, arrival: &Arrival<'_, R>) -> FlowTerms {
    FlowTerms {
        generation: arrival.generation,
        inhabitants: arrival.inhabitants,
        in_flight_max: super::share_of(policy, arrival.in_flight_max),
    }
}

impl<R: SharedRate> PoolState<R> {
    /// Where an arrival goes now; its rate has been charged then.
    fn seat_at_once(
        &mut self,
        policy: &PoolPolicy,
        now: Timestamp,
        flow: u32,
        arrival: &Arrival<'_, R>,
        rate: Option<(Quota, &R)>,
    ) -> Result<usize, Hindrance> {
        let session = arrival
            .preferred
            .and_then(|id| self.endpoints.session_seat(policy, id, now));
        // Nobody else may have that seat, so nobody is passed over.
        let reserved = session.filter(|position| self.endpoints.reserved(*position));
        if self.endpoints.absent() && reserved.is_none() {
            let cold = self.cold(policy).is_some();
            return Err(if cold {
                Hindrance::Cold
            } else {
                Hindrance::Absent
            });
        }
        let position = match reserved {
            Some(_) if !self.queue.within_limit(flow) => return Err(Hindrance::Flow),
            Some(position) => position,
            None if !self.queue.unhindered(flow) => return Err(Hindrance::Flow),
            None if self.queue.somebody_ready(now) => return Err(Hindrance::Seat),
            None => match session {
                Some(position) => position,
                None => self
                    .endpoints
                    .choose(policy, &[], arrival.draw, now)
                    .map_err(|_| Hindrance::Seat)?,
            },
        };
        match rate.map(|(quota, rate)| rate.with(|used| used.take(&quota, now))) {
            Some(Err(_)) => Err(Hindrance::Rate),
            Some(Ok(())) | None => Ok(position),
        }
    }

    /// Takes the arrival into the queue, or says why not.
    fn wait(
        &mut self,
        policy: &PoolPolicy,
        now: Timestamp,
        flow: u32,
        arrival: &Arrival<'_, R>,
        rate: Option<(Quota, &R)>,
        hindrance: Hindrance,
    ) -> Admission {
        if hindrance == Hindrance::Absent {
            self.demand.refused(Refusal::NoEndpoint);
            return Admission::Refuse(self.refuse(Refusal::NoEndpoint, None));
        }
        let cost = arrival.cost.max(1);
        let outlook = self.outlook(policy, now, flow, cost, rate, hindrance);
        if let Some((refusal, retry_after)) =
            self.turned_away(policy, now, flow, arrival, hindrance, &outlook)
        {
            self.demand.refused(refusal);
            let spread = self.spread(policy, arrival.draw, now);
            return Admission::Refuse(self.refuse(refusal, retry_after.or(Some(spread))));
        }
        let (ready_in, hold_max) = self.patience(policy, hindrance, now);
        let until = now + hold_max;
        let counted = match hindrance {
            Hindrance::Seat => true,
            Hindrance::Flow => self.queue.misses_a_seat(flow),
            Hindrance::Cold => outlook.rate.is_zero() && self.queue.within_limit(flow),
            Hindrance::Rate | Hindrance::Absent => false,
        };
        let waiter = Waiter {
            flow,
            class: arrival.class,
            client: arrival.client,
            cost,
            bytes: arrival.bytes,
            work: outlook.work,
            preferred: arrival.preferred,
            until,
            sequence: self.queue.next_sequence(),
            readmitted: false,
            affinity_lost: false,
            linked: true,
            counted,
        };
        let rate = rate.map(|(quota, rate)| (quota, rate.clone()));
        let Some(ticket) = self.queue.enqueue(&waiter, arrival.generation, rate, now) else {
            return Admission::Refuse(self.refuse(Refusal::QueueFull, None));
        };
        self.totals.queued += 1;
        if counted {
            self.demand.arrived();
        }
        // Held by its own limit alone, with a session at an endpoint that drains: the next one will need another.
        self.want_if_waited_for(policy, now);
        Admission::Wait(Waiting {
            ticket,
            until,
            predicted: outlook.rate.max(ready_in.saturating_add(outlook.seat)),
        })
    }

    /// What an arrival has to expect. As many replicas are started as those who wait need: where somebody starts them, the
    /// wait is no longer than for those to come.
    pub(super) fn outlook(
        &mut self,
        policy: &PoolPolicy,
        now: Timestamp,
        flow: u32,
        cost: u32,
        rate: Option<(Quota, &R)>,
        hindrance: Hindrance,
    ) -> Outlook {
        let to_come = self.seats_to_come(policy);
        if hindrance == Hindrance::Cold
            && let Some((seats, _)) = to_come
        {
            return self.queue.outlook(flow, cost, rate, seats, true, now);
        }
        let seats = self.endpoints.seats(policy, now);
        let full = hindrance == Hindrance::Seat || self.endpoints.known_full(policy, now);
        let mut outlook = self.queue.outlook(flow, cost, rate, seats, full, now);
        if outlook.seat > policy.queue.wait_max
            && let Some((more, after)) = to_come.filter(|(more, _)| *more > seats)
        {
            let later = self.queue.outlook(flow, cost, rate, more, full, now);
            outlook.seat = outlook.seat.min(later.seat.saturating_add(after));
        }
        outlook
    }

    /// Why an arrival may not wait, with the exact time to come back where that is known.
    fn turned_away(
        &mut self,
        policy: &PoolPolicy,
        now: Timestamp,
        flow: u32,
        arrival: &Arrival<'_, R>,
        hindrance: Hindrance,
        outlook: &Outlook,
    ) -> Option<(Refusal, Option<Duration>)> {
        let queue = &policy.queue;
        let (_, hold_max) = self.patience(policy, hindrance, now);
        if outlook.rate > hold_max || hindrance == Hindrance::Rate && !queue.waits() {
            return Some((Refusal::TenantRate, Some(outlook.rate)));
        }
        let cold = hindrance == Hindrance::Cold;
        if !queue.waits() && !cold {
            return Some((Refusal::PoolFull, None));
        }
        if queue.waits()
            && let Some(refusal) = self.queue.bound(queue, flow, arrival.client, arrival.bytes)
        {
            return Some((refusal, None));
        }
        if cold {
            return self.turned_away_cold(policy, arrival.draw, outlook, now);
        }
        (outlook.seat > queue.wait_max).then_some((Refusal::WaitTooLong, None))
    }

    /// What to answer to one whose time is over, and that nothing but its rate held if that is `rated`.
    pub(super) fn expired(
        &mut self,
        policy: &PoolPolicy,
        waiter: &Waiter,
        rated: Option<Timestamp>,
        now: Timestamp,
    ) -> Refused {
        let (refusal, retry_after) = match rated {
            Some(at) => (Refusal::TenantRate, at - now),
            None if self.cold(policy).is_some() => {
                return self.too_slow(policy, waiter.sequence, now);
            }
            None => (
                Refusal::WaitExpired,
                self.spread(policy, waiter.sequence, now),
            ),
        };
        Refused {
            refusal,
            retry_after: Some(retry_after),
        }
    }

    /// A second and a random part of the time in which the queue drains: who is turned away must not come back in step.
    pub(super) fn spread(&mut self, policy: &PoolPolicy, draw: u64, now: Timestamp) -> Duration {
        let seats = self.endpoints.seats(policy, now);
        let drain = usize::try_from(self.queue.drain(seats).as_millis()).unwrap_or(usize::MAX);
        let millis = u64::try_from(Draws::new(draw).below(drain)).unwrap_or(u64::MAX);
        RETRY_AFTER_MIN.saturating_add(Duration::from_millis(millis))
    }

    /// A free seat for one who waits.
    pub(super) fn find_seat(
        &mut self,
        policy: &PoolPolicy,
        preferred: Option<EndpointId>,
        draw: u64,
        now: Timestamp,
    ) -> Option<usize> {
        let session = preferred.and_then(|id| self.endpoints.session_seat(policy, id, now));
        session.or_else(|| self.endpoints.choose(policy, &[], draw, now).ok())
    }

    /// Gives the free seats of draining endpoints to their sessions, who may have had to wait for them.
    pub(super) fn dispatch_session(
        &mut self,
        policy: &PoolPolicy,
        now: Timestamp,
    ) -> Option<Grant> {
        loop {
            let mut draining = self.endpoints.draining();
            let (next, position) = draining.find_map(|id| {
                let position = self.endpoints.session_seat(policy, id, now)?;
                Some((self.queue.next_of_session(id, now)?, position))
            })?;
            drop(draining);
            if self.queue.take_token(next, now) {
                return self.grant(policy, next, position, now);
            }
        }
    }

    pub(super) fn grant(
        &mut self,
        policy: &PoolPolicy,
        next: Next,
        position: usize,
        now: Timestamp,
    ) -> Option<Grant> {
        let seats = self.endpoints.seats(policy, now);
        let (ticket, waiter, run) = self.queue.grant(next, seats, now)?;
        self.totals.granted += 1;
        if !waiter.counted {
            self.demand.arrived();
        }
        let bearer = Bearer {
            preferred: waiter.preferred,
            counts_loss: !waiter.affinity_lost,
            until: waiter.until,
            sequence: waiter.sequence,
        };
        let slot = self.take_seat(position, run, bearer, now)?;
        Some(Grant { ticket, slot })
    }

    pub(super) fn take_seat(
        &mut self,
        position: usize,
        run: RunId,
        bearer: Bearer,
        now: Timestamp,
    ) -> Option<Slot> {
        let preferred = bearer.preferred;
        let endpoint = self.endpoints.take_seat(position)?;
        self.demand.seat_taken(now);
        let slot = Slot {
            endpoint: endpoint.id,
            address: endpoint.address,
            started: now,
            affinity_lost: preferred.is_some_and(|preferred| preferred != endpoint.id),
            until: bearer.until,
            sequence: bearer.sequence,
            run,
        };
        self.totals.admitted += 1;
        if slot.affinity_lost && bearer.counts_loss {
            self.totals.affinity_lost += 1;
            if let Some(session) = preferred {
                self.endpoints.count_affinity_lost(session);
            }
        }
        Some(slot)
    }

    fn refuse(&mut self, refusal: Refusal, retry_after: Option<Duration>) -> Refused {
        let totals = &mut self.totals;
        *match refusal {
            Refusal::PoolFull => &mut totals.refused_full,
            Refusal::TenantRate => &mut totals.refused_rate,
            Refusal::WaitTooLong => &mut totals.refused_long,
            Refusal::NoEndpoint => &mut totals.refused_absent,
            Refusal::Starting | Refusal::StartFailed => &mut totals.refused_cold,
            _ => &mut totals.refused_bound,
        } += 1;
        Refused {
            refusal,
            retry_after,
        }
    }
}
