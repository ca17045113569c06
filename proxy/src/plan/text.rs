//! Timetables for a person: a line of judgement per pool, what it is reckoned from, and a table.

use std::{fmt::Write as _, time::Duration};

use schleuse_config::spell_duration;

use super::view::{CapacityView, PlanView};

pub(super) fn of(pools: &[PlanView]) -> String {
    if pools.is_empty() {
        return "no launches are announced".to_owned();
    }
    let pools: Vec<_> = pools.iter().map(of_pool).collect();
    pools.join("\n\n")
}

fn of_pool(plan: &PlanView) -> String {
    let names: Vec<_> = plan.launches.iter().map(|launch| &*launch.name).collect();
    let verdict = if plan.holds {
        "it holds"
    } else {
        "IT DOES NOT HOLD"
    };
    let mut text = format!(
        "pool {} for {}: {} of at most {} replicas: {verdict}",
        plan.pool,
        names.join(" and "),
        plan.replicas,
        plan.capacity.max,
    );
    // Writing to a String cannot fail.
    for problem in &plan.problems {
        let _ = write!(text, "\n  ! {}", problem.text);
    }
    let _ = write!(text, "\n  {}\n", reckoned_from(&plan.capacity));
    let width = plan.timetable.iter().map(|row| row.text.chars().count());
    let width = width.max().unwrap_or(0).max("what".len());
    let _ = write!(
        text,
        "\n  {:20}  {:width$}  arrivals/s  replicas",
        "when", "what"
    );
    for row in &plan.timetable {
        let _ = write!(
            text,
            "\n  {:20}  {:width$}  {:>10}  {:>8}",
            row.at, row.text, row.arrivals_per_second, row.replicas
        );
    }
    text
}

fn reckoned_from(capacity: &CapacityView) -> String {
    let spell = |millis: f64| spell_duration(Duration::from_secs_f64(millis.round() / 1_000.0));
    let cold_start = capacity
        .cold_start_ms
        .map_or_else(|| "unknown".to_owned(), spell);
    format!(
        "reckoned with {} seats per replica, {} per request, cold start {cold_start} (p99), {} replicas created per second, \
         {} in hand; {}",
        capacity.seats_per_replica,
        spell(capacity.service_time_ms),
        capacity.replicas_per_second,
        spell_duration(Duration::from_millis(capacity.margin_ms)),
        if capacity.learnt {
            "the pool has learnt values"
        } else {
            "nothing is learnt yet"
        },
    )
}
