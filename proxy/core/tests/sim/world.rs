//! What happens: one random event per step, then everything that follows from it, then the checks.

use std::time::Duration;

use schleuse_core::{
    Admission, Arrival, Class, EndpointId, Failure, FlowView, Grant, Leave, Outcome, Quota,
    Refusal, Requeued, Retry, Slot, Ticket, Timestamp,
};

use crate::{
    check,
    fairness::Charge,
    limit::thousandth,
    random::Random,
    scene::{ADDRESSES, Held, Queued, Rate, Scene, Tenant, address, quota},
};

const TENANTS: u64 = 8;

/// Two pools and those who use them.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) now: Timestamp,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) scenes: Vec<Scene>,
    /// Percent of the events that are arrivals; changes, so that queues fill and drain.
    pressure: u64,
    number: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut tenants: Vec<Tenant> = (0..TENANTS)
            .map(|number| Tenant::new(number, &mut random))
            .collect();
        for tenant in &mut tenants {
            tenant.quota = quota(&mut random);
            if let Some(quota) = &tenant.quota {
                tenant.log.offer(quota, Timestamp::default());
            }
        }
        let scenes = (0..2).map(|_| Scene::new(&mut random)).collect();
        Self {
            random,
            now: Timestamp::default(),
            tenants,
            scenes,
            pressure: 50,
            number: 0,
        }
    }

    pub(crate) fn step(&mut self) {
        if self.random.percent(1) {
            self.pressure = self.random.within(10..70);
        }
        let scene = self.random.index(self.scenes.len());
        if self.random.percent(self.pressure) {
            self.arrive();
        } else {
            match self.random.within(0..100) {
                0..50 => self.depart(scene),
                50..74 => self.pass(),
                74..82 => self.leave(scene),
                82..88 => self.stream(scene),
                88..91 => self.operate(scene),
                91..92 => self.probe(scene),
                92..93 => self.fail_start(scene),
                93..95 => self.scenes[scene].relist(&mut self.random, self.now),
                95..97 => self.reload(scene),
                _ => self.change_tenant(),
            }
        }
        self.settle();
    }

    /// Everybody who can goes, then everything is looked at.
    fn settle(&mut self) {
        for (number, tenant) in self.tenants.iter_mut().enumerate() {
            let mut queued = self.scenes.iter().flat_map(|scene| scene.queued.values());
            tenant.changed &= queued.any(|queued| queued.tenant == number);
        }
        for scene in 0..self.scenes.len() {
            self.dispatch(scene);
            check::all(self, scene);
        }
    }

    /// Everything ends; nothing may be left over.
    pub(crate) fn finish(&mut self) {
        for scene in 0..self.scenes.len() {
            while !self.scenes[scene].held.is_empty() {
                self.depart(scene);
                self.settle();
            }
            let tickets: Vec<Ticket> = self.scenes[scene].queued.keys().copied().collect();
            for ticket in tickets {
                self.end(scene, ticket, Leave::Gone);
                while !self.scenes[scene].held.is_empty() {
                    self.depart(scene);
                }
            }
            for stream in std::mem::take(&mut self.scenes[scene].streams) {
                self.scenes[scene].pool.end_stream(stream);
            }
            check::empty(self, scene);
        }
    }
}

impl World {
    /// A request of a random tenant, to its pool.
    fn request(&mut self) -> Queued {
        let tenant = self.random.index(self.tenants.len());
        let scene = &self.scenes[self.tenants[tenant].pool];
        let random = &mut self.random;
        let preferred = random.percent(25).then(|| {
            let number = u16::try_from(random.within(0..u64::from(ADDRESSES))).unwrap();
            let endpoint = scene.pool.endpoint(address(number));
            endpoint.unwrap_or(EndpointId::GONE)
        });
        self.number += 1;
        Queued {
            tenant,
            class: random.pick(&[Class::New, Class::New, Class::Signed]),
            client: random.within(0..4),
            cost: random.pick(&[1, 1, 1, 4]),
            bytes: random.within(0..2_000),
            until: self.now + scene.policy.queue.wait_max,
            number: self.number,
            preferred,
            readmitted: false,
        }
    }

