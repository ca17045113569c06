//! The plan as a table for people and programs, with everything that speaks against it.

use std::{fmt, time::Duration};

use super::{Capacity, Launch, Schedule, VERIFIED_BEFORE, WallTime, due, rate_at, rounded};

/// What happens at a moment of the timetable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Replicas are ordered.
    PreWarm,
    /// Readiness is verified; the alarm goes off when replicas are missing.
    Verify,
    /// This launch begins.
    Begin(String),
    /// The expectation bends.
    Change,
    /// This launch ends.
    End(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PreWarm => write!(f, "pre-warm"),
            Self::Verify => write!(f, "verify"),
            Self::Begin(launch) => write!(f, "{launch} begins"),
            Self::Change => write!(f, "change"),
            Self::End(launch) => write!(f, "{launch} ends"),
        }
    }
}

/// One moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// When.
    pub at: WallTime,
    /// What.
    pub event: Event,
    /// Arrivals per second that are expected from then on.
    pub arrivals_per_second: f64,
    /// Replicas that are to be ordered by then.
    pub replicas: u32,
}

/// Why a plan cannot hold, or may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanProblem {
    /// More replicas are needed than the pool may have.
    MaxTooSmall {
        /// Needed at the peak.
        needed: u32,
        /// Allowed.
        max: u32,
    },
    /// Neither learnt nor given, so nobody knows when to order.
    ColdStartUnknown,
    /// The launch has begun, or is over.
    BeginsInThePast {
        /// Which.
        launch: String,
    },
    /// The replicas can no longer be ready for the verification.
    TooLate {
        /// Which.
        launch: String,
        /// Seconds since the order would have been due.
        by_seconds: u64,
    },
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxTooSmall { needed, max } => {
                write!(
                    f,
                    "{needed} replicas are needed at the peak, {max} are allowed"
                )
            }
            Self::ColdStartUnknown => {
                write!(
                    f,
                    "the cold start is neither learnt nor given: set cold_start"
                )
            }
            Self::BeginsInThePast { launch } => write!(f, "{launch} begins in the past"),
            Self::TooLate { launch, by_seconds } => write!(
                f,
                "{launch} begins too soon: its replicas were due to be ordered {by_seconds} s ago"
            ),
        }
    }
}

/// The plan of one pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Timetable {
    /// In order of time.
    pub rows: Vec<Row>,
    /// The most replicas that are needed, whatever the maximum says.
    pub peak_replicas: u32,
    /// Everything that speaks against it; empty: it holds.
    pub problems: Vec<PlanProblem>,
}

/// Lays out the launches of one pool as of `now`.
pub fn timetable(launches: &[Launch], capacity: &Capacity, now: WallTime) -> Timetable {
    let schedule = Schedule::new(launches, capacity);
    let windows = schedule.windows();
    let mut moments: Vec<(WallTime, Event)> = windows
        .iter()
        .flat_map(|window| &window.orders)
        .map(|&(ordered, _)| (ordered, Event::PreWarm))
        .chain(launches.iter().flat_map(moments))
        .collect();
    moments.sort();
    moments.dedup();
    let rows = moments
        .into_iter()
        .map(|(at, event)| Row {
            arrivals_per_second: rounded(rate_at(launches, at)),
            replicas: schedule.need(at).replicas,
            at,
            event,
        })
        .collect();
    let peak_replicas = windows
        .iter()
        .map(|window| window.replicas(launches, capacity, window.closes))
        .max()
        .unwrap_or(0);
    Timetable {
        rows,
        peak_replicas,
        problems: problems(launches, capacity, peak_replicas, now),
    }
}

/// A launch's own moments.
fn moments(launch: &Launch) -> Vec<(WallTime, Event)> {
    let mut moments = vec![
        (launch.at.earlier(VERIFIED_BEFORE), Event::Verify),
        (launch.at, Event::Begin(launch.name.clone())),
        (launch.end(), Event::End(launch.name.clone())),
    ];
    let bends = launch.bends().map(|bend| (bend, Event::Change));
    moments.extend(bends.filter(|(bend, _)| launch.at < *bend && *bend < launch.end()));
    moments
}

fn problems(
    launches: &[Launch],
    capacity: &Capacity,
    needed: u32,
    now: WallTime,
) -> Vec<PlanProblem> {
    let mut problems = Vec::new();
    if needed > capacity.max {
        let max = capacity.max;
        problems.push(PlanProblem::MaxTooSmall { needed, max });
    }
    if capacity.cold_start_p99.is_none() && !launches.is_empty() {
        problems.push(PlanProblem::ColdStartUnknown);
    }
    for launch in launches {
        let ordered = due(
            launches,
            capacity,
            launch,
            (VERIFIED_BEFORE, Duration::ZERO),
        );
        if launch.at <= now {
            let launch = launch.name.clone();
            problems.push(PlanProblem::BeginsInThePast { launch });
        } else if ordered < now {
            problems.push(PlanProblem::TooLate {
                launch: launch.name.clone(),
                by_seconds: now.since(ordered).as_secs(),
            });
        }
    }
    problems
}
