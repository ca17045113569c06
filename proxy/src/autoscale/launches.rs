//! The launches of one pool from look to look: what they ask for now, and whether they will hold.
//!
//! The plan is the core's. What it is reckoned from is learnt on the way and may come out lower a moment later; so the
//! most that a window has asked for stands until its end. Only changes are events: an alarm that repeats itself four
//! times a second hides what it says.

use std::{collections::BTreeMap, time::Duration};

use schleuse_config::PoolPlan;
use schleuse_core::scale::{
    learnt::Learnt,
    plan::{Capacity, Launch, Need, Ratchet, Schedule, Verification, WallTime, verify},
    policy::ScalePolicy,
    reason::Reason,
};

use crate::{
    alarm::{Alarm, State},
    log::{self, Level},
};

/// What is learnt meanwhile moves the plan once in so long: with each request it is a little different, and a table of a
/// thousand rows takes milliseconds to lay out. Less than the margin of any launch.
const LAID_OUT_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What the launches of a pool ask for, as operators see it.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchStatus {
    /// What it is reckoned from.
    pub capacity: Capacity,
    /// There are learnt values of the pool.
    pub learnt: bool,
    /// What is to be ordered now.
    pub need: Need,
    /// The launches that begin within a minute, or have begun.
    pub verified: Vec<Verification>,
}

/// What a plan is reckoned from, apart from what is learnt on the way and from the maximum, which bounds it anew each
/// time.
#[derive(Debug, PartialEq)]
struct Basis {
    launches: Vec<Launch>,
    capacity: Capacity,
}

