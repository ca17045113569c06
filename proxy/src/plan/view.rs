//! The plan of one pool as a value, the same for the command and the admin API.

use schleuse_config::{PoolPlan, spell_moment};
use schleuse_core::scale::plan::{
    Capacity, Event, Launch, PlanProblem, Row, Timetable, WallTime, peak_between, timetable,
};
use serde::Serialize;

/// The launches of one pool, reckoned as of a moment. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanView {
    pub(super) pool: String,
    /// Nothing speaks against it.
    pub(super) holds: bool,
    /// The most replicas that are needed, whatever the maximum says.
    pub(super) replicas: u32,
    pub(super) launches: Vec<LaunchView>,
    pub(super) capacity: CapacityView,
    pub(super) problems: Vec<ProblemView>,
    pub(super) timetable: Vec<RowView>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct LaunchView {
    pub(super) name: String,
    service: String,
    at: String,
    ends: String,
    /// At its peak, without launches beside it.
    arrivals_per_second: f64,
    wait_p99_ms: u64,
}

/// What the plan is reckoned from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CapacityView {
    pub(super) max: u32,
    pub(super) seats_per_replica: u32,
    pub(super) service_time_ms: f64,
    /// None: neither learnt nor given.
    pub(super) cold_start_ms: Option<f64>,
    pub(super) replicas_per_second: f64,
    pub(super) margin_ms: u64,
    /// There are learnt values of the pool; what a launch gives wins over them.
    pub(super) learnt: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ProblemView {
    problem: &'static str,
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RowView {
    pub(super) at: String,
    event: &'static str,
    /// Which one begins or ends.
    launch: Option<String>,
    pub(super) arrivals_per_second: f64,
    /// To have been ordered by then, within the maximum.
    pub(super) replicas: u32,
    #[serde(skip)]
    pub(super) text: String,
}

impl PlanView {
    /// Of a pool that can do `capacity`; `learnt`: in which are values that were learnt.
    pub fn new(
        pool: &str,
        plan: &PoolPlan,
        capacity: &Capacity,
        learnt: bool,
        now: WallTime,
    ) -> Self {
        let Timetable {
            rows,
            peak_replicas,
            problems,
        } = timetable(&plan.launches, capacity, now);
        let launches = plan.launches.iter().zip(&plan.services);
        Self {
            pool: pool.to_owned(),
            holds: problems.is_empty(),
            replicas: peak_replicas,
            launches: launches.map(LaunchView::of).collect(),
            capacity: CapacityView {
                max: capacity.max,
                seats_per_replica: capacity.seats_per_replica,
                service_time_ms: capacity.seat_time.as_secs_f64() * 1_000.0,
                cold_start_ms: capacity
                    .cold_start_p99
                    .map(|time| time.as_secs_f64() * 1_000.0),
                replicas_per_second: capacity.replicas_per_second,
                margin_ms: millis(capacity.margin),
                learnt,
            },
            problems: problems.iter().map(ProblemView::of).collect(),
            timetable: rows.iter().map(RowView::of).collect(),
        }
    }
}

impl LaunchView {
    fn of((launch, service): (&Launch, &String)) -> Self {
        let alone = std::slice::from_ref(launch);
        Self {
            name: launch.name.clone(),
            service: service.clone(),
            at: spell_moment(launch.at),
            ends: spell_moment(launch.end()),
            arrivals_per_second: peak_between(alone, launch.at, launch.end()),
            wait_p99_ms: millis(launch.wait_p99),
        }
    }
}

impl ProblemView {
    fn of(problem: &PlanProblem) -> Self {
        Self {
            problem: match problem {
                PlanProblem::MaxTooSmall { .. } => "max_too_small",
                PlanProblem::ColdStartUnknown => "cold_start_unknown",
                PlanProblem::BeginsInThePast { .. } => "begins_in_the_past",
                PlanProblem::TooLate { .. } => "too_late",
            },
            text: problem.to_string(),
        }
    }
}

impl RowView {
    fn of(row: &Row) -> Self {
        let (event, launch) = match &row.event {
            Event::PreWarm => ("pre_warm", None),
            Event::Verify => ("verify", None),
            Event::Begin(launch) => ("begin", Some(launch.clone())),
            Event::Change => ("change", None),
            Event::End(launch) => ("end", Some(launch.clone())),
        };
        Self {
            at: spell_moment(row.at),
            event,
            launch,
            arrivals_per_second: row.arrivals_per_second,
            replicas: row.replicas,
            text: row.event.to_string(),
        }
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
