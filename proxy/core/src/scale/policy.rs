//! What an operator decides about scaling, and the constants that the simulation decided.
//!
//! The constants stand here and not in the formulas, so that one place says what they are and the simulation can try
//! others. Which values were tried, and why these stayed: docs/decisions/0020.

use std::time::Duration;

/// How a pool is scaled. An argument of each decision, so a reload needs no event.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalePolicy {
    /// Requests that one replica serves at a time; 0 counts as 1.
    pub seats_per_replica: u32,
    /// Never fewer, asleep or not.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// At least so many when the pool wakes, until the cold start and half a minute are over: the first quarter of a
    /// second shows no slope.
    pub wake_floor: u32,
    /// Time that a request holds a seat, until it is learnt.
    pub seat_time: Duration,
    /// Time from order to readiness of a replica, until it is learnt.
    pub cold_start: Duration,
    /// From a decision to the order of a replica: the way out's share of the horizon.
    pub signal_delay: Duration,
    /// A backlog is to be gone this long after the replicas became ready.
    pub drain: Duration,
    /// A descent waits until nothing wanted more for so long.
    pub hold_down: Duration,
    /// Share of the replicas that may go within a minute, 0 to 1.
    pub descent_per_minute: f64,
    /// Zero replicas are right after so long without an arrival, a waiting request or one in flight.
    pub idle_after: Duration,
    /// Starts that failed in a row after which nothing more is asked for.
    pub failing_starts_max: u32,
    /// The constants.
    pub tuning: Tuning,
}

impl Default for ScalePolicy {
    fn default() -> Self {
        Self {
            seats_per_replica: 20,
            min: 0,
            max: 40,
            wake_floor: 1,
            seat_time: Duration::from_millis(100),
            cold_start: Duration::from_secs(10),
            signal_delay: Duration::from_millis(250),
            drain: Duration::from_secs(2),
            hold_down: Duration::from_mins(1),
            descent_per_minute: 0.5,
            idle_after: Duration::from_mins(5),
            failing_starts_max: 3,
            tuning: Tuning::default(),
        }
    }
}

impl ScalePolicy {
    /// So many failed starts in a row mean that more of them would fail too.
    pub fn failing(&self, starts: u32) -> bool {
        starts >= self.failing_starts_max.max(1)
    }
}

/// Constants of the formulas, without units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Standard deviations by which a rate must stand out to count.
    pub rate_evidence: f64,
    /// Standard deviations by which a slope must stand out to count.
    pub slope_evidence: f64,
    /// Free seats beside `a` busy ones: this many `sqrt(a)`.
    pub staffing: f64,
    /// Utilisation that large pools are planned for at most.
    pub utilisation_max: f64,
    /// A forecast is at most this many times the present.
    pub growth_max: f64,
    /// Arrivals in one slice that are needed to act on that slice alone.
    pub panic_arrivals: u64,
    /// The slice must ask for this many times what was ordered.
    pub panic_ratio: f64,
    /// Changes below this share of the replicas are not worth an order: upwards.
    pub dead_band_up: f64,
    /// The same downwards.
    pub dead_band_down: f64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            rate_evidence: 2.0,
            slope_evidence: 2.0,
            staffing: 1.0,
            utilisation_max: 0.9,
            growth_max: 4.0,
            panic_arrivals: 8,
            panic_ratio: 2.0,
            dead_band_up: 0.05,
            dead_band_down: 0.1,
        }
    }
}
