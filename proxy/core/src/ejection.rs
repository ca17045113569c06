//! Passive ejection: an endpoint whose answers to real requests fail is left out for a while.
//!
//! Two signals. Failures in a row catch the endpoint that is down, within a few requests. The failure ratio over a
//! window catches the one that fails every other time and so never fails often enough in a row. It comes back by
//! itself, later each time it had to go; calm forgives one ejection per base time.
//! Never more than a share of the pool is left out, the one about to go counted in, and at least one usable endpoint
//! stays (istio/istio#20135: a cap that looked only at those already out let the last one go too). An endpoint that is
//! spared stays under suspicion: its next failure asks again.
//! Source: Envoy's outlier detection, whose defaults these are where not said otherwise.

use std::time::Duration;

use crate::{
    Timestamp,
    window::{Counts, Window},
};

/// When an endpoint is left out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EjectionPolicy {
    /// Failures in a row that eject; 0: never.
    pub consecutive_failures: u32,
    /// Failed share of the window's requests that ejects, 0 to 1; above 1: never.
    pub failure_ratio: f64,
    /// Requests within the window below which the ratio says nothing.
    pub minimum_requests: u32,
    /// How far back the ratio looks.
    pub window: Duration,
    /// Length of the first ejection; the n-th one takes n times as long.
    pub base: Duration,
    /// Longest ejection.
    pub max: Duration,
    /// Largest share of a pool's endpoints that may be out, 0 to 1.
    pub ejected_share_max: f64,
}

impl Default for EjectionPolicy {
    /// The ratio is Envoy's default success rate turned plain (50 % of ≥ 20 requests in 10 s); the share is 50 %
    /// instead of its 10 %, because pools of two to four endpoints are the rule here and 10 % of them is nobody.
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_ratio: 0.5,
            minimum_requests: 20,
            window: Duration::from_secs(10),
            base: Duration::from_secs(30),
            max: Duration::from_mins(5),
            ejected_share_max: 0.5,
        }
    }
}

impl EjectionPolicy {
    /// Whether `ejected` of `endpoints` may be out at once.
    pub(crate) fn within_share(&self, ejected: usize, endpoints: usize) -> bool {
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        ejected < endpoints && count(ejected) <= count(endpoints) * self.ejected_share_max
    }
}

/// Whether an answer with this status counts as the endpoint's failure.
///
/// 502, 503 and 504 say that the backend cannot do its work at present. 500 does not: applications send it for a single
/// bad form, and one citizen's input must not take an endpoint away from all others. Nor does any 4xx, an early 413
/// to an upload that then breaks included (envoyproxy/envoy#2929).
pub(crate) const fn failed_status(status: u16) -> bool {
    matches!(status, 502..=504)
}

/// What was seen of one endpoint's answers, and whether it is out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ejection {
    consecutive: u32,
    recent: Window,
    until: Timestamp,
    /// Ejections that calm has not forgiven yet.
    weight: u32,
}