impl Basis {
    fn of(plan: &PoolPlan, policy: &ScalePolicy) -> Self {
        Self {
            launches: plan.launches.clone(),
            capacity: Capacity {
                max: 0,
                ..plan.capacity(policy, &Learnt::default())
            },
        }
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Launches {
    /// The most that this window has asked for.
    asked: Ratchet,
    /// On this basis; none: nothing was asked yet.
    basis: Option<Basis>,
    /// The config is another one, and the basis may be.
    is_config_new: bool,
    /// The plan, and since when it is laid out like this.
    laid_out: Option<(Schedule, WallTime)>,
    /// Of each launch that is verified: how it stood at the last look.
    judged: BTreeMap<String, Alarm>,
}

impl Launches {
    /// Looks at the plan at `now`, with so many replicas that serve.
    pub(super) fn look(
        &mut self,
        plan: &PoolPlan,
        policy: &ScalePolicy,
        learnt: &Learnt,
        ready: u32,
        now: WallTime,
    ) -> LaunchStatus {
        let mut laid_out = self.laid_out.take();
        if std::mem::take(&mut self.is_config_new) || self.basis.is_none() {
            let before = laid_out.take();
            self.rest_on(
                Basis::of(plan, policy),
                before.map(|(schedule, _)| schedule).as_ref(),
                now,
            );
        }
        let wanted = plan.capacity(policy, learnt);
        let stands = laid_out.filter(|(schedule, since)| {
            let is_fresh = *since <= now && now.since(*since) < LAID_OUT_AGAIN_AFTER;
            is_fresh || *schedule.capacity() == wanted
        });
        let (schedule, since) =
            stands.unwrap_or_else(|| (Schedule::new(&plan.launches, &wanted), now));
        let capacity = *schedule.capacity();
        let asked = schedule.need(now);
        self.laid_out = Some((schedule, since));
        LaunchStatus {
            learnt: *learnt != Learnt::default(),
            need: self.asked.hold(asked, policy.max),
            verified: verify(&plan.launches, &capacity, ready, now),
            capacity,
        }
    }

    /// Another config is in force. Only if what it says of the launches that are on is different, what they have asked for
    /// so far does not bind it: a reload in the window, of a certificate or of a launch next week, must let nothing go.
    pub(super) fn note_config(&mut self) {
        self.is_config_new = true;
    }

    fn rest_on(&mut self, basis: Basis, before: Option<&Schedule>, now: WallTime) {
        let is_same = |schedule: &Schedule| {
            let mut open = schedule.open(now);
            let known = self.basis.as_ref().map(|known| &known.capacity);
            known == Some(&basis.capacity) && open.all(|launch| basis.launches.contains(launch))
        };
        if !before.is_some_and(is_same) {
            self.asked = Ratchet::default();
        }
        self.basis = Some(basis);
    }

    /// Whether a launch is on, or was at the last look.
    pub(super) fn is_judging(&self) -> bool {
        !self.judged.is_empty()
    }

    /// What changed since the last look, an event each: how the launches of `plan` stand that are verified, after a
    /// decision with these reasons. Those that are not verified any more and were short are over.
    pub(super) fn judge(
        &mut self,
        pool: &str,
        plan: Option<&PoolPlan>,
        verified: &[Verification],
        reasons: &[Reason],
    ) -> Vec<Alarm> {
        let is_verified = |launch: &String| verified.iter().any(|found| found.launch == *launch);
        let ended = self.judged.extract_if(.., |launch, _| !is_verified(launch));
        let short = ended.filter(|(_, alarm)| alarm.state == State::Short);
        let mut changed: Vec<_> = short
            .map(|(_, alarm)| Alarm {
                state: State::Over,
                ..alarm
            })
            .collect();
        for found in verified {
            let Some(alarm) = plan.and_then(|plan| alarm(pool, plan, found, reasons)) else {
                continue;
            };
            let before = self.judged.insert(found.launch.clone(), alarm.clone());
            if before.is_none_or(|before| before.state != alarm.state) {
                changed.push(alarm);
            }
        }
        changed.iter().for_each(note);
        changed
    }
}

fn alarm(pool: &str, plan: &PoolPlan, found: &Verification, reasons: &[Reason]) -> Option<Alarm> {
    let mut launches = plan.launches.iter().zip(&plan.services);
    let (launch, service) = launches.find(|(launch, _)| launch.name == found.launch)?;
    Some(Alarm {
        state: match found.short_by() {
            0 => State::Ready,
            _ => State::Short,
        },
        launch: found.launch.clone(),
        service: service.clone(),
        pool: pool.to_owned(),
        at: launch.at,
        needed: found.needed,
        ready: found.ready,
        max: found.max,
        reasons: reasons.iter().map(Reason::label).collect(),
    })
}

fn note(alarm: &Alarm) {
    let (needed, ready) = (alarm.needed.to_string(), alarm.ready.to_string());
    let fields = [
        ("launch", &*alarm.launch),
        ("pool", &*alarm.pool),
        ("needed", &*needed),
        ("ready", &*ready),
    ];
    let level = match alarm.state {
        State::Short => Level::Error,
        State::Ready | State::Over => Level::Info,
    };
    log::event(level, alarm.state.label(), &fields);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schleuse_core::{
        PoolIndex,
        scale::{demand::Counters, plan::Profile},
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: i64) -> WallTime {
        WallTime::from_unix_millis(3_600_000 + second * 1_000)
    }

    /// 900 a second for an hour from second 0 on: ten replicas of ten seats of 100 ms.
    fn plan() -> PoolPlan {
        PoolPlan {
            pool: PoolIndex(0),
            launches: vec![Launch {
                name: "grant".to_owned(),
                at: at(0),
                arrivals: Profile::Constant(900.0),
                wait_p99: SECOND,
                duration: SECOND * 3_600,
            }],
            services: vec!["wohngeld".to_owned()],
            seat_time: None,
            cold_start: Some(SECOND * 8),
            cold_start_prior: None,
            replicas_per_second: 5.0,
            margin: SECOND * 120,
        }
    }

    fn policy() -> ScalePolicy {
        ScalePolicy {
            seats_per_replica: 10,
            ..ScalePolicy::default()
        }
    }

    fn needs(launches: &mut Launches, learnt: &Learnt, second: i64) -> Need {
        launches
            .look(&plan(), &policy(), learnt, 0, at(second))
            .need
    }

    /// Requests turn out to hold their seats for a fifth of what is planned with.
    fn faster() -> Learnt {
        let counted = Counters {
            arrivals: 10_000,
            completions: 10_000,
            seat_micros: 10_000 * 20_000,
        };
        let mut learnt = Learnt::default();
        learnt.count(counted, SECOND, true);
        learnt
    }

    #[test]
    fn the_plan_asks_from_the_pre_warm_to_the_end() {
        let mut launches = Launches::default();
        let learnt = Learnt::default();
        let asked =
            [-131, -130, 3_599, 3_600].map(|second| needs(&mut launches, &learnt, second).replicas);
        assert_eq!(asked, [0, 10, 10, 0]);
    }

    #[test]
    fn what_turns_out_faster_than_planned_lets_nothing_go_before_the_end() {
        let mut launches = Launches::default();
        assert_eq!(needs(&mut launches, &Learnt::default(), -60).replicas, 10);
        let faster = faster();
        let fresh = needs(&mut Launches::default(), &faster, 60).replicas;
        assert!(fresh < 10, "{fresh} would be enough");
        assert_eq!(needs(&mut launches, &faster, 60).replicas, 10);
        assert_eq!(needs(&mut launches, &faster, 3_600).replicas, 0);
    }

    #[test]
    fn a_reload_in_the_window_lets_nothing_go_unless_the_plan_is_another_one() {
        let faster = faster();
        let mut launches = Launches::default();
        assert_eq!(needs(&mut launches, &Learnt::default(), -60).replicas, 10);
        launches.note_config();
        assert_eq!(needs(&mut launches, &faster, 60).replicas, 10);
        let mut with_another = plan();
        with_another.launches.push(Launch {
            name: "relief".to_owned(),
            at: at(7 * 86_400),
            ..plan().launches.remove(0)
        });
        with_another.services.push("wohngeld".to_owned());
        launches.note_config();
        let status = launches.look(&with_another, &policy(), &faster, 0, at(60));
        assert_eq!(status.need.replicas, 10);
        let mut smaller = plan();
        smaller.launches[0].arrivals = Profile::Constant(400.0);
        launches.note_config();
        let status = launches.look(&smaller, &policy(), &faster, 0, at(61));
        assert!(status.need.replicas < 5, "{}", status.need.replicas);
    }

    #[test]
    fn what_is_learnt_moves_the_plan_within_ten_seconds_and_not_at_each_look() {
        let mut slower = Learnt::default();
        let counted = Counters {
            arrivals: 10_000,
            completions: 10_000,
            seat_micros: 10_000 * 200_000,
        };
        slower.count(counted, SECOND, true);
        let mut launches = Launches::default();
        assert_eq!(needs(&mut launches, &Learnt::default(), -60).replicas, 10);
        assert_eq!(needs(&mut launches, &slower, -51).replicas, 10);
        let moved = needs(&mut launches, &slower, -50).replicas;
        assert!(moved > 15, "{moved}");
    }

    #[test]
    fn a_launch_is_verified_from_a_minute_before_it_to_its_end() {
        let mut launches = Launches::default();
        let learnt = Learnt::default();
        let mut short = |ready, second| {
            let status = launches.look(&plan(), &policy(), &learnt, ready, at(second));
            status.verified.first().map(Verification::short_by)
        };
        assert_eq!(short(0, -61), None);
        assert_eq!(short(4, -60), Some(6));
        assert_eq!(short(10, -1), Some(0));
        assert_eq!(short(9, 1_800), Some(1));
        assert_eq!(short(0, 3_600), None);
    }

    /// How the launch is judged with so many replicas that serve, at that second.
    fn judged(launches: &mut Launches, ready: u32, second: i64) -> Vec<State> {
        let learnt = Learnt::default();
        let status = launches.look(&plan(), &policy(), &learnt, ready, at(second));
        let reasons = [Reason::Plan { replicas: 10 }];
        let alarms = launches.judge("pool", Some(&plan()), &status.verified, &reasons);
        for alarm in &alarms {
            assert_eq!((&*alarm.launch, &*alarm.service), ("grant", "wohngeld"));
            assert_eq!((alarm.needed, alarm.at), (10, at(0)));
            assert_eq!(alarm.reasons, ["plan"]);
        }
        alarms.into_iter().map(|alarm| alarm.state).collect()
    }

    #[test]
    fn a_launch_is_judged_when_that_changes() {
        let mut launches = Launches::default();
        let mut at = |ready, second| judged(&mut launches, ready, second);
        assert_eq!(at(4, -61), []);
        assert_eq!(at(4, -60), [State::Short]);
        assert_eq!(at(6, -59), []);
        assert_eq!(at(10, -50), [State::Ready]);
        assert_eq!(at(9, 5), [State::Short]);
        assert_eq!(at(9, 3_600), [State::Over]);
        assert_eq!(at(9, 3_601), []);
    }

    #[test]
    fn a_launch_that_is_withdrawn_while_it_is_short_is_over() {
        let mut launches = Launches::default();
        assert_eq!(judged(&mut launches, 4, -60), [State::Short]);
        launches.note_config();
        assert_eq!(judged(&mut launches, 4, -59), []);
        let alarms = launches.judge("pool", None, &[], &[]);
        assert_eq!(alarms.len(), 1);
        assert_eq!(alarms[0].state, State::Over);
    }
}
