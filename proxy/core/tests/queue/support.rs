//! A pool with a queue, tenants by number, and the time of its next event.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use schleuse_core::{
    Admission, Arrival, ArrivalTime, Class, EndpointId, FlowKey, FlowView, Grant, Leave, Outcome,
    PoolPolicy, PoolState, Quota, Refused, RegionalKey, Requeued, Slot, TenantId, Timestamp,
    Waiting,
};

pub(crate) type Rate = Rc<Cell<ArrivalTime>>;

pub(crate) const ANSWERED: Outcome = Outcome::Answered {
    status: 200,
    first_byte: Duration::from_millis(1),
};

pub(crate) fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 8_000 + number))
}

pub(crate) fn flow(number: u32) -> FlowKey {
    let key = RegionalKey::parse_ars(&format!("{:05}", 1_000 + number)).unwrap();
    FlowKey {
        service: 0,
        tenant: TenantId::new(key),
    }
}

/// A request to come.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) tenant: u32,
    pub(crate) generation: u64,
    pub(crate) inhabitants: u64,
    pub(crate) class: Class,
    pub(crate) client: u64,
    pub(crate) cost: u32,
    pub(crate) bytes: u64,
    pub(crate) in_flight_max: u32,
    pub(crate) quota: Option<Quota>,
    pub(crate) preferred: Option<EndpointId>,
}

/// An ordinary request of the n-th tenant.
pub(crate) fn of(tenant: u32) -> Ask {
    Ask {
        tenant,
        generation: 0,
        inhabitants: 1_000,
        class: Class::New,
        client: u64::from(tenant),
        cost: 1,
        bytes: 100,
        in_flight_max: u32::MAX,
        quota: None,
        preferred: None,
    }
}

/// Pool, policy, rates and clock.
pub(crate) struct Bench {
    pub(crate) pool: PoolState<Rate>,
    pub(crate) policy: PoolPolicy,
    pub(crate) now: Timestamp,
    rates: Vec<Rate>,
    draw: u64,
}

impl Bench {
    /// One endpoint with this many seats.
    pub(crate) fn new(seats: u32) -> Self {
        let mut policy = PoolPolicy {
            concurrency: seats,
            ..PoolPolicy::default()
        };
        policy.queue.client_share = 100;
        let mut bench = Self {
            pool: PoolState::new(),
            policy,
            now: Timestamp::default(),
            rates: (0..20).map(|_| Rate::default()).collect(),
            draw: 0,
        };
        bench.set_endpoints(1);
        bench
    }

    pub(crate) fn set_endpoints(&mut self, count: u16) {
        let addresses: Vec<_> = (0..count).map(address).collect();
        self.pool.set_endpoints(&self.policy, &addresses, self.now);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(crate) fn arrive(&mut self, ask: &Ask) -> Admission {
        self.draw += 1;
        let rate = &self.rates[ask.tenant as usize];
        let arrival = arrival(ask, rate, self.draw);
        self.pool.arrive(&self.policy, self.now, &arrival)
    }

    /// The request's endpoint took no connection.
    pub(crate) fn requeue(&mut self, ask: &Ask, slot: Slot) -> Requeued {
        self.draw += 1;
        let rate = &self.rates[ask.tenant as usize];
        let arrival = arrival(ask, rate, self.draw);
        self.pool.requeue(&self.policy, slot, &arrival, self.now)
    }

    pub(crate) fn wait_again(&mut self, ask: &Ask, slot: Slot) -> Waiting {
        match self.requeue(ask, slot) {
            Requeued::Wait(waiting) => waiting,
            other => panic!("{ask:?} does not wait: {other:?}"),
        }
    }

    pub(crate) fn go(&mut self, ask: &Ask) -> Slot {
        match self.arrive(ask) {
            Admission::Go(slot) => slot,
            other => panic!("{ask:?} does not go: {other:?}"),
        }
    }

    pub(crate) fn wait(&mut self, ask: &Ask) -> Waiting {
        match self.arrive(ask) {
            Admission::Wait(waiting) => waiting,
            other => panic!("{ask:?} does not wait: {other:?}"),
        }
    }

    pub(crate) fn wait_times(&mut self, count: u32, ask: &Ask) {
        for _ in 0..count {
            self.wait(ask);
        }
    }

    pub(crate) fn refused(&mut self, ask: &Ask) -> Refused {
        match self.arrive(ask) {
            Admission::Refuse(refused) => refused,
            other => panic!("{ask:?} is not refused: {other:?}"),
        }
    }

    pub(crate) fn dispatch(&mut self) -> Option<Grant> {
        self.draw += 1;
        self.pool.dispatch(&self.policy, self.now, self.draw)
    }

    pub(crate) fn depart(&mut self, slot: Slot) {
        self.pool.depart(&self.policy, slot, ANSWERED, self.now);
    }

    /// The seat's request departs after `millis`, and the next one's is returned.
    pub(crate) fn next_after(&mut self, slot: Slot, millis: u64) -> Option<Grant> {
        self.pass(Duration::from_millis(millis));
        self.depart(slot);
        self.dispatch()
    }

    /// One request of the tenant comes and goes, so that its service time is known.
    pub(crate) fn teach(&mut self, tenant: u32, millis: u64) {
        let slot = self.go(&of(tenant));
        self.pass(Duration::from_millis(millis));
        self.depart(slot);
    }

    pub(crate) fn leave(&mut self, waiting: Waiting, why: Leave) -> Option<Refused> {
        self.pool.leave(&self.policy, waiting.ticket, self.now, why)
    }

    pub(crate) fn view(&self, tenant: u32) -> FlowView {
        self.pool.flow(flow(tenant)).unwrap()
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.pool.queue(&self.policy, self.now).waiting
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.pool.due(&self.policy, self.now)
    }
}

fn arrival<'a>(ask: &Ask, rate: &'a Rate, draw: u64) -> Arrival<'a, Rate> {
    Arrival {
        flow: flow(ask.tenant),
        inhabitants: ask.inhabitants,
        class: ask.class,
        client: ask.client,
        cost: ask.cost,
        bytes: ask.bytes,
        in_flight_max: ask.in_flight_max,
        generation: ask.generation,
        rate: ask.quota.map(|quota| (quota, rate)),
        preferred: ask.preferred,
        draw,
    }
}
