//! What changes under those who wait: the operator's wishes, configs, tenants, and what the network does to endpoints.

use schleuse_core::{Mode, Terms};

use crate::{
    scene::{ADDRESSES, address, inhabitants, policy, quota},
    world::World,
};

impl World {
    /// An operator's wish, or a probe's result.
    pub(crate) fn operate(&mut self, index: usize) {
        let number = u16::try_from(self.random.within(0..u64::from(ADDRESSES))).unwrap();
        let scene = &mut self.scenes[index];
        if self.random.percent(30) {
            scene.refused_percent[usize::from(number)] = self.random.pick(&[0, 0, 50, 90, 100]);
        } else if self.random.percent(50) {
            let mode =
                self.random
                    .pick(&[Mode::Ready, Mode::Ready, Mode::Drain, Mode::Maintenance]);
            scene.pool.set_mode(address(number), mode, self.now);
            scene.pool.tick(&scene.policy, self.now);
        } else if let Some(id) = scene.pool.endpoint(address(number)) {
            let ok = self.random.percent(70);
            scene.pool.probed(&scene.policy, id, ok, self.now);
        }
    }

    pub(crate) fn reload(&mut self, index: usize) {
        let scene = &mut self.scenes[index];
        let fair_by = scene.policy.queue.fair_by;
        scene.policy = policy(&mut self.random);
        if self.random.percent(60) {
            scene.policy.queue.fair_by = fair_by;
        }
        scene.meter.restart();
        scene.relist(&mut self.random, self.now);
        for tenant in &mut self.tenants {
            tenant.changed = true; // its share did
        }
    }

    /// Another quota, limit, weight or pool.
    pub(crate) fn change_tenant(&mut self) {
        let index = self.random.index(self.tenants.len());
        let tenant = &mut self.tenants[index];
        tenant.changed = true;
        tenant.before = (tenant.generation, tenant.inhabitants, tenant.in_flight_max);
        tenant.generation += 1;
        match self.random.within(0..5) {
            0 => {
                tenant.quota = quota(&mut self.random);
                if let Some(quota) = &tenant.quota {
                    tenant.log.offer(quota, self.now);
                }
            }
            1 => tenant.in_flight_max = self.random.pick(&[1, 3, u32::MAX]),
            2 | 3 => tenant.inhabitants = inhabitants(&mut self.random),
            _ => tenant.pool = 1 - tenant.pool,
        }
        if self.random.percent(50) {
            self.tell_terms(index);
        }
    }

    /// The pools are told what a tenant goes by, before its next request brings it.
    fn tell_terms(&mut self, index: usize) {
        let tenant = &mut self.tenants[index];
        for scene in &mut self.scenes {
            let Some(view) = scene.pool.flow(tenant.flow) else {
                continue;
            };
            let terms = Terms {
                generation: tenant.generation,
                inhabitants: tenant.inhabitants,
                in_flight_max: tenant.in_flight_max,
                rate: tenant.quota.map(|quota| (quota, tenant.rate.clone())),
            };
            let (flow, now) = (tenant.flow, self.now);
            scene.pool.set_terms(&scene.policy, flow, terms, now);
            scene.follow_weight(tenant, Some(view.weight));
            scene.latch(flow, tenant.generation, tenant.in_flight_max);
            if view.waiting > 0 {
                let quota = tenant.quota.map(|quota| quota.share(scene.policy.share));
                if let Some(quota) = &quota {
                    tenant.log.offer(quota, now);
                }
                scene.latched.entry(flow).or_default().quota = quota;
            }
        }
    }
}
