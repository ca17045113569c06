//! Announced launches: what is expected when, and on which pool.

use std::time::Duration;

use schleuse_core::{
    PoolIndex,
    scale::{
        learnt::Learnt,
        plan::{Launch, PlanProblem, Profile, timetable},
    },
};

use super::{arrivals::read_arrivals, pools::CheckedPool, services::CheckedService};
use crate::{
    files::Sources,
    hosts::check_label,
    moment::{now, parse_moment},
    problem::{Place, Report},
    reader::{Entry, Placed, Section, unknown},
    snapshot::PoolPlan,
    spelling::did_you_mean,
    units::{Fault, quoted},
};

/// A launch, and what it says of its pool.
struct Announced {
    pool: PoolIndex,
    service: String,
    launch: Launch,
    seat_time: Option<Duration>,
    cold_start: Option<Duration>,
    replicas_per_second: f64,
    margin: Duration,
    /// Of the whole launch, and of `at`.
    places: [(Place, String); 2],
}

pub(super) fn read(
    file: &Section<'_, '_>,
    services: &[CheckedService],
    pools: &[CheckedPool],
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<PoolPlan> {
    let entries = file.named("launches", report);
    let announced: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| read_launch(entry, services, pools, sources, report))
        .collect();
    let mut plans: Vec<PoolPlan> = Vec::new();
    for one in &announced {
        match plans.iter_mut().find(|plan| plan.pool == one.pool) {
            Some(plan) => join(plan, one),
            None => plans.push(plan_of(one, pools)),
        }
    }
    for plan in &plans {
        warn(plan, &announced, pools, report);
    }
    plans
}

fn read_launch(
    entry: Entry<'_, '_>,
    services: &[CheckedService],
    pools: &[CheckedPool],
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Announced> {
    let Entry {
        name,
        place,
        node,
        at,
    } = entry;
    if let Err(Fault { wrong, remedy }) = check_label(&name) {
        report.wrong(place, at.clone(), wrong, remedy);
    }
    let section = Section::open(node, "launches.NAME", at.clone(), report);
    let service = section
        .text("service", report)
        .and_then(|name| find_service(&name, services, report));
    let pool = read_pool(&section, service, pools, report);
    let begins = section.parsed("at", report, parse_moment);
    let arrivals = read_profile(&section, sources, report);
    let launch = Launch {
        name: name.into_owned(),
        at: begins.as_ref().map(|at| at.value).unwrap_or_default(),
        arrivals: arrivals.unwrap_or(Profile::Constant(0.0)),
        wait_p99: section.duration("wait_p99", report),
        duration: section.duration("duration", report),
    };
    let announced = Announced {
        pool: pool?,
        service: service?.service.name.clone(),
        launch,
        seat_time: section.optional_duration("service_time", report),
        cold_start: section.optional_duration("cold_start", report),
        replicas_per_second: f64::from(section.integer("replicas_per_second", report)),
        margin: section.duration("margin", report),
        places: [(place, at), (section.place_of("at"), section.path("at"))],
    };
    begins.map(|_| announced)
}

fn find_service<'s>(
    name: &Placed<String>,
    services: &'s [CheckedService],
    report: &mut Report,
) -> Option<&'s CheckedService> {
    let found = services
        .iter()
        .find(|service| service.service.name == name.value);
    if found.is_none() {
        let known = services.iter().map(|service| service.service.name.as_str());
        let remedy = did_you_mean(&name.value, known)
            .unwrap_or_else(|| format!("add {} to `services`", quoted(&name.value)));
        let wrong = unknown("service", &name.value);
        report.wrong(name.place, name.at.clone(), wrong, remedy);
    }
    found
}

/// The pool that has to hold the launch; it must be one of the service's, and somebody must scale it.
fn read_pool(
    section: &Section<'_, '_>,
    service: Option<&CheckedService>,
    pools: &[CheckedPool],
    report: &mut Report,
) -> Option<PoolIndex> {
    let written = section.text("pool", report);
    let service = service?;
    let used: Vec<_> = pools
        .iter()
        .enumerate()
        .filter(|(index, _)| service.uses_pool(*index))
        .collect();
    let (index, pool, key) = if let Some(written) = written {
        let is_named = |(_, pool): &&(usize, &CheckedPool)| pool.value.name == written.value;
        let Some(&(index, pool)) = used.iter().find(is_named) else {
            let wrong = format!(
                "{} is no pool of {}",
                quoted(&written.value),
                quoted(&service.service.name)
            );
            let names: Vec<_> = used
                .iter()
                .map(|(_, pool)| pool.value.name.as_str())
                .collect();
            let remedy = format!("write one of {}", names.join(", "));
            report.wrong(written.place, written.at, wrong, remedy);
            return None;
        };
        (index, pool, "pool")
    } else {
        let index = service.pool?.as_usize();
        (index, pools.get(index)?, "service")
    };
    if !pool.has_scale {
        let name = quoted(&pool.value.name);
        let wrong = format!("nobody scales the pool {name}");
        let remedy = "give it `scale`, or name another one of the service's pools with `pool`";
        report.wrong(section.place_of(key), section.path(key), wrong, remedy);
    }
    pool.value.scale.as_ref()?;
    u32::try_from(index).ok().map(PoolIndex)
}

