//! Who takes part: tenants with their rates, pools with those who wait and those in flight.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use schleuse_core::{
    ActivationPolicy, ArrivalTime, Class, EjectionPolicy, EndpointId, FairBy, FlowKey, Fraction,
    PoolPolicy, PoolState, QueuePolicy, Quota, RegionalKey, Slot, Stream, TenantId, Ticket,
    Timestamp,
};

use crate::{connects::Connects, fairness::Meter, limit::LimitLog, random::Random};

pub(crate) type Rate = Rc<Cell<ArrivalTime>>;

/// Addresses that take part in each pool.
pub(crate) const ADDRESSES: u16 = 8;

pub(crate) fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 8_000 + number))
}

/// The n-th tenant's flow.
pub(crate) fn flow(number: u64) -> FlowKey {
    let key = RegionalKey::parse_ars(&format!("{:05}", 1_000 + number)).unwrap();
    FlowKey {
        service: 0,
        tenant: TenantId::new(key),
    }
}

/// One tenant.
pub(crate) struct Tenant {
    pub(crate) flow: FlowKey,
    pub(crate) inhabitants: u64,
    pub(crate) rate: Rate,
    pub(crate) quota: Option<Quota>,
    pub(crate) in_flight_max: u32,
    /// Number of the config that all this is from.
    pub(crate) generation: u64,
    /// Number, inhabitants and limit of the config before.
    pub(crate) before: (u64, u64, u32),
    /// Where it sends its requests.
    pub(crate) pool: usize,
    pub(crate) log: LimitLog,
    /// Its quota or pool changed while it waited: a pool learns of that with its next event.
    pub(crate) changed: bool,
}

impl Tenant {
    pub(crate) fn new(number: u64, random: &mut Random) -> Self {
        Self {
            flow: flow(number),
            inhabitants: inhabitants(random),
            rate: Rate::default(),
            quota: None,
            in_flight_max: u32::MAX,
            generation: 1,
            before: (0, 1, u32::MAX),
            pool: random.index(2),
            log: LimitLog::new(),
            changed: false,
        }
    }
}

/// A request that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    pub(crate) tenant: usize,
    pub(crate) class: Class,
    pub(crate) client: u64,
    pub(crate) cost: u32,
    pub(crate) bytes: u64,
    pub(crate) until: Timestamp,
    /// Order of arrival.
    pub(crate) number: u64,
    pub(crate) preferred: Option<EndpointId>,
    /// It had a seat already, of an endpoint that took no connection.
    pub(crate) readmitted: bool,
}

/// A request in flight.
pub(crate) struct Held {
    pub(crate) slot: Slot,
    pub(crate) request: Queued,
    /// Names it to the meter.
    pub(crate) number: u64,
}

/// What a flow's waiting requests go by: the last waiting arrival's, of those of the newest config.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latched {
    pub(crate) generation: u64,
    pub(crate) quota: Option<Quota>,
    pub(crate) in_flight_max: u32,
}

/// The attempts to wake a pool, as whoever starts its endpoints sees them.
#[derive(Default)]
pub(crate) struct Wakes {
    /// The last one's number.
    pub(crate) last: u64,
    /// The one that nothing was heard of yet.
    pub(crate) open: Option<u64>,
    /// Until then nobody may be woken.
    pub(crate) paused_until: Timestamp,
}

/// One pool and what must be true of it.
pub(crate) struct Scene {
    pub(crate) pool: PoolState<Rate>,
    pub(crate) policy: PoolPolicy,
    pub(crate) queued: HashMap<Ticket, Queued>,
    pub(crate) held: Vec<Held>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) latched: BTreeMap<FlowKey, Latched>,
    pub(crate) meter: Meter,
    pub(crate) virtual_time: f64,
    /// The most seats that an endpoint ever had.
    pub(crate) seats_max: u32,
    pub(crate) ended: u64,
    pub(crate) wakes: Wakes,
    /// Endpoints that have to answer a probe.
    pub(crate) unprobed: Vec<EndpointId>,
    /// By address: of a hundred connections, how many it refuses.
    pub(crate) refused_percent: [u64; ADDRESSES as usize],
    pub(crate) connects: Connects,
    /// The most seats that the pool ever had.
    pub(crate) pool_seats_max: u32,
}

