//! What active probes say about an endpoint.
//!
//! One lost probe is a lost packet, so a change takes several results in a row. An endpoint that was never probed
//! counts as healthy, otherwise a restart of the proxy would refuse everything until the first round of probes; its
//! first probe decides at once, because nothing speaks against it yet.

/// How many probes in a row change an endpoint's health. 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthPolicy {
    /// Successes until an unhealthy endpoint is used again.
    pub healthy_after: u32,
    /// Failures until a healthy endpoint is left out.
    pub unhealthy_after: u32,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self {
            healthy_after: 2,
            unhealthy_after: 3,
        }
    }
}

/// A probe changed what an endpoint counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthChange {
    /// It is used from now on.
    Healthy,
    /// It is left out from now on, unless nobody else is there.
    Unhealthy,
}

/// Health of one endpoint. The default is that of one that is not probed: healthy.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Health {
    unhealthy: bool,
    probed: bool,
    /// Results in a row that contradict the present state.
    contrary: u32,
}

impl Health {
    pub(crate) fn healthy(self) -> bool {
        !self.unhealthy
    }

    /// Folds one probe in; says when it changed the state.
    pub(crate) fn probed(&mut self, policy: HealthPolicy, ok: bool) -> Option<HealthChange> {
        let first = !std::mem::replace(&mut self.probed, true);
        if ok == self.healthy() {
            self.contrary = 0;
            return None;
        }
        self.contrary = self.contrary.saturating_add(1);
        let needed = if ok {
            policy.healthy_after
        } else {
            policy.unhealthy_after
        };
        if !first && self.contrary < needed {
            return None;
        }
        self.contrary = 0;
        self.unhealthy = !ok;
        Some(if ok {
            HealthChange::Healthy
        } else {
            HealthChange::Unhealthy
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(results: &[bool]) -> bool {
        let mut health = Health::default();
        for ok in results {
            health.probed(HealthPolicy::default(), *ok);
        }
        health.healthy()
    }

    #[test]
    fn the_first_probe_of_a_new_endpoint_decides_at_once() {
        assert!(!after(&[false]));
        assert!(after(&[true]));
        assert!(after(&[]));
    }

    #[test]
    fn three_failures_in_a_row_make_it_unhealthy_and_two_do_not() {
        assert!(after(&[true, false, false]));
        assert!(after(&[true, false, false, true, false, false]));
        assert!(!after(&[true, false, false, false]));
    }

    #[test]
    fn two_successes_in_a_row_make_it_healthy_again_and_one_does_not() {
        assert!(!after(&[false, true]));
        assert!(!after(&[false, true, false, true]));
        assert!(after(&[false, true, true]));
    }

    #[test]
    fn a_change_is_reported_once() {
        let mut health = Health::default();
        let policy = HealthPolicy::default();
        assert_eq!(health.probed(policy, false), Some(HealthChange::Unhealthy));
        assert_eq!(health.probed(policy, false), None);
        assert_eq!(health.probed(policy, true), None);
        assert_eq!(health.probed(policy, true), Some(HealthChange::Healthy));
    }
}
