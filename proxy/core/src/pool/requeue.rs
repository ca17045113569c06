//! A request whose endpoint took no connection: it was never sent, so it may wait again, where it stood.
//!
//! Departure and return are one event, because the seat that is given back must not go to the next one meanwhile. It goes
//! before all others of its flow, in order of arrival, until the time to which it might have waited at first. Its flow's
//! charge is corrected to the time that the seat was held, its tenant's rate is not charged again, and it is within no bound
//! of the places: it held one, and there are no more of these than seats. It is no retry: nobody was asked twice.

use super::{
    Arrival, Failure, Outcome, PoolPolicy, PoolState, Requeued, Slot, Waiting,
    admit::{Bearer, Hindrance, flow_terms},
};
use crate::{EndpointId, Timestamp, queue::ticket::Waiter, rate::SharedRate};

impl<R: SharedRate> PoolState<R> {
    /// The endpoint of this slot took no connection, and nothing was sent: to another one's free seat, or back into the
    /// queue. `arrival` is the request as it came; its rate is not charged.
    ///
    /// A pool without a queue (`waiting_max` or `wait_max` is zero), and one whose endpoints have all refused for longer
    /// than anybody may wait, let the failure stand.
    pub fn requeue(
        &mut self,
        policy: &PoolPolicy,
        slot: Slot,
        arrival: &Arrival<'_, R>,
        now: Timestamp,
    ) -> Requeued {
        let (refusing, until, sequence) = (slot.endpoint, slot.until, slot.sequence);
        let affinity_lost = slot.affinity_lost;
        // Before the departure: a flow with somebody in flight is not forgotten.
        let flow = self
            .queue
            .arrived(arrival.flow, flow_terms(policy, arrival), now);
        self.depart(policy, slot, Outcome::Failed(Failure::Connect), now);
        if !policy.queue.waits() || self.endpoints.hopeless(policy, now) {
            return Requeued::Stands;
        }
        let bearer = Bearer {
            preferred: arrival.preferred,
            counts_loss: !affinity_lost,
            until,
            sequence,
        };
        if let Some(slot) = self.move_on(policy, flow, refusing, arrival, bearer, now) {
            return Requeued::Go(slot);
        }
        if until <= now {
            return Requeued::Stands;
        }
        let waiting = self.wait_again(policy, flow, arrival, bearer, now);
        waiting.map_or(Requeued::Stands, Requeued::Wait)
    }

    /// A free seat of another endpoint, before all who wait.
    fn move_on(
        &mut self,
        policy: &PoolPolicy,
        flow: u32,
        refusing: EndpointId,
        arrival: &Arrival<'_, R>,
        bearer: Bearer,
        now: Timestamp,
    ) -> Option<Slot> {
        if !self.queue.within_limit(flow) {
            return None;
        }
        let position = self.find_seat(policy, arrival.preferred, arrival.draw, now)?;
        if self.endpoints.is_at(position, refusing) {
            return None;
        }
        let seats = self.endpoints.seats(policy, now);
        let run = self.queue.admit(flow, arrival.cost.max(1), seats, now);
        self.take_seat(position, run, bearer, now)
    }

    fn wait_again(
        &mut self,
        policy: &PoolPolicy,
        flow: u32,
        arrival: &Arrival<'_, R>,
        bearer: Bearer,
        now: Timestamp,
    ) -> Option<Waiting> {
        let cost = arrival.cost.max(1);
        let outlook = self.outlook(policy, now, flow, cost, None, Hindrance::Seat);
        let waiter = Waiter {
            flow,
            class: arrival.class,
            client: arrival.client,
            cost,
            bytes: arrival.bytes,
            work: outlook.work,
            preferred: bearer.preferred,
            until: bearer.until,
            sequence: bearer.sequence,
            readmitted: true,
            affinity_lost: !bearer.counts_loss,
            linked: true,
            counted: true,
        };
        let ticket = self.queue.enqueue(&waiter, arrival.generation, None, now)?;
        self.totals.queued += 1;
        self.totals.requeued += 1;
        // The last endpoint of a pool that somebody scales may have gone with this connection.
        self.follow_endpoints(policy, now);
        Some(Waiting {
            ticket,
            until: bearer.until,
            predicted: outlook.seat,
        })
    }
}