    fn arrive(&mut self) {
        let (request, now) = (self.request(), self.now);
        let draw = self.random.next();
        let tenant = &mut self.tenants[request.tenant];
        let scene = &mut self.scenes[tenant.pool];
        let mut arrival = arrival(tenant, &request, draw);
        if self.random.percent(10) && is_known(scene, tenant) {
            (
                arrival.generation,
                arrival.inhabitants,
                arrival.in_flight_max,
            ) = tenant.before;
        }
        let (generation, in_flight_max) = (arrival.generation, arrival.in_flight_max);
        let seconds = expected_seconds(scene, tenant);
        let quota = tenant.quota.map(|quota| quota.share(scene.policy.share));
        let before = thousandth(tenant.rate.get(), [latched(scene, tenant), quota], now);
        let weight = scene.weight(tenant);
        let admission = scene.pool.arrive(&scene.policy, now, &arrival);
        scene.follow_weight(tenant, weight);
        if let Some(quota) = &quota {
            tenant.log.offer(quota, now);
        }
        scene.latch(tenant.flow, generation, in_flight_max);
        match admission {
            Admission::Go(slot) => {
                if quota.is_some() {
                    self.count_taken(request.tenant);
                }
                self.hold_in(self.tenants[request.tenant].pool, request, seconds, slot);
            }
            Admission::Wait(waiting) => {
                scene.latched.entry(tenant.flow).or_default().quota = quota;
                let request = check::promise(scene, request, waiting, now);
                let old = scene.queued.insert(waiting.ticket, request);
                assert!(old.is_none(), "a ticket was given out twice");
                check::bounds(scene, tenant, &request, now);
            }
            Admission::Refuse(refused) => {
                let after = quota.map(|quota| tenant.rate.get().earliest(&quota, now, 1_000));
                assert!(after <= before, "a refusal costs no token");
                check::refusal(scene, tenant, &refused, now);
            }
        }
    }

    /// What follows from any event: starts, those who wait in vain, and grants.
    fn dispatch(&mut self, index: usize) {
        let scene = &mut self.scenes[index];
        check::wakes(scene, self.now);
        scene
            .unprobed
            .extend(std::iter::from_fn(|| scene.pool.unprobed()).map(|(id, _)| id));
        while let Some((ticket, refused)) = scene.pool.turn_away(&scene.policy, self.now) {
            let queued = scene.queued.remove(&ticket).expect("a live ticket");
            let tenant = &self.tenants[queued.tenant];
            check::refusal(scene, tenant, &refused, self.now);
            scene.ended += 1;
        }
        assert!(!scene.pool.stirs());
        loop {
            let seconds: Vec<f64> = self
                .tenants
                .iter()
                .map(|tenant| expected_seconds(&self.scenes[index], tenant))
                .collect();
            let draw = self.random.next();
            let turns = check::turns(self, index);
            let scene = &mut self.scenes[index];
            let Some(grant) = scene.pool.dispatch(&scene.policy, self.now, draw) else {
                return;
            };
            let Grant { ticket, slot } = grant;
            let queued = scene.queued.remove(&ticket).expect("a live ticket");
            scene.ended += 1;
            let flow = self.tenants[queued.tenant].flow;
            check::turn(scene, flow, &turns, &queued, &slot, self.now);
            let latched = scene.latched.get(&flow);
            if !queued.readmitted && latched.is_some_and(|latched| latched.quota.is_some()) {
                self.count_taken(queued.tenant);
            }
            self.hold_in(index, queued, seconds[queued.tenant], slot);
            check::fairness(self, index);
        }
    }

