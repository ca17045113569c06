//! Announced launches: how many replicas, ordered when, verified when, and whether that can hold at all.
//!
//! A launch says when, how many arrive, and how long they may wait. Replicas follow by Erlang's formula from the time a
//! request holds a seat; the moment of the order follows from the cold start. Launches that overlap on one pool add up
//! as arrivals, so that what they share is not built twice.
//!
//! - **Pre-warm**: ordered at `T - (cold start p99 + creation time + margin)`, so that all stand before the verification
//!   at `T - 60 s`. What is needed within ten seconds is part of it: a ramp of a second is a jump. What a ramp needs later
//!   may take longer to create than there is time from then on; then its order goes out still earlier.
//! - **Inside the window** the plan follows the expectation ahead by cold start and creation time, and never descends:
//!   a lull in the table is no reason to let go what the hour was announced for. What live demand asks for beyond the
//!   plan comes and goes as always.
//! - **At its end** the plan asks for nothing any more, and live demand with its slow descent takes over.

mod profile;
mod ratchet;
mod schedule;
mod timetable;

use std::{ops::Add, time::Duration};

pub use profile::{Launch, Profile, peak_between, rate_at};
pub use ratchet::Ratchet;
pub use schedule::Schedule;
pub use timetable::{Event, PlanProblem, Row, Timetable, timetable};

use super::{
    number::{ceil, real},
    staffing,
};

/// Readiness is verified so long before a launch begins.
pub const VERIFIED_BEFORE: Duration = Duration::from_mins(1);
/// Reserve of the orders inside the window, where nobody verifies and the next order corrects. What is needed so soon
/// after the beginning belongs to the beginning.
const RESERVE: Duration = Duration::from_secs(10);

/// A moment of the calendar: milliseconds since 1970-01-01T00:00Z. Launches are announced by calendar, so the plan
/// follows the wall clock even if that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// From milliseconds since 1970-01-01T00:00Z.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// The moment `time` earlier.
    #[must_use]
    pub fn earlier(self, time: Duration) -> Self {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Time since an earlier moment; zero when that is later.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl Add<Duration> for WallTime {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// What the pool of a launch can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Requests that one replica serves at a time; 0 counts as 1.
    pub seats_per_replica: u32,
    /// Time that a request holds a seat.
    pub seat_time: Duration,
    /// From order to readiness, 99 of 100 times; none: neither learnt nor given.
    pub cold_start_p99: Option<Duration>,
    /// How fast replicas are created beside one another.
    pub replicas_per_second: f64,
    /// Time in hand before the beginning. Less than the minute of the verification counts as that.
    pub margin: Duration,
    /// Never more.
    pub max: u32,
    /// Utilisation that is planned for at most.
    pub utilisation_max: f64,
}

impl Capacity {
    /// Replicas with which 99 of 100 arrivals wait at most `wait`, whatever the maximum says.
    pub fn replicas(&self, rate: f64, wait: Duration) -> u32 {
        let seat_seconds = self.seat_time.as_secs_f64();
        let load = staffing::load(rate, seat_seconds);
        let waits = staffing::seats_for_wait(load, seat_seconds, wait.as_secs_f64(), 0.01);
        let utilised = load / self.utilisation_max.clamp(0.05, 1.0);
        staffing::replicas(f64::from(waits).max(utilised), self.seats_per_replica)
    }

    /// From the order of so many replicas until all are ready. Without a known cold start only their creation counts.
    pub fn ready_after(&self, replicas: u32) -> Duration {
        let creation = f64::from(replicas) / self.replicas_per_second.max(0.01);
        self.cold_start_p99.unwrap_or_default()
            + Duration::from_millis(u64::from(ceil(creation * 1_000.0)))
    }

    fn margin(&self) -> Duration {
        self.margin.max(VERIFIED_BEFORE)
    }
}

/// What the plan asks for at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Replicas to have ordered, within the maximum; 0 outside of all windows.
    pub replicas: u32,
    /// A launch, or the pre-warming for one, is on.
    pub in_window: bool,
}

/// What the launches of one pool ask for at `now`, for who asks once: see [`Schedule`].
pub fn need(launches: &[Launch], capacity: &Capacity, now: WallTime) -> Need {
    Schedule::new(launches, capacity).need(now)
}

/// Whether a launch that is on or begins within a minute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Which launch.
    pub launch: String,
    /// Replicas that must be ready when it begins, or now.
    pub needed: u32,
    /// Those that are.
    pub ready: u32,
    /// Those that there may be.
    pub max: u32,
}

impl Verification {
    /// How many are missing; 0: it holds.
    pub fn short_by(&self) -> u32 {
        self.needed.saturating_sub(self.ready)
    }
}

