//! The states of a pool that is woken, and what leads from one to the other.

use std::time::Duration;

use super::{
    ActivationPolicy, ActivationView, ColdStart, PoolPhase, WARM_WITHIN, WakeFailure, WakeNews,
};
use crate::{
    Timestamp,
    balance::Draws,
    window::{Counts, Window},
};

/// A pause is spread by a quarter to both sides: a thousand pools that failed together must not come back together.
const PAUSE_LEAST_PERCENT: u32 = 75;
const PAUSE_SPREAD_PERCENT: usize = 51;
/// An attempt that follows a pause so soon goes on with what timed out before.
const CONTINUED_WITHIN: Duration = Duration::from_secs(1);
/// Doublings after which a pause is at its bound whatever the policy says.
const DOUBLINGS_MAX: u32 = 30;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Asleep,
    Waking {
        since: Timestamp,
    },
    Serving,
    Failed {
        until: Timestamp,
        why: WakeFailure,
    },
}

/// State of one pool. Knows no endpoints and no queue: the pool says whether one serves, and whether somebody waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activation {
    phase: Phase,
    /// Number of the last attempt.
    attempt: u64,
    /// Failed ones since an endpoint last served.
    failures: u32,
    /// When the start that is under way was first asked for: an attempt whose time was over may still be on its way.
    asked: Option<Timestamp>,
    /// End of the last pause.
    paused_until: Timestamp,
    /// A pause because starts keep failing is over: one attempt shows whether they still do.
    trial: bool,
    wakes: u64,
    failed_starts: u64,
    failing: Window,
    learnt: Option<ColdStart>,
    news: Option<WakeNews>,
    draw: u64,
}

impl Activation {
    /// Somebody wants the pool, and no endpoint serves. `draw` is any evenly distributed number.
    pub(crate) fn want(&mut self, policy: &ActivationPolicy, now: Timestamp, draw: u64) {
        self.draw ^= draw;
        self.pass(policy, now);
        if self.phase != Phase::Asleep {
            return;
        }
        if !std::mem::take(&mut self.trial) && self.is_failing(policy, now) {
            return self.fail(policy, WakeFailure::Crashing, now);
        }
        self.attempt += 1;
        // After a time in which nobody asked it is another start.
        let asked = self
            .asked
            .filter(|_| now - self.paused_until <= CONTINUED_WITHIN);
        self.asked = asked.or(Some(now));
        self.wakes += u64::from(self.failures == 0);
        self.phase = Phase::Waking { since: now };
        self.news = Some(WakeNews::Wake {
            attempt: self.attempt,
        });
    }

    /// At least one endpoint serves.
    pub(crate) fn serves(&mut self, now: Timestamp) {
        if self.phase == Phase::Serving {
            return;
        }
        self.phase = Phase::Serving;
        self.failures = 0;
        self.news = self
            .asked
            .take()
            .map(|asked| WakeNews::Awake { took: now - asked });
    }

    /// No endpoint serves any more.
    pub(crate) fn sleeps(&mut self) {
        if self.phase == Phase::Serving {
            self.phase = Phase::Asleep;
        }
    }

    /// Nobody can start it any more. What is said of the attempt that stood changes nothing.
    pub(crate) fn retire(&mut self) {
        self.phase = Phase::Asleep;
        self.asked = None;
        self.news = None;
    }

    /// An attempt could not be carried out; whether it is the one that stands.
    pub(crate) fn attempt_failed(
        &mut self,
        policy: &ActivationPolicy,
        attempt: u64,
        now: Timestamp,
    ) -> bool {
        let stands = matches!(self.phase, Phase::Waking { .. }) && attempt == self.attempt;
        if stands {
            self.count_failed(policy, now);
            self.asked = None;
            self.fail(policy, WakeFailure::StartFailed, now);
        }
        stands
    }

    /// An endpoint that was started when `attempt` was the last one ended though nobody wanted it to; whether the attempt
    /// that stands has failed with it.
    pub(crate) fn endpoint_ended(
        &mut self,
        policy: &ActivationPolicy,
        attempt: u64,
        now: Timestamp,
    ) -> bool {
        let failed = self.attempt_failed(policy, attempt, now);
        if !failed {
            self.count_failed(policy, now);
        }
        failed
    }