    /// The tenant's rate let one through.
    fn count_taken(&mut self, index: usize) {
        let tenant = &mut self.tenants[index];
        let quotas = self.scenes.iter().flat_map(|scene| {
            let latched = scene.latched.get(&tenant.flow);
            let own = tenant.quota.map(|quota| quota.share(scene.policy.share));
            latched
                .and_then(|latched| latched.quota)
                .into_iter()
                .chain(own)
        });
        let quotas: Vec<Quota> = quotas.collect();
        tenant.log.take(&quotas, self.now);
    }

    fn hold_in(&mut self, index: usize, request: Queued, seconds: f64, slot: Slot) {
        let scene = &mut self.scenes[index];
        let flow = self.tenants[request.tenant].flow;
        check::seat(scene, flow, &slot, self.now);
        assert_eq!(slot.until, request.until);
        let charge = Charge::of(&scene.pool, flow, seconds, request.cost, self.now);
        let number = self.number;
        self.number += 1;
        scene.meter.dispatched(number, charge);
        scene.held.push(Held {
            slot,
            request,
            number,
        });
    }

    fn depart(&mut self, index: usize) {
        let scene = &mut self.scenes[index];
        if scene.held.is_empty() {
            return;
        }
        let held = scene.held.swap_remove(self.random.index(scene.held.len()));
        let refused = scene.refused_percent[usize::from(held.slot.address.port() - 8_000)];
        let outcome = match self.random.within(0..20) {
            _ if self.random.percent(refused) => Outcome::Failed(Failure::Connect),
            0 => Outcome::Failed(self.random.pick(&[Failure::Reset, Failure::Connect])),
            1 => Outcome::Answered {
                status: 503,
                first_byte: Duration::from_millis(1),
            },
            2 => Outcome::Abandoned,
            _ => Outcome::Answered {
                status: 200,
                first_byte: Duration::from_millis(self.random.within(0..300)),
            },
        };
        let tried = [held.slot.endpoint];
        scene.meter.departed(held.number, self.now);
        let (id, began) = (held.slot.endpoint, held.slot.started);
        match outcome {
            Outcome::Failed(Failure::Connect) => scene.connects.refused(id, began),
            Outcome::Answered { .. } | Outcome::Failed(_) => scene.connects.reached(id, began),
            Outcome::Abandoned => {}
        }
        if outcome == Outcome::Failed(Failure::Connect) && self.random.percent(80) {
            return self.requeue(index, held);
        }
        scene
            .pool
            .depart(&scene.policy, held.slot, outcome, self.now);
        check::reached(scene, id, began, outcome, self.now);
        let again = matches!(outcome, Outcome::Failed(_));
        if again && scene.pool.retry_allowed(&scene.policy, &tried, self.now) {
            self.retry(index, held.request, &tried);
        }
    }

    /// The endpoint took no connection.
    fn requeue(&mut self, index: usize, held: Held) {
        let (request, refusing) = (held.request, held.slot.endpoint);
        let draw = self.random.next();
        let scene = &mut self.scenes[index];
        let tenant = &self.tenants[request.tenant];
        let seconds = expected_seconds(scene, tenant);
        let arrival = arrival(tenant, &request, draw);
        let weight = scene.weight(tenant);
        let quota = tenant.quota.map(|quota| quota.share(scene.policy.share));
        let before = thousandth(tenant.rate.get(), [latched(scene, tenant), quota], self.now);
        let requeued = scene
            .pool
            .requeue(&scene.policy, held.slot, &arrival, self.now);
        let after = quota.map(|quota| tenant.rate.get().earliest(&quota, self.now, 1_000));
        assert!(after <= before, "charged twice");
        scene.follow_weight(tenant, weight);
        scene.latch(tenant.flow, tenant.generation, tenant.in_flight_max);
        match requeued {
            Requeued::Go(slot) => {
                assert_ne!(slot.endpoint, refusing);
                // It went before all who wait.
                scene.meter.restart();
                self.hold_in(index, request, seconds, slot);
            }
            Requeued::Wait(waiting) => {
                assert_eq!(waiting.until, request.until);
                assert!(waiting.until > self.now);
                let request = Queued {
                    readmitted: true,
                    ..request
                };
                let old = scene.queued.insert(waiting.ticket, request);
                assert!(old.is_none(), "a ticket was given out twice");
            }
            Requeued::Stands => check::stands(scene, &request, self.now),
        }
    }

