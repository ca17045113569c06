//! What operators and metrics see of a queue.

use std::{ops::Range, time::Duration};

use super::{
    FairQueue,
    charge::CORRECTION_INTERVAL,
    flow::{Flow, FlowKey, Standing},
    ticket::Ticket,
};
use crate::{Timestamp, rate::SharedRate};

/// One flow.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowView {
    /// Seats that it holds.
    pub in_flight: u32,
    /// Its requests that wait.
    pub waiting: u32,
    /// Bytes held for them.
    pub waiting_bytes: u64,
    /// What it was given more than its share, in seconds of one seat at the weight of one: F - V. Negative while it
    /// was charged too much.
    pub ahead: f64,
    /// Its weight: inhabitants, their square root, or one.
    pub weight: f64,
    /// How long its requests hold a seat on average; zero: not known yet.
    pub service_time: Duration,
    /// When its rate lets the next one through, while that is what it waits for.
    pub rated_until: Option<Timestamp>,
    /// It waits for one of its own requests to depart.
    pub limited: bool,
}

/// A pool's queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueView {
    /// Requests that wait.
    pub waiting: u32,
    /// Of them, those that miss nothing but a seat; the others wait for limits of their own.
    pub waiting_for_seats: u32,
    /// Bytes held for those that wait.
    pub waiting_bytes: u64,
    /// V, in seconds of one seat at the weight of one; never falls.
    pub virtual_time: f64,
    /// Flows that are remembered.
    pub flows: usize,
    /// Of them, those with somebody waiting or in flight.
    pub active_flows: u64,
    /// Seats of the endpoints that may be used.
    pub seats: u32,
    /// In which those who wait for seats will have got them.
    pub drain: Duration,
    /// How long a request holds a seat on average.
    pub service_time: Duration,
}

fn weight(thousandths: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for display: 53 bits")]
    let thousandths = thousandths as f64;
    thousandths / 1e3
}

impl<R: SharedRate> FairQueue<R> {
    /// One flow; none: it is not remembered.
    pub(crate) fn flow_view(&self, key: FlowKey) -> Option<FlowView> {
        self.flows.find(key).map(|flow| self.view_of(flow))
    }

    /// The flows at these places of the list.
    pub(crate) fn flow_views_at(
        &self,
        places: Range<usize>,
    ) -> impl Iterator<Item = (FlowKey, FlowView)> + '_ {
        let flows = self.flows.at(places);
        flows.map(|flow| (flow.key, self.view_of(flow)))
    }

    /// Places of the list, with and without a flow.
    pub(crate) fn flow_places(&self) -> usize {
        self.flows.places()
    }

    /// The queue as a whole.
    pub(crate) fn view(&self, seats: u32) -> QueueView {
        QueueView {
            waiting: self.load.waiting,
            waiting_for_seats: self.load.ready,
            waiting_bytes: self.load.bytes,
            virtual_time: self.virtual_time.since(<_>::default()).seconds(),
            flows: self.flows.len(),
            active_flows: self.load.active,
            seats,
            drain: self.drain(seats),
            service_time: self.service_time.or(self.expected).duration(),
        }
    }

    /// Requests of the flows that miss nothing but a seat.
    pub(crate) fn waiting_for_seats(&self) -> u32 {
        self.load.ready
    }

    /// Whether what waits of this flow misses nothing but a seat.
    pub(crate) fn misses_a_seat(&self, flow: u32) -> bool {
        let flow = self.flows.get(flow);
        flow.is_some_and(|flow| flow.standing == Standing::Ready)
    }

    /// When something happens here though nobody does anything; none: nobody waits.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        if self.load.waiting == 0 {
            return None;
        }
        let correction = self.corrected + CORRECTION_INTERVAL;
        let rated = self.timed.first().map(|(at, _)| at);
        Some(rated.map_or(correction, |at| at.min(correction)))
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.load.waiting == 0
    }

    /// Places of tickets, with and without one.
    pub(crate) fn places(&self) -> u32 {
        self.tickets.places()
    }

    /// The ticket at this place, if one waits there whose time will be over before `at`.
    pub(crate) fn ends_before(&self, place: u32, at: Timestamp) -> Option<Ticket> {
        let waiter = self.tickets.waiter(place)?;
        let late = waiter.linked && waiter.until < at;
        late.then(|| self.tickets.ticket(place)).flatten()
    }

    /// Whether somebody misses nothing but a seat, as of the last event.
    pub(crate) fn ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn view_of(&self, flow: &Flow<R>) -> FlowView {
        let debt = flow.finish.since(self.virtual_time).seconds();
        let credit = self.virtual_time.since(flow.finish).seconds();
        FlowView {
            in_flight: flow.in_flight,
            waiting: flow.waiting,
            waiting_bytes: flow.bytes,
            ahead: debt - credit,
            weight: weight(flow.weight.thousandths()),
            service_time: flow.service_time.duration(),
            rated_until: match flow.standing {
                Standing::Rated(at) => Some(at),
                _ => None,
            },
            limited: flow.standing == Standing::Limited,
        }
    }
}