impl Scene {
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut scene = Self {
            pool: PoolState::new(),
            policy: policy(random),
            queued: HashMap::new(),
            held: Vec::new(),
            streams: Vec::new(),
            latched: BTreeMap::new(),
            meter: Meter::default(),
            virtual_time: 0.0,
            seats_max: 0,
            ended: 0,
            wakes: Wakes::default(),
            unprobed: Vec::new(),
            refused_percent: [0; ADDRESSES as usize],
            connects: Connects::default(),
            pool_seats_max: 1,
        };
        scene.relist(random, Timestamp::default());
        scene
    }

    /// What the tenant's flow weighs, if there is one.
    pub(crate) fn weight(&self, tenant: &Tenant) -> Option<f64> {
        self.pool.flow(tenant.flow).map(|view| view.weight)
    }

    /// The bound of fairness is for weights that stay.
    pub(crate) fn follow_weight(&mut self, tenant: &Tenant, before: Option<f64>) {
        if before.is_some() && self.weight(tenant) != before {
            self.meter.restart();
        }
    }

    /// A request by the config of that number came.
    pub(crate) fn latch(&mut self, flow: FlowKey, generation: u64, in_flight_max: u32) {
        let limit = match in_flight_max {
            u32::MAX => u32::MAX,
            limit => self.policy.share.of(limit).max(1),
        };
        let latched = self.latched.entry(flow).or_default();
        if generation >= latched.generation {
            latched.generation = generation;
            latched.in_flight_max = limit;
        }
    }

    /// Another list of endpoints.
    pub(crate) fn relist(&mut self, random: &mut Random, now: Timestamp) {
        let listed = random.next();
        let addresses: Vec<SocketAddr> = (0..ADDRESSES)
            .filter(|number| listed >> number & 1 == 1)
            .map(address)
            .collect();
        self.pool.set_endpoints(&self.policy, &addresses, now);
    }

    /// Whether one of a flow waits that had a seat already.
    pub(crate) fn readmitted(&self, tenant: usize, now: Timestamp) -> bool {
        self.waiting(tenant, now).any(|queued| queued.readmitted)
    }

    /// Requests of a flow that wait and are not too late.
    pub(crate) fn waiting(&self, tenant: usize, now: Timestamp) -> impl Iterator<Item = &Queued> {
        let queued = self.queued.values();
        queued.filter(move |queued| queued.tenant == tenant && queued.until >= now)
    }
}

/// Small numbers, so that every bound is met.
pub(crate) fn policy(random: &mut Random) -> PoolPolicy {
    PoolPolicy {
        concurrency: random.small(0..5),
        streams_max: random.small(0..4),
        slow_start: Duration::from_millis(random.pick(&[0, 2_000])),
        ejection: EjectionPolicy {
            consecutive_failures: 2,
            minimum_requests: 6,
            base: Duration::from_secs(2),
            max: Duration::from_secs(6),
            ejected_share_max: random.pick(&[0.0, 0.5, 1.0]),
            ..EjectionPolicy::default()
        },
        probed: random.percent(50),
        share: random.pick(&[Fraction::ONE, Fraction::ONE, Fraction::new(1, 2).unwrap()]),
        queue: QueuePolicy {
            waiting_max: random.small(0..60),
            waiting_per_tenant_max: random.small(1..25),
            bytes_max: random.within(1_000..60_000),
            bytes_per_tenant_max: random.within(1_000..20_000),
            wait_max: Duration::from_millis(random.pick(&[0, 300, 5_000, 60_000])),
            fair_by: random.pick(&[
                FairBy::Population,
                FairBy::SquareRoot,
                FairBy::Equal,
                FairBy::None,
            ]),
            client_share: random.pick(&[10, 50, 100]),
        },
        activation: random.percent(60).then(|| ActivationPolicy {
            cold_start: Duration::from_millis(random.pick(&[100, 2_000, 20_000])),
            replicas_max: random.small(1..6),
            pause_min: Duration::from_millis(100),
            pause_max: Duration::from_secs(2),
            failed_starts_max: 4,
            failing_window: Duration::from_secs(10),
        }),
        ..PoolPolicy::default()
    }
}

/// From a hamlet to more than there are in the world.
pub(crate) fn inhabitants(random: &mut Random) -> u64 {
    random.pick(&[1, 7, 1_000, 50_000, 3_700_000, 1_000_000_000])
}

pub(crate) fn quota(random: &mut Random) -> Option<Quota> {
    let rate = random.pick(&[0.5, 3.0, 20.0, 500.0]);
    let burst = random.pick(&[1.0, 2.5, 10.0, 40.0]);
    random.percent(70).then(|| Quota::new(rate, burst))
}