    fn retry(&mut self, index: usize, request: Queued, tried: &[EndpointId]) {
        let scene = &mut self.scenes[index];
        let tenant = &self.tenants[request.tenant];
        let retry = Retry {
            flow: tenant.flow,
            inhabitants: tenant.inhabitants,
            cost: request.cost,
            tried,
            preferred: None,
            until: request.until,
            draw: self.random.next(),
        };
        let seconds = expected_seconds(scene, tenant);
        match scene.pool.retry(&scene.policy, self.now, &retry) {
            Ok(slot) => {
                // It went before all who wait.
                scene.meter.restart();
                // Should it come back once more, it is behind those who had their seats before.
                self.number += 1;
                let request = Queued {
                    number: self.number,
                    ..request
                };
                self.hold_in(index, request, seconds, slot);
            }
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::PoolFull | Refusal::NoEndpoint));
            }
        }
    }

    /// Time passes, with everything that is due meanwhile.
    fn pass(&mut self) {
        let millis = self.random.pick(&[1, 10, 60, 400, 3_000]);
        let target = self.now + Duration::from_micros(self.random.within(1..millis * 1_000));
        while let Some((at, index)) = self.next_due()
            && at <= target
        {
            self.now = self.now.max(at);
            let scene = &mut self.scenes[index];
            scene.pool.tick(&scene.policy, self.now);
            check::in_reach(scene, self.now);
            self.dispatch(index);
            let scene = &self.scenes[index];
            let due = scene.pool.due(&scene.policy, self.now);
            assert!(due.is_none_or(|due| due > self.now), "due again at once");
        }
        self.now = target;
        for index in 0..self.scenes.len() {
            // Nothing was due: nobody can have been able to go.
            check::nobody_is_forgotten(self, index);
        }
        self.expire();
    }

    fn next_due(&self) -> Option<(Timestamp, usize)> {
        let due = self.scenes.iter().enumerate().filter_map(|(index, scene)| {
            let due = scene.pool.due(&scene.policy, self.now)?;
            Some((due, index))
        });
        due.min()
    }

    /// Those whose time is over leave, most of them in time.
    fn expire(&mut self) {
        for index in 0..self.scenes.len() {
            let late = self.scenes[index].queued.iter();
            let mut late: Vec<(u64, Ticket)> = late
                .filter(|(_, queued)| queued.until < self.now)
                .map(|(ticket, queued)| (queued.number, *ticket))
                .collect();
            late.sort_unstable_by_key(|(number, _)| *number);
            for (_, ticket) in late {
                if self.random.percent(80) {
                    self.end(index, ticket, Leave::Expired);
                }
            }
        }
    }

    fn leave(&mut self, index: usize) {
        let queued = self.scenes[index].queued.iter();
        let mut tickets: Vec<(u64, Ticket)> = queued
            .map(|(ticket, queued)| (queued.number, *ticket))
            .collect();
        tickets.sort_unstable_by_key(|(number, _)| *number);
        if !tickets.is_empty() {
            let (_, ticket) = tickets[self.random.index(tickets.len())];
            self.end(index, ticket, Leave::Gone);
        }
    }

    fn end(&mut self, index: usize, ticket: Ticket, why: Leave) {
        let scene = &mut self.scenes[index];
        let queued = scene.queued.remove(&ticket).unwrap();
        let refused = scene.pool.leave(&scene.policy, ticket, self.now, why);
        assert_eq!(refused.is_some(), why == Leave::Expired);
        if let Some(refused) = refused {
            let tenant = &self.tenants[queued.tenant];
            check::refusal(scene, tenant, &refused, self.now);
        }
        let again = scene
            .pool
            .leave(&scene.policy, ticket, self.now, Leave::Expired);
        assert_eq!(again, None, "a ticket ended twice");
        scene.ended += 1;
    }

    fn stream(&mut self, index: usize) {
        let scene = &mut self.scenes[index];
        if !scene.streams.is_empty() && self.random.percent(50) {
            let stream = scene
                .streams
                .swap_remove(self.random.index(scene.streams.len()));
            scene.pool.end_stream(stream);
        } else if !scene.held.is_empty() {
            let held = scene.held.swap_remove(self.random.index(scene.held.len()));
            let (id, began) = (held.slot.endpoint, held.slot.started);
            match scene.pool.stream(&scene.policy, held.slot, self.now) {
                Ok(stream) => {
                    scene.meter.departed(held.number, self.now);
                    scene.connects.reached(id, began);
                    scene.streams.push(stream);
                }
                Err(slot) => scene.held.push(Held { slot, ..held }),
            }
        }
    }

    /// A starting endpoint answers.
    fn probe(&mut self, index: usize) {
        let scene = &mut self.scenes[index];
        if scene.unprobed.is_empty() {
            return;
        }
        let place = self.random.index(scene.unprobed.len());
        let id = scene.unprobed.swap_remove(place);
        let starting = scene.pool.is_starting(id);
        assert_eq!(scene.pool.answered(&scene.policy, id, self.now), starting);
    }

    /// Word that an attempt to start endpoints came to nothing: the last one, or one that was given up before.
    fn fail_start(&mut self, index: usize) {
        let late = self.random.percent(30);
        let scene = &mut self.scenes[index];
        let attempt = scene.wakes.last.saturating_sub(u64::from(late));
        let before = scene.pool.activation(&scene.policy, self.now);
        let failed = if self.random.percent(50) {
            scene.pool.wake_failed(&scene.policy, attempt, self.now)
        } else {
            scene.pool.endpoint_ended(&scene.policy, attempt, self.now)
        };
        assert_eq!(failed, scene.wakes.open.is_some_and(|open| open == attempt));
        if !failed {
            let after = scene.pool.activation(&scene.policy, self.now);
            assert_eq!(before.map(|view| view.phase), after.map(|view| view.phase));
        }
    }
}

