//! A pool under test, with its policy and the time of its next event.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use schleuse_core::{
    Admission, Arrival, ArrivalTime, Class, EndpointId, EndpointView, Failure, FlowKey, Outcome,
    PoolPolicy, PoolState, QueuePolicy, Refusal, Retry, Slot, Stream, TenantId, Timestamp,
};

/// The n-th address of a test.
pub(crate) fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 8_000 + number))
}

/// Addresses 0 to `count` - 1.
pub(crate) fn addresses(count: u16) -> Vec<SocketAddr> {
    (0..count).map(address).collect()
}

/// An answer that is fine, after `millis`.
pub(crate) fn answered(millis: u64) -> Outcome {
    Outcome::Answered {
        status: 200,
        first_byte: Duration::from_millis(millis),
    }
}

pub(crate) const RESET: Outcome = Outcome::Failed(Failure::Reset);

/// Whose requests all of them are.
pub(crate) const FLOW: FlowKey = FlowKey {
    service: 0,
    tenant: TenantId::BUND,
};

/// Nobody waits: who gets no seat is refused.
pub(crate) fn no_queue() -> QueuePolicy {
    QueuePolicy {
        waiting_max: 0,
        ..QueuePolicy::default()
    }
}

/// Pool, policy, clock and draws; one flow, and no queue.
pub(crate) struct Bench {
    pub(crate) pool: PoolState<Rc<Cell<ArrivalTime>>>,
    pub(crate) policy: PoolPolicy,
    pub(crate) now: Timestamp,
    draw: u64,
}

impl Bench {
    /// A pool that starts with `count` endpoints.
    pub(crate) fn new(count: u16, mut policy: PoolPolicy) -> Self {
        policy.queue = no_queue();
        let mut bench = Self {
            pool: PoolState::new(),
            policy,
            now: Timestamp::default(),
            draw: 0,
        };
        bench.set_endpoints(&addresses(count));
        bench
    }

    pub(crate) fn set_endpoints(&mut self, addresses: &[SocketAddr]) {
        self.pool.set_endpoints(&self.policy, addresses, self.now);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// A seeded sequence of draws, one per arrival.
    pub(crate) fn draw(&mut self) -> u64 {
        self.draw += 1;
        self.draw
    }

    pub(crate) fn arrive(&mut self) -> Result<Slot, Refusal> {
        self.arrive_with(&[], None)
    }

    pub(crate) fn arrive_with(
        &mut self,
        tried: &[EndpointId],
        preferred: Option<EndpointId>,
    ) -> Result<Slot, Refusal> {
        let draw = self.draw();
        if !tried.is_empty() {
            let retry = Retry {
                flow: FLOW,
                inhabitants: 1,
                cost: 1,
                tried,
                preferred,
                until: self.now,
                draw,
            };
            return self.pool.retry(&self.policy, self.now, &retry);
        }
        let arrival = Arrival {
            flow: FLOW,
            generation: 0,
            inhabitants: 1,
            class: Class::New,
            client: 0,
            cost: 1,
            bytes: 0,
            in_flight_max: u32::MAX,
            rate: None,
            preferred,
            draw,
        };
        match self.pool.arrive(&self.policy, self.now, &arrival) {
            Admission::Go(slot) => Ok(slot),
            Admission::Refuse(refused) => Err(refused.refusal),
            Admission::Wait(waiting) => panic!("{waiting:?} without a queue"),
        }
    }

    pub(crate) fn depart(&mut self, slot: Slot, outcome: Outcome) {
        self.pool.depart(&self.policy, slot, outcome, self.now);
    }

    pub(crate) fn stream(&mut self, slot: Slot) -> Result<Stream, Slot> {
        self.pool.stream(&self.policy, slot, self.now)
    }

    /// Takes `count` seats and keeps them.
    pub(crate) fn hold(&mut self, count: usize) -> Vec<Slot> {
        (0..count).map(|_| self.arrive().unwrap()).collect()
    }

    /// Sends one request to this endpoint alone, as a session of it.
    pub(crate) fn ask(&mut self, number: u16, outcome: Outcome) {
        let id = self.id(number);
        let slot = self.arrive_with(&[], Some(id)).unwrap();
        assert_eq!(slot.endpoint, id);
        self.depart(slot, outcome);
    }

    pub(crate) fn id(&self, number: u16) -> EndpointId {
        self.pool.endpoint(address(number)).unwrap()
    }

    pub(crate) fn view(&self, number: u16) -> EndpointView {
        self.views()
            .into_iter()
            .find(|view| view.address == address(number))
            .unwrap()
    }

    pub(crate) fn views(&self) -> Vec<EndpointView> {
        self.pool.views(&self.policy, self.now).collect()
    }
}