impl Ejection {
    /// The end of the ejection, while it lasts.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        (self.until > now).then_some(self.until)
    }

    /// A request ended well.
    pub(crate) fn succeeded(&mut self, policy: &EjectionPolicy, now: Timestamp) {
        self.consecutive = 0;
        self.count(policy, now, false);
    }

    /// A request failed; true: the endpoint should go, if the pool can do without it.
    ///
    /// Whatever ends during an ejection was sent before it and says nothing new.
    #[must_use]
    pub(crate) fn failed(&mut self, policy: &EjectionPolicy, now: Timestamp) -> bool {
        if self.until(now).is_some() {
            return false;
        }
        self.consecutive = self.consecutive.saturating_add(1);
        self.count(policy, now, true);
        self.in_a_row(policy) || self.too_often(policy, now)
    }

    /// Leaves the endpoint out from now on; returns until when.
    pub(crate) fn eject(&mut self, policy: &EjectionPolicy, now: Timestamp) -> Timestamp {
        let calm = now - self.until;
        let forgiven = calm.as_micros() / policy.base.as_micros().max(1);
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        self.weight = self.weight.saturating_sub(forgiven).saturating_add(1);
        let length = policy.base.saturating_mul(self.weight).min(policy.max);
        self.until = now + length;
        self.consecutive = 0;
        self.recent.clear();
        self.until
    }

    /// Takes the endpoint back before its time; what it did wrong is remembered for the next time.
    pub(crate) fn end(&mut self, now: Timestamp) {
        self.until = self.until.min(now);
    }

    fn count(&mut self, policy: &EjectionPolicy, now: Timestamp, failed: bool) {
        let one = Counts {
            events: 1,
            marked: u32::from(failed),
        };
        self.recent.add(policy.window, now, one);
    }

    fn in_a_row(&self, policy: &EjectionPolicy) -> bool {
        policy.consecutive_failures > 0 && self.consecutive >= policy.consecutive_failures
    }

    fn too_often(&mut self, policy: &EjectionPolicy, now: Timestamp) -> bool {
        let Counts { events, marked } = self.recent.sum(policy.window, now);
        events >= policy.minimum_requests.max(1)
            && f64::from(marked) >= f64::from(events) * policy.failure_ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn policy() -> EjectionPolicy {
        EjectionPolicy::default()
    }

    fn fails(ejection: &mut Ejection, times: u32, now: Timestamp) -> bool {
        (0..times).fold(false, |_, _| ejection.failed(&policy(), now))
    }

    #[test]
    fn five_failures_in_a_row_eject_and_four_do_not() {
        let now = Timestamp::default();
        let mut endpoint = Ejection::default();
        assert!(!fails(&mut endpoint, 4, now));
        assert!(endpoint.failed(&policy(), now));
    }

    #[test]
    fn a_success_between_failures_breaks_the_row() {
        let now = Timestamp::default();
        let mut endpoint = Ejection::default();
        fails(&mut endpoint, 4, now);
        endpoint.succeeded(&policy(), now);
        assert!(!fails(&mut endpoint, 4, now));
    }

    #[test]
    fn every_second_request_failing_ejects_once_there_are_twenty() {
        let now = Timestamp::default();
        let mut endpoint = Ejection::default();
        for _ in 0..9 {
            endpoint.succeeded(&policy(), now);
            assert!(!endpoint.failed(&policy(), now));
        }
        endpoint.succeeded(&policy(), now);
        assert!(endpoint.failed(&policy(), now), "the twentieth request");
    }

    #[test]
    fn failures_older_than_the_window_do_not_count_into_the_ratio() {
        let mut now = Timestamp::default();
        let mut endpoint = Ejection::default();
        for _ in 0..30 {
            endpoint.succeeded(&policy(), now);
            assert!(!endpoint.failed(&policy(), now));
            now = now + Duration::from_secs(2);
        }
    }

    #[test]
    fn each_ejection_is_longer_than_the_one_before_up_to_five_minutes() {
        let mut now = Timestamp::default();
        let mut endpoint = Ejection::default();
        let lengths: Vec<u64> = (0..12)
            .map(|_| {
                let until = endpoint.eject(&policy(), now);
                let length = until - now;
                now = until;
                length.as_secs()
            })
            .collect();
        assert_eq!(lengths.first(), Some(&30));
        assert_eq!(lengths.get(1), Some(&60));
        assert_eq!(lengths.last(), Some(&300));
    }

    #[test]
    fn calm_forgives_earlier_ejections() {
        let mut endpoint = Ejection::default();
        let first = endpoint.eject(&policy(), Timestamp::default());
        let later = first + MINUTE;
        assert_eq!(endpoint.eject(&policy(), later) - later, policy().base);
    }

    #[test]
    fn what_fails_during_an_ejection_does_not_prolong_it() {
        let now = Timestamp::default();
        let mut endpoint = Ejection::default();
        endpoint.eject(&policy(), now);
        assert!(!fails(&mut endpoint, 50, now));
        assert!(!fails(&mut endpoint, 4, now + MINUTE));
    }

    #[test]
    fn what_led_to_an_ejection_does_not_count_again_after_it() {
        let short = EjectionPolicy {
            base: Duration::from_secs(1),
            consecutive_failures: 0,
            ..policy()
        };
        let now = Timestamp::default();
        let mut endpoint = Ejection::default();
        assert!((0..20).any(|_| endpoint.failed(&short, now)));
        let back = endpoint.eject(&short, now);
        assert!(!endpoint.failed(&short, back), "within the same window");
    }

    #[test]
    fn the_cap_counts_the_one_about_to_go_p29() {
        let within = |ejected, endpoints| policy().within_share(ejected, endpoints);
        assert!(!within(1, 1) && within(1, 2) && !within(2, 2));
        assert!(within(1, 3) && !within(2, 3) && within(2, 4));
    }

    #[test]
    fn one_endpoint_stays_whatever_the_share() {
        let all = EjectionPolicy {
            ejected_share_max: 1.0,
            ..policy()
        };
        assert!(all.within_share(3, 4) && !all.within_share(4, 4));
    }

    #[test]
    fn only_answers_that_name_the_backend_unable_are_failures_p09() {
        for status in [502, 503, 504] {
            assert!(failed_status(status), "{status}");
        }
        for status in [101, 200, 404, 413, 429, 500, 501, 505] {
            assert!(!failed_status(status), "{status}");
        }
    }
}