    /// Time has passed; whether an attempt has failed with it.
    pub(crate) fn pass(&mut self, policy: &ActivationPolicy, now: Timestamp) -> bool {
        match self.phase {
            Phase::Waking { since } if now >= since + self.cold_start(policy).attempt_max() => {
                self.fail(policy, WakeFailure::TimedOut, now);
                true
            }
            Phase::Failed { until, why } if now >= until => {
                self.phase = Phase::Asleep;
                self.paused_until = until;
                self.trial = why == WakeFailure::Crashing;
                false
            }
            _ => false,
        }
    }

    /// When [`pass`](Self::pass) has something to do.
    pub(crate) fn due(&self, policy: &ActivationPolicy) -> Option<Timestamp> {
        match self.phase {
            Phase::Waking { since } => Some(since + self.cold_start(policy).attempt_max()),
            Phase::Failed { until, .. } => Some(until),
            Phase::Asleep | Phase::Serving => None,
        }
    }

    /// Until an endpoint will probably serve.
    pub(crate) fn ready_in(&self, policy: &ActivationPolicy, now: Timestamp) -> Duration {
        let cold_start = self.cold_start(policy);
        match self.phase {
            Phase::Serving => Duration::ZERO,
            Phase::Asleep => cold_start.p90,
            Phase::Waking { since } => cold_start.rest(now - self.asked.unwrap_or(since)),
            Phase::Failed { until, .. } => (until - now).saturating_add(cold_start.p90),
        }
    }

    /// Whether an endpoint that serves now was started by a wake, and so is cold.
    pub(crate) fn starts_cold(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| now - asked > WARM_WITHIN)
    }

    /// Until one more endpoint serves, if it is started now.
    pub(crate) fn next_in(&self, policy: &ActivationPolicy) -> Duration {
        self.cold_start(policy).p90
    }

    /// How long one who finds the pool asleep may wait.
    pub(crate) fn hold_max(&self, policy: &ActivationPolicy, wait_max: Duration) -> Duration {
        self.cold_start(policy).hold_max(wait_max)
    }

    /// Takes over what was learnt of the pool's cold starts.
    pub(crate) fn learn(&mut self, cold_start: ColdStart) {
        self.learnt = Some(cold_start);
    }

    /// What happened since it was last asked.
    pub(crate) fn take_news(&mut self) -> Option<WakeNews> {
        self.news.take()
    }

    pub(crate) fn has_news(&self) -> bool {
        self.news.is_some()
    }

    /// Number of the last attempt; 0: there was none.
    pub(crate) fn attempt(&self) -> u64 {
        self.attempt
    }

    pub(crate) fn phase(&self) -> PoolPhase {
        let attempt = self.attempt;
        match self.phase {
            Phase::Asleep => PoolPhase::Cold,
            Phase::Waking { since } => PoolPhase::Waking { attempt, since },
            Phase::Serving => PoolPhase::Ready,
            Phase::Failed { until, why } => PoolPhase::Failed {
                attempt,
                until,
                why,
            },
        }
    }

    pub(crate) fn view(&self, policy: &ActivationPolicy, now: Timestamp) -> ActivationView {
        ActivationView {
            phase: self.phase(),
            wakes: self.wakes,
            failed_starts: self.failed_starts,
            failing: self.clone().is_failing(policy, now),
            ready_in: self.ready_in(policy, now),
        }
    }
}

impl Activation {
    fn cold_start(&self, policy: &ActivationPolicy) -> ColdStart {
        let prior = ColdStart::constant(policy.cold_start);
        self.learnt.unwrap_or(prior)
    }