/// Verifies every launch from `T - 60 s` until it ends; once it has begun, by what is expected at that moment.
pub fn verify(
    launches: &[Launch],
    capacity: &Capacity,
    ready: u32,
    now: WallTime,
) -> Vec<Verification> {
    launches
        .iter()
        .filter(|launch| launch.at.earlier(VERIFIED_BEFORE) <= now && now < launch.end())
        .map(|launch| Verification {
            launch: launch.name.clone(),
            needed: if now < launch.at {
                needed_at_beginning(launches, capacity, launch)
            } else {
                needed_for(rate_at(launches, now), capacity, launch)
            },
            ready,
            max: capacity.max,
        })
        .collect()
}

/// Replicas that must be ready for so many arrivals of a launch: at least one, since a ramp from nothing begins with
/// somebody.
fn needed_for(rate: f64, capacity: &Capacity, launch: &Launch) -> u32 {
    capacity.replicas(rate, launch.wait_p99).max(1)
}

/// Replicas that must be ready when a launch begins.
fn needed_at_beginning(launches: &[Launch], capacity: &Capacity, launch: &Launch) -> u32 {
    let until = (launch.at + RESERVE).min(launch.end());
    needed_for(peak_between(launches, launch.at, until), capacity, launch)
}

/// When the first order for a launch has to go out, if what it begins with is to stand `margin` before it, and what it
/// needs later `reserve` before that.
fn due(
    launches: &[Launch],
    capacity: &Capacity,
    launch: &Launch,
    (margin, reserve): (Duration, Duration),
) -> WallTime {
    let beginning = needed_at_beginning(launches, capacity, launch);
    let due = launch.at.earlier(capacity.ready_after(beginning) + margin);
    let lead = |rate| capacity.ready_after(needed_for(rate, capacity, launch)) + reserve;
    // What is needed from then on has time enough, however much it is.
    let until = due + lead(peak_between(launches, launch.at, launch.end()));
    launch
        .bends()
        .filter(|&bend| launch.at < bend && bend < until)
        .map(|bend| {
            let before = bend.earlier(Duration::from_millis(1));
            bend.earlier(lead(peak_between(launches, before, bend)))
        })
        .fold(due, WallTime::min)
}

/// Launches that overlap, pre-warming included.
#[derive(Clone, Debug)]
struct Window {
    /// When the first replica is ordered.
    opens: WallTime,
    /// When the last launch ends.
    closes: WallTime,
    /// When the first launch begins.
    begins: WallTime,
    /// The strictest promise.
    wait: Duration,
    /// Each launch's beginning and when it must be ordered.
    orders: Vec<(WallTime, WallTime)>,
}

impl Window {
    fn of(launches: &[Launch], capacity: &Capacity, launch: &Launch) -> Self {
        let opens = due(launches, capacity, launch, (capacity.margin(), RESERVE));
        Self {
            opens,
            closes: launch.end(),
            begins: launch.at,
            wait: launch.wait_p99,
            orders: vec![(opens, launch.at)],
        }
    }

    fn join(&mut self, other: Self) {
        self.opens = self.opens.min(other.opens);
        self.closes = self.closes.max(other.closes);
        self.begins = self.begins.min(other.begins);
        self.wait = self.wait.min(other.wait);
        self.orders.extend(other.orders);
    }

    /// Replicas to have ordered at `now`, without regard to the maximum.
    fn replicas(&self, launches: &[Launch], capacity: &Capacity, now: WallTime) -> u32 {
        let peak = peak_between(launches, self.begins, self.closes);
        let most = capacity.replicas(peak, self.wait);
        let ahead = now + capacity.ready_after(most) + RESERVE;
        let until = self
            .orders
            .iter()
            .filter(|(ordered, _)| *ordered <= now)
            .map(|&(_, begins)| begins + RESERVE)
            .fold(ahead, WallTime::max);
        let rate = peak_between(launches, self.begins, until);
        capacity.replicas(rate, self.wait).max(1)
    }
}

/// All windows, in order, none of which overlap.
fn windows(launches: &[Launch], capacity: &Capacity) -> Vec<Window> {
    let mut single: Vec<Window> = launches
        .iter()
        .map(|launch| Window::of(launches, capacity, launch))
        .collect();
    single.sort_by_key(|window| window.opens);
    let mut joined: Vec<Window> = Vec::new();
    for window in single {
        match joined.last_mut() {
            Some(last) if window.opens < last.closes => last.join(window),
            _ => joined.push(window),
        }
    }
    joined
}

/// Rounds a number of people for a table.
fn rounded(rate: f64) -> f64 {
    real(u64::from(ceil(rate * 10.0))) / 10.0
}

#[cfg(test)]
mod tests;
