//! By what it is decided how many endpoints a pool should have.

use schleuse_core::scale::policy::ScalePolicy;

use crate::{problem::Report, reader::Section};

/// Reads it from `pools.NAME.scale`; each replica serves `seats` requests at a time.
pub(super) fn read(scale: &Section<'_, '_>, seats: u32, report: &mut Report) -> ScalePolicy {
    let policy = ScalePolicy {
        seats_per_replica: seats,
        min: scale.integer("min", report),
        max: scale.integer("max", report),
        wake_floor: scale.integer("wake_floor", report),
        seat_time: scale.duration("service_time", report),
        cold_start: scale.duration("cold_start", report),
        drain: scale.duration("backlog_drain", report),
        hold_down: scale.duration("hold_down", report),
        descent_per_minute: f64::from(scale.percent("descent_per_minute", report)) / 100.0,
        idle_after: scale.duration("idle_after", report),
        failing_starts_max: scale.integer("failing_starts_max", report),
        ..ScalePolicy::default()
    };
    for (key, least) in [("min", policy.min), ("wake_floor", policy.wake_floor)] {
        refuse_above_max(scale, key, least, policy.max, report);
    }
    policy
}

/// The key that was written is the one that is wrong; of two, the smaller one.
fn refuse_above_max(scale: &Section<'_, '_>, key: &str, least: u32, max: u32, report: &mut Report) {
    if least <= max {
        return;
    }
    let place = if scale.has(key) { key } else { "max" };
    report.wrong(
        scale.place_of(place),
        scale.path(place),
        format!("`{key}` is {least}, and `max` is {max}"),
        format!("write `max` as {least} or more, or lower `{key}`"),
    );
}