    fn fail(&mut self, policy: &ActivationPolicy, why: WakeFailure, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let crashing = self.is_failing(policy, now);
        let why = if crashing { WakeFailure::Crashing } else { why };
        let doublings = (self.failures - 1).min(DOUBLINGS_MAX);
        let doubled = policy.pause_min.saturating_mul(1 << doublings);
        let pause = if crashing {
            policy.pause_max
        } else {
            doubled.min(policy.pause_max)
        };
        let mut draws = Draws::new(self.draw.wrapping_add(self.attempt));
        let percent = u32::try_from(draws.below(PAUSE_SPREAD_PERCENT)).unwrap_or(0);
        let until = now + pause / 100 * (PAUSE_LEAST_PERCENT + percent);
        self.phase = Phase::Failed { until, why };
        self.news = Some(WakeNews::Failed {
            attempt: self.attempt,
            why,
            until,
        });
    }

    fn count_failed(&mut self, policy: &ActivationPolicy, now: Timestamp) {
        self.failed_starts += 1;
        let one = Counts {
            events: 1,
            marked: 0,
        };
        self.failing.add(policy.failing_window, now, one);
    }

    fn is_failing(&mut self, policy: &ActivationPolicy, now: Timestamp) -> bool {
        let failed = self.failing.sum(policy.failing_window, now).events;
        failed >= policy.failed_starts_max.max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000)
    }

    fn policy() -> ActivationPolicy {
        ActivationPolicy {
            cold_start: 5 * SECOND,
            ..ActivationPolicy::default()
        }
    }

    /// Asked at zero.
    fn woken() -> Activation {
        let mut pool = Activation::default();
        pool.want(&policy(), at(0), 7);
        assert_eq!(pool.take_news(), Some(WakeNews::Wake { attempt: 1 }));
        pool
    }

    fn pause(pool: &mut Activation, now: Timestamp) -> (WakeFailure, Duration) {
        match pool.take_news() {
            Some(WakeNews::Failed { why, until, .. }) => (why, until - now),
            news => panic!("{news:?} is no failure"),
        }
    }

    #[test]
    fn a_late_failure_of_an_abandoned_attempt_does_not_fail_the_next_one() {
        let mut pool = woken();
        assert!(pool.pass(&policy(), at(15_000)), "three cold starts");
        pool.want(&policy(), at(30_000), 0);
        assert_eq!(pool.take_news(), Some(WakeNews::Wake { attempt: 2 }));
        assert!(!pool.attempt_failed(&policy(), 1, at(30_001)));
        let since = at(30_000);
        assert_eq!(pool.phase(), PoolPhase::Waking { attempt: 2, since });
        assert_eq!(pool.failed_starts, 0);
    }

    #[test]
    fn an_endpoint_that_serves_ends_every_attempt_and_every_pause() {
        let mut pool = woken();
        pool.attempt_failed(&policy(), 1, at(10));
        pool.serves(at(20));
        assert_eq!(pool.phase(), PoolPhase::Ready);
        assert_eq!(pool.due(&policy()), None);
    }

    #[test]
    fn what_a_cold_start_took_counts_from_the_first_attempt_if_the_others_only_timed_out() {
        let mut pool = woken();
        pool.pass(&policy(), at(15_000));
        let again = pool.due(&policy()).unwrap();
        pool.want(&policy(), again, 0);
        pool.serves(at(40_000));
        let took = 40 * SECOND;
        assert_eq!(pool.take_news(), Some(WakeNews::Awake { took }));
        assert_eq!(pool.wakes, 1);
    }

    #[test]
    fn after_a_time_in_which_nobody_asked_it_is_another_start() {
        let mut pool = woken();
        pool.pass(&policy(), at(15_000));
        pool.want(&policy(), at(900_000), 0);
        pool.serves(at(905_000));
        assert_eq!(pool.take_news(), Some(WakeNews::Awake { took: 5 * SECOND }));
    }

    #[test]
    fn what_a_cold_start_took_does_not_count_attempts_that_failed() {
        let mut pool = woken();
        pool.attempt_failed(&policy(), 1, at(100));
        pool.want(&policy(), at(2_000), 0);
        pool.serves(at(5_000));
        assert_eq!(pool.take_news(), Some(WakeNews::Awake { took: 3 * SECOND }));
    }

    #[test]
    fn pauses_double_up_to_their_bound_and_are_spread_by_a_quarter() {
        let mut pool = Activation::default();
        let lenient = ActivationPolicy {
            failed_starts_max: u32::MAX,
            ..policy()
        };
        let mut now = at(0);
        for expected in [1_u32, 2, 4, 8, 16, 32, 60, 60] {
            pool.want(&lenient, now, 99);
            pool.attempt_failed(&lenient, pool.attempt(), now);
            let (why, paused) = pause(&mut pool, now);
            assert_eq!(why, WakeFailure::StartFailed);
            let expected = SECOND * expected;
            assert!(
                (expected * 3 / 4..=expected * 5 / 4).contains(&paused),
                "{paused:?}"
            );
            now = now + paused;
        }
    }

    #[test]
    fn starts_that_keep_failing_are_tried_once_a_minute_and_no_more() {
        let mut pool = woken();
        (0..3).for_each(|_| pool.count_failed(&policy(), at(1_000)));
        pool.attempt_failed(&policy(), 1, at(1_000));
        let (why, paused) = pause(&mut pool, at(1_000));
        assert_eq!(why, WakeFailure::Crashing);
        assert!(paused >= 45 * SECOND);
        pool.want(&policy(), at(1_000) + paused / 2, 3);
        assert!(!pool.has_news());
        pool.want(&policy(), at(1_000) + paused, 3);
        assert_eq!(pool.take_news(), Some(WakeNews::Wake { attempt: 2 }));
        pool.attempt_failed(&policy(), 2, at(62_000));
        assert!(
            pause(&mut pool, at(62_000)).1 < paused,
            "two in a minute are not yet a loop"
        );
    }

    #[test]
    fn crashes_of_a_pool_that_serves_now_and_then_are_counted_too() {
        let mut pool = woken();
        for round in 0..3 {
            pool.serves(at(round * 1_000 + 300));
            pool.endpoint_ended(&policy(), 1, at(round * 1_000 + 500));
            pool.sleeps();
        }
        pool.take_news();
        pool.want(&policy(), at(3_000), 0);
        assert_eq!(pause(&mut pool, at(3_000)).0, WakeFailure::Crashing);
    }

    #[test]
    fn what_is_learnt_shortens_the_expected_wait_and_the_patience() {
        let mut pool = woken();
        assert_eq!(pool.ready_in(&policy(), at(1_000)), 4 * SECOND);
        pool.learn(ColdStart::constant(SECOND));
        assert_eq!(pool.ready_in(&policy(), at(500)), SECOND / 2);
        assert_eq!(pool.due(&policy()), Some(at(10_000)));
    }

    proptest! {
        #[test]
        fn however_many_ask_there_is_one_wake_per_attempt(gaps_ms in vec(0..90_u64, 1..100)) {
            let (mut pool, mut now) = (Activation::default(), 0);
            let mut wakes = 0;
            for gap in gaps_ms {
                now += gap;
                pool.want(&policy(), at(now), gap);
                wakes += u32::from(pool.take_news().is_some());
            }
            prop_assert_eq!(wakes, 1);
        }

        #[test]
        fn there_is_never_more_than_one_attempt_per_pause(steps in vec((0..5_000_u64, 0..4_u8), 1..200)) {
            let (mut pool, mut now) = (Activation::default(), 0);
            let mut earliest = at(0);
            for (gap, what) in steps {
                now += gap;
                match what {
                    0 => drop(pool.attempt_failed(&policy(), pool.attempt(), at(now))),
                    1 => drop(pool.pass(&policy(), at(now))),
                    2 => pool.sleeps(),
                    _ => pool.want(&policy(), at(now), gap),
                }
                match pool.take_news() {
                    Some(WakeNews::Wake { .. }) => {
                        prop_assert!(at(now) >= earliest);
                        earliest = at(now) + 10 * SECOND; // unless it fails
                    }
                    Some(WakeNews::Failed { until, .. }) => earliest = until,
                    _ => {}
                }
            }
        }
    }
}