/// Exactly one of a rate and a file; the ramp belongs to the rate.
fn read_profile(
    section: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Profile> {
    let over = section.duration("ramp", report);
    let rate = section.optional_integer("arrivals_per_second", report);
    let file = section.text("arrivals", report);
    match (section.has("arrivals_per_second"), section.has("arrivals")) {
        (true, false) => {
            let rate = f64::from(rate?);
            Some(if over.is_zero() {
                Profile::Constant(rate)
            } else {
                Profile::Ramp { rate, over }
            })
        }
        (false, true) => {
            if section.has("ramp") {
                let wrong = "`arrivals` says how they grow";
                let place = section.place_of("ramp");
                report.wrong(place, section.path("ramp"), wrong, "remove it");
            }
            read_arrivals(&file?, sources, report).map(Profile::Table)
        }
        (both, _) => {
            if !section.is_broken() {
                let (wrong, remedy) = if both {
                    (
                        "has both `arrivals_per_second` and `arrivals`",
                        "keep one of the two",
                    )
                } else {
                    (
                        "expects nobody",
                        "write `arrivals_per_second: 2000`, or a file as `arrivals`",
                    )
                };
                report.wrong(section.place, section.at.clone(), wrong, remedy);
            }
            None
        }
    }
}

fn plan_of(one: &Announced, pools: &[CheckedPool]) -> PoolPlan {
    let scale = pools
        .get(one.pool.as_usize())
        .and_then(|pool| pool.value.scale.as_ref());
    PoolPlan {
        pool: one.pool,
        launches: vec![one.launch.clone()],
        services: vec![one.service.clone()],
        seat_time: one.seat_time,
        cold_start: one.cold_start,
        cold_start_prior: scale
            .filter(|scale| scale.cold_start_written)
            .map(|scale| scale.policy.cold_start),
        replicas_per_second: one.replicas_per_second,
        margin: one.margin,
    }
}

fn join(plan: &mut PoolPlan, one: &Announced) {
    plan.launches.push(one.launch.clone());
    plan.services.push(one.service.clone());
    plan.seat_time = plan.seat_time.max(one.seat_time);
    plan.cold_start = plan.cold_start.max(one.cold_start);
    plan.replicas_per_second = plan.replicas_per_second.min(one.replicas_per_second);
    plan.margin = plan.margin.max(one.margin);
}

/// What the config alone shows. What was learnt may say otherwise, so nothing of it keeps the config from being loaded.
fn warn(plan: &PoolPlan, announced: &[Announced], pools: &[CheckedPool], report: &mut Report) {
    let Some(pool) = pools.get(plan.pool.as_usize()) else {
        return;
    };
    let Some(scale) = &pool.value.scale else {
        return;
    };
    let capacity = plan.capacity(&scale.policy, &Learnt::default());
    let of_pool = || announced.iter().filter(|one| one.pool == plan.pool);
    for problem in timetable(&plan.launches, &capacity, now()).problems {
        match &problem {
            PlanProblem::MaxTooSmall { needed, .. } => {
                let remedy = format!(
                    "raise `pools.{}.scale.max` to {needed}; `schleuse plan` has the timetable",
                    pool.value.name
                );
                if let Some([(place, at), _]) = of_pool().next_back().map(|one| &one.places) {
                    report.warn(*place, at.clone(), problem.to_string(), remedy);
                }
            }
            PlanProblem::BeginsInThePast { launch } => {
                let of_launch = of_pool().find(|one| one.launch.name == *launch);
                if let Some([_, (place, at)]) = of_launch.map(|one| &one.places) {
                    let remedy = "remove it when it is over, or mend the time";
                    report.warn(*place, at.clone(), "lies in the past", remedy);
                }
            }
            // What is learnt until then decides these.
            PlanProblem::ColdStartUnknown | PlanProblem::TooLate { .. } => {}
        }
    }
}