/// A tenant's request, by the config in force.
fn arrival<'a>(tenant: &'a Tenant, request: &Queued, draw: u64) -> Arrival<'a, Rate> {
    Arrival {
        flow: tenant.flow,
        inhabitants: tenant.inhabitants,
        class: request.class,
        client: request.client,
        cost: request.cost,
        bytes: request.bytes,
        in_flight_max: tenant.in_flight_max,
        generation: tenant.generation,
        rate: tenant.quota.map(|quota| (quota, &tenant.rate)),
        preferred: request.preferred,
        draw,
    }
}

/// Whether the pool has a flow of the tenant's by its last config: an older one's request changes nothing then.
fn is_known(scene: &Scene, tenant: &Tenant) -> bool {
    let active = |view: &FlowView| view.waiting + view.in_flight > 0;
    let latched = scene.latched.get(&tenant.flow);
    let quota = tenant.quota.map(|quota| quota.share(scene.policy.share));
    scene.pool.flow(tenant.flow).as_ref().is_some_and(active)
        && latched.is_some_and(|latched| {
            latched.generation == tenant.generation && latched.quota == quota
        })
}

/// How long the flow's next request is expected to hold a seat.
fn expected_seconds(scene: &Scene, tenant: &Tenant) -> f64 {
    let own = scene.pool.flow(tenant.flow).map(|view| view.service_time);
    let own = own.filter(|own| !own.is_zero());
    let prior = || {
        scene
            .pool
            .queue(&scene.policy, Timestamp::default())
            .service_time
    };
    own.unwrap_or_else(prior).as_secs_f64()
}

/// The quota of those of the tenant who wait already.
fn latched(scene: &Scene, tenant: &Tenant) -> Option<Quota> {
    let latched = scene.latched.get(&tenant.flow);
    latched.and_then(|latched| latched.quota)
}
