//! What a citizen's request meets: limits, a seat or a place in the queue, the backend, the end.

use std::time::Duration;

use schleuse_core::{
    Admission, Arrival, ArrivalTime, Class, Leave, Outcome, Refusal, Refused, SharedRate as _,
    Slot, Waiting,
};

use super::{Event, Place, Present, World, small, timestamp};
use crate::{
    citizen::{Citizen, Fate, JourneyEnd, Reply, Then},
    clock::nanoseconds,
    draw::{Purpose, Stream},
    record::Ending,
    results::Reason,
    workload::{Load, Workload},
};

/// Nanoseconds that a refusal at once takes in a closed model: without any, the next citizen would be refused at the same
/// moment, for ever. For real it is the way to the proxy and back.
const REFUSAL: u64 = 1_000_000;

impl World<'_> {
    pub(super) fn plan_arrival(&mut self) {
        self.planned = self.arrivals.as_mut().and_then(Iterator::next);
        if let Some(arrival) = self.planned {
            let at = arrival.at.saturating_add(self.calendar.ahead());
            self.agenda.plan(at, Event::Arrive);
        }
    }

    pub(super) fn arrive(&mut self, number: u64) {
        self.citizens += 1;
        let citizen = Citizen::arrive(number, self.now, self.workload);
        self.record.start_journey(&citizen);
        let who = self.present.insert(Present {
            citizen,
            network: self.model.networks.of(self.workload.seed, number),
            used: ArrivalTime::default(),
            expected: 0,
            leaves: u64::MAX,
            place: Place::Thinking,
        });
        self.request(who);
    }

    /// The planned request is made.
    pub(super) fn request(&mut self, who: usize) {
        let now = self.now;
        let Some(present) = self.present.get_mut(who) else {
            return;
        };
        let limits = &self.workload.limits;
        let after = |limit: Option<Duration>| {
            limit.map_or(u64::MAX, |limit| now.saturating_add(nanoseconds(limit)))
        };
        let citizen = &present.citizen;
        present.leaves = citizen
            .leaves_at()
            .min(after(limits.timeout))
            .min(after(limits.deadline));
        self.record.take_up(citizen, now);
        self.record.send(citizen, now, now);
        self.in_system += 1;
        if let Err(refused) = self.admit(who) {
            self.refused(who, refused);
        }
    }

    /// A seat at once, a place in the queue, or neither.
    fn admit(&mut self, who: usize) -> Result<(), Refused> {
        let now = timestamp(self.now);
        let Some(present) = self.present.get_mut(who) else {
            return Ok(());
        };
        let citizen = &present.citizen;
        let Some(route) = self.routes.of(citizen) else {
            return Ok(());
        };
        if let Some(quota) = &route.client_quota {
            let whose = (route.flow.service, present.network);
            let taken = (self.shared_rates).take(whose, &mut present.used, quota, now);
            taken.map_err(|at| too_often(Refusal::ClientRate, at - now))?;
        }
        if let Some(quota) = route.quota.filter(|_| route.refuses) {
            let taken = route.rate.with(|used| used.take(&quota, now));
            taken.map_err(|at| too_often(Refusal::TenantRate, at - now))?;
        }
        let arrival = Arrival {
            flow: route.flow,
            generation: 0,
            inhabitants: route.inhabitants,
            class: Class::New,
            client: present.network.key,
            cost: 1,
            bytes: 0,
            in_flight_max: route.in_flight_max,
            rate: route
                .quota
                .filter(|_| !route.refuses)
                .map(|quota| (quota, &route.rate)),
            preferred: None,
            draw: Stream::new(self.workload.seed, citizen.number, Purpose::Journey).next(),
        };
        let index = route.pool;
        let Some(pool) = self.pools.get_mut(index) else {
            return Ok(());
        };
        match pool.state.arrive(&pool.policy, now, &arrival) {
            Admission::Go(slot) => self.serve(who, index, slot),
            Admission::Wait(waiting) => {
                pool.tickets.insert(waiting.ticket, who);
                self.wait(who, index, &waiting);
                self.dispatch(index);
            }
            Admission::Refuse(refused) => {
                self.refused(who, refused);
                self.look_at(index);
            }
        }
        Ok(())
    }

    fn wait(&mut self, who: usize, pool: usize, waiting: &Waiting) {
        let Some(present) = self.present.get_mut(who) else {
            return;
        };
        // The last moment at which it may be granted is still its own.
        let ends = (waiting.until.as_micros().saturating_add(1)).saturating_mul(1_000);
        let ticket = waiting.ticket;
        present.place = Place::Waiting { pool, ticket };
        present.expected = if present.leaves <= ends {
            self.agenda.plan(present.leaves, Event::Leave(small(who)))
        } else {
            self.agenda.plan(ends, Event::Expire(small(who)))
        };
    }

    pub(super) fn serve(&mut self, who: usize, pool: usize, slot: Slot) {
        let Some(present) = self.present.get_mut(who) else {
            return;
        };
        present.place = Place::Served { pool, slot };
        let citizen = &present.citizen;
        let purpose = Purpose::Service(citizen.step);
        let mut stream = Stream::new(self.workload.seed, citizen.number, purpose);
        let work = nanoseconds(self.model.service_time.draw(&mut stream));
        let done = self.now.saturating_add(work);
        present.expected = if present.leaves <= done {
            self.agenda.plan(present.leaves, Event::Leave(small(who)))
        } else {
            self.agenda.plan(done, Event::Done(small(who)))
        };
    }

    /// The backend answers.
    pub(super) fn done(&mut self, who: usize) {
        let answered = Outcome::Answered {
            status: 200,
            first_byte: Duration::ZERO,
        };
        self.give_back(who, answered);
        let step = self.present.get(who);
        let step = step.and_then(|present| present.citizen.step_in(self.workload));
        let status = step
            .and_then(|step| step.expected.first().copied())
            .unwrap_or(200);
        let reply = Reply {
            status,
            ..Reply::default()
        };
        self.reply(who, &reply);
    }

    /// Gives the seat back, or the place in the queue.
    fn give_back(&mut self, who: usize, outcome: Outcome) {
        let now = timestamp(self.now);
        let Some(present) = self.present.get_mut(who) else {
            return;
        };
        let place = std::mem::replace(&mut present.place, Place::Thinking);
        let index = match place {
            Place::Thinking => return,
            Place::Waiting {
                pool: index,
                ticket,
            } => {
                if let Some(pool) = self.pools.get_mut(index) {
                    pool.tickets.remove(&ticket);
                    let _ = pool.state.leave(&pool.policy, ticket, now, Leave::Gone);
                }
                index
            }
            Place::Served { pool: index, slot } => {
                if let Some(pool) = self.pools.get_mut(index) {
                    pool.state.depart(&pool.policy, slot, outcome, now);
                }
                index
            }
        };
        self.dispatch(index);
    }

    /// Patience ran out, or the generator's own limit did.
    pub(super) fn leave(&mut self, who: usize) {
        self.give_back(who, Outcome::Abandoned);
        self.conclude(who, 0, |citizen, now, workload| {
            let deadline = workload.limits.deadline.map(nanoseconds);
            if now >= citizen.leaves_at() {
                citizen.leave(now, workload)
            } else if deadline.is_some_and(|deadline| now >= citizen.plan.saturating_add(deadline))
            {
                citizen.fail(Reason::Deadline)
            } else {
                citizen.fail(Reason::Timeout)
            }
        });
    }

    /// The place in the queue ends.
    pub(super) fn expire(&mut self, who: usize) {
        let now = timestamp(self.now);
        let Some(&Place::Waiting {
            pool: index,
            ticket,
        }) = self.present.get(who).map(|present| &present.place)
        else {
            return; // it was granted
        };
        if let Some(present) = self.present.get_mut(who) {
            present.place = Place::Thinking;
        }
        let Some(pool) = self.pools.get_mut(index) else {
            return;
        };
        pool.tickets.remove(&ticket);
        let refused = pool.state.leave(&pool.policy, ticket, now, Leave::Expired);
        let expired = Refused {
            refusal: Refusal::WaitExpired,
            retry_after: None,
        };
        self.refused(who, refused.unwrap_or(expired));
        self.look_at(index);
    }

    pub(super) fn refused(&mut self, who: usize, refused: Refused) {
        let refusal = refused.refusal;
        let retry_after = refused.retry_after.or_else(|| refusal.retry_after());
        // As the proxy says it: whole seconds, rounded up.
        let seconds = retry_after.map(|after| after.as_secs_f64().ceil().max(1.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the conversion saturates"
        )]
        let retry_after_seconds = seconds.map(|seconds| seconds as u32);
        let reply = Reply {
            status: refusal.status(),
            retry_after_seconds,
            has_location: false,
        };
        self.reply(who, &reply);
    }

    fn reply(&mut self, who: usize, reply: &Reply) {
        self.conclude(who, reply.status, |citizen, now, workload| {
            citizen.receive(reply, now, workload)
        });
    }

    /// A request is over; what its citizen does then.
    fn conclude(
        &mut self,
        who: usize,
        status: u16,
        react: impl FnOnce(&mut Citizen, u64, &Workload) -> (Fate, Then),
    ) {
        let Some(present) = self.present.get_mut(who) else {
            return;
        };
        let asked = present.citizen.clone();
        let (fate, then) = react(&mut present.citizen, self.now, self.workload);
        present.expected = match then {
            Then::Request(at) => self.agenda.plan(at, Event::Request(small(who))),
            Then::End(_) => 0,
        };
        self.note(&asked, fate, status);
        if let Then::End(end) = then {
            self.depart(who, end);
        }
    }

    fn note(&mut self, asked: &Citizen, fate: Fate, status: u16) {
        let ending = Ending {
            fate,
            written: Some(asked.plan),
            at: self.now,
            taken_up: true,
            status,
            received_bytes: 0,
        };
        self.record.end(asked, &ending);
        self.in_system -= 1;
        self.waits += self.now.saturating_sub(asked.plan);
    }

    /// A journey is over.
    fn depart(&mut self, who: usize, end: JourneyEnd) {
        let Some(present) = self.present.try_remove(who) else {
            return;
        };
        self.record.end_journey(&present.citizen, end, self.now);
        if matches!(self.workload.load, Load::Closed { .. }) {
            let lasted = self.now > present.citizen.started();
            let next = self.now + if lasted { 0 } else { REFUSAL };
            self.agenda.plan(next, Event::Replace);
        }
    }

    /// Whoever is still there when it is over.
    pub(super) fn finish(&mut self) {
        let left: Vec<usize> = self.present.iter().map(|(who, _)| who).collect();
        for who in left {
            let Some(present) = self.present.get(who) else {
                continue;
            };
            let asked = present.citizen.clone();
            if !matches!(present.place, Place::Thinking) {
                self.note(&asked, Fate::Unanswered, 0);
            }
            if let Some(present) = self.present.try_remove(who) {
                self.record
                    .end_journey(&present.citizen, JourneyEnd::Unfinished, self.now);
            }
        }
    }
}

const fn too_often(refusal: Refusal, wait: Duration) -> Refused {
    Refused {
        refusal,
        retry_after: Some(wait),
    }
}
