//! What a pool does about having no endpoint that serves, if somebody can start one: see [`crate::activation`].

use std::{net::SocketAddr, time::Duration};

use super::{PoolPolicy, PoolState, Refused, admit::Hindrance};
use crate::{
    EndpointId, Refusal, Timestamp,
    activation::{self, ActivationPolicy, ActivationView, ColdStart, PoolPhase, WakeNews},
    queue::{outlook::Outlook, ticket::Ticket},
    rate::SharedRate,
};

impl<R: SharedRate> PoolState<R> {
    /// What has to be done, or known, since the last event. To be asked after every event while
    /// [`stirs`](Self::stirs).
    pub fn take_news(&mut self) -> Option<WakeNews> {
        self.activation.take_news()
    }

    /// Whether [`take_news`](Self::take_news), [`turn_away`](Self::turn_away) or [`unprobed`](Self::unprobed) may have
    /// something.
    pub fn stirs(&self) -> bool {
        self.activation.has_news() || self.sweep.is_some() || self.endpoints.has_unprobed()
    }

    /// One who waits and whose time will be over before the pool serves, after an attempt to start it failed; its ticket
    /// has ended.
    pub fn turn_away(&mut self, policy: &PoolPolicy, now: Timestamp) -> Option<(Ticket, Refused)> {
        let mut place = self.sweep.take()?;
        // Another endpoint may serve by now: then nobody's wait is in vain.
        let activation = self.cold(policy)?;
        let ready_in = self.activation.ready_in(activation, now);
        while place < self.queue.places() {
            let hopeless = self.queue.ends_before(place, now + ready_in);
            place += 1;
            if let Some(ticket) = hopeless
                && self.queue.remove(ticket, now).is_some()
            {
                self.sweep = Some(place);
                self.totals.turned_away += 1;
                let refused = self.too_slow(policy, u64::from(place), now);
                return Some((ticket, refused));
            }
        }
        None
    }

    /// An endpoint that takes nothing before it has answered a probe, told once: to be probed until
    /// [`answered`](Self::answered), or until it is no longer [`is_starting`](Self::is_starting).
    pub fn unprobed(&mut self) -> Option<(EndpointId, SocketAddr)> {
        self.endpoints.next_unprobed()
    }

    /// Whether the endpoint still takes nothing because it has not answered.
    pub fn is_starting(&self, endpoint: EndpointId) -> bool {
        self.endpoints.is_starting(endpoint)
    }

    /// A starting endpoint answered a probe and serves from now on; false: there is none of this name.
    pub fn answered(&mut self, policy: &PoolPolicy, endpoint: EndpointId, now: Timestamp) -> bool {
        let cold = self.activation.starts_cold(now);
        let answered = self.endpoints.answered(endpoint, cold, now);
        self.follow_endpoints(policy, now);
        answered
    }

    /// A starting endpoint was probed for long enough to say that it does not serve now.
    pub fn note_unanswered(&mut self, endpoint: EndpointId) {
        self.endpoints.note_unanswered(endpoint);
    }

    /// The attempt of this number cannot be carried out; whether it was the one that stands.
    pub fn wake_failed(&mut self, policy: &PoolPolicy, attempt: u64, now: Timestamp) -> bool {
        let Some(activation) = &policy.activation else {
            return false;
        };
        let failed = self.activation.attempt_failed(activation, attempt, now);
        self.tell_waiting(failed);
        failed
    }

    /// An endpoint that was started while `attempt` was the last one ended, and nobody wanted it to; whether the attempt
    /// that stands has failed with it.
    pub fn endpoint_ended(&mut self, policy: &PoolPolicy, attempt: u64, now: Timestamp) -> bool {
        let Some(activation) = &policy.activation else {
            return false;
        };
        let failed = self.activation.endpoint_ended(activation, attempt, now);
        self.tell_waiting(failed);
        failed
    }

    /// Number of the last attempt to wake the pool; 0: there was none.
    pub fn attempt(&self) -> u64 {
        self.activation.attempt()
    }

    /// Takes over what was learnt of its cold starts.
    pub fn learn_cold_start(&mut self, cold_start: ColdStart) {
        self.activation.learn(cold_start);
    }

    /// Where it stands; none: nobody starts endpoints for it.
    pub fn activation(&self, policy: &PoolPolicy, now: Timestamp) -> Option<ActivationView> {
        let mut view = self.activation.view(policy.activation.as_ref()?, now);
        if view.phase == PoolPhase::Cold && self.in_flight() > 0 {
            view.phase = PoolPhase::Draining;
        }
        Some(view)
    }
}

impl<R: SharedRate> PoolState<R> {
    /// The policy by which it is woken, while no endpoint serves though somebody could start one.
    pub(super) fn cold<'p>(&self, policy: &'p PoolPolicy) -> Option<&'p ActivationPolicy> {
        let activation = policy.activation.as_ref()?;
        (self.endpoints.absent() && !self.endpoints.taken_out()).then_some(activation)
    }

    /// Seats that one who waits may reckon with, and when they will probably be there; none: there are no more to come.
    pub(super) fn seats_to_come(&self, policy: &PoolPolicy) -> Option<(u32, Duration)> {
        let activation = policy.activation.as_ref()?;
        let seats = policy
            .seats_max()
            .saturating_mul(activation.replicas_max.max(1));
        Some((seats, self.activation.next_in(activation)))
    }

    /// The list, a mode or what is known of an endpoint may have changed.
    pub(super) fn follow_endpoints(&mut self, policy: &PoolPolicy, now: Timestamp) {
        if policy.activation.is_none() {
            return self.activation.retire();
        }
        self.note_serving(now);
        self.want_if_waited_for(policy, now);
    }

    pub(super) fn note_serving(&mut self, now: Timestamp) {
        if self.endpoints.absent() {
            self.activation.sleeps();
        } else {
            self.activation.serves(now);
        }
    }

    /// Time has passed.
    pub(super) fn follow_time(&mut self, policy: &PoolPolicy, now: Timestamp) {
        if let Some(activation) = &policy.activation {
            let failed = self.activation.pass(activation, now);
            self.tell_waiting(failed);
            self.want_if_waited_for(policy, now);
        }
    }

    /// A request found the pool cold; `hindrance` and `outlook` are its own. Why it may not wait.
    pub(super) fn turned_away_cold(
        &mut self,
        policy: &PoolPolicy,
        draw: u64,
        outlook: &Outlook,
        now: Timestamp,
    ) -> Option<(Refusal, Option<Duration>)> {
        let activation = self.cold(policy)?;
        let failed = self.activation.pass(activation, now);
        self.tell_waiting(failed);
        self.activation.want(activation, now, draw);
        let ready_in = self.activation.ready_in(activation, now);
        let hold_max = self.activation.hold_max(activation, policy.queue.wait_max);
        let too_long = ready_in.saturating_add(outlook.seat) > hold_max;
        if policy.queue.waits() && !too_long {
            return None;
        }
        let refused = self.too_slow(policy, draw, now);
        Some((refused.refusal, refused.retry_after))
    }

    /// What is told to one who cannot wait until the pool serves: to come back when it does, and not in step.
    pub(super) fn too_slow(&mut self, policy: &PoolPolicy, draw: u64, now: Timestamp) -> Refused {
        let activation = policy.activation.as_ref();
        let ready_in = activation.map(|policy| self.activation.ready_in(policy, now));
        let spread = self.spread(policy, draw, now);
        Refused {
            refusal: activation::refusal(self.activation.phase()),
            retry_after: Some(ready_in.unwrap_or_default().saturating_add(spread)),
        }
    }

    /// Until an endpoint serves one who is held by `hindrance`, and how long it may wait for a seat.
    pub(super) fn patience(
        &self,
        policy: &PoolPolicy,
        hindrance: Hindrance,
        now: Timestamp,
    ) -> (Duration, Duration) {
        let wait_max = policy.queue.wait_max;
        match &policy.activation {
            Some(activation) if hindrance == Hindrance::Cold => (
                self.activation.ready_in(activation, now),
                self.activation.hold_max(activation, wait_max),
            ),
            _ => (Duration::ZERO, wait_max),
        }
    }

    pub(super) fn want_if_waited_for(&mut self, policy: &PoolPolicy, now: Timestamp) {
        if self.queue.is_empty() {
            return;
        }
        if let Some(activation) = self.cold(policy) {
            self.activation.want(activation, now, 0);
        }
    }

    fn tell_waiting(&mut self, failed: bool) {
        if failed && !self.queue.is_empty() {
            self.sweep = Some(0);
        }
    }
}
