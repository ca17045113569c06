//! The noisy neighbour, over real sockets: fifty tenants at their normal load on one shared pool, and one that is not.
//!
//! Each case is run with the noise and without, alternating, on Schleuse and (shorter) on HAProxy, whose queue is first
//! come, first served. A wait is the time from when a request was due to its answer, less the service time. The others
//! may wait as long as one tenth more, or as five seats take to become free on average: seats are never taken back from
//! who has them, so that much is the price of any queue without pre-emption.
//!
//! In a flood every seat is taken all the time, so whoever comes waits until the next one becomes free: every 1.25 ms on
//! average, and in one case of a hundred 5.8 ms later (ln 100 times as long), in any order and for a tenant that is alone.
//! The more the others ask, the longer they also wait for each other (M/M/1: 1 / (800 − rate) instead of 1 / 800). The
//! flood is therefore judged with fifty tenants that ask little more than once a second each, and shown with a quarter of
//! the pool, where 7.7 ms are the least there can be.

use crate::{
    Outcome,
    context::Context,
    delay_backend::DelayBackend,
    figure::{Figure, Unit},
    haproxy::Job,
    inputs::Place,
    neighbour_run::{Noise, Run, Scene, warm_up},
    nuisance::Habit,
    shared_pool::{Policy, SharedPool},
    statistics::{differences, estimate, median},
};
use std::time::Duration;

/// Of the shared pool.
pub(crate) const SEATS: u32 = 40;
/// Of everybody's normal requests.
pub(crate) const SERVICE_TIME: Duration = Duration::from_millis(50);
/// A quarter of what the seats can do.
const OTHERS_PER_SECOND: f64 = 200.0;
/// Beside a flood: a twelfth.
const QUIET_PER_SECOND: f64 = 64.0;
const OTHERS: usize = 50;
/// A hundred times the share of one of 51 equal tenants in 800 requests a second.
const FLOOD_PER_SECOND: f64 = 100.0 * 800.0 / 51.0;
/// How much longer the requests of the slow tenant take.
const SLOWER: u32 = 40;
/// Gröde's requests: enough of them for a quantile.
const SMALLEST_PER_SECOND: f64 = 5.0;
/// Milliseconds that Gröde may wait behind Berlin.
const SMALLEST_GOAL: f64 = 50.0;
/// No tenant has more than a quarter of the seats: the limit for tenants that hold what they get.
const QUARTER: &str = "tenant: { in_flight: 10 }";

/// What makes one case another.
struct Case {
    name: &'static str,
    /// Stands in paths.
    label: &'static str,
    fair_by: &'static str,
    limits: &'static str,
    others_per_second: f64,
    noise: Noise,
    judged: bool,
}

/// All cases.
///
/// # Errors
///
/// When a proxy fails.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let backend = DelayBackend::start()?;
    let loud = key(find(&context.places, "Berlin")?)?;
    let others: Vec<u64> = towns(&context.places).map(key).collect::<Outcome<_>>()?;
    let mut figures = Vec::new();
    let mut lost = 0;
    for (at, case) in cases().iter().enumerate() {
        let scene = Scene {
            others: &others,
            others_per_second: case.others_per_second,
            loud,
            noise: case.noise,
        };
        let (pairs, time) = if at == 0 {
            context.sizes.flood
        } else {
            context.sizes.neighbours
        };
        let measured = compare(context, &backend, case, &scene, (pairs, time))?;
        lost += measured.lost;
        figures.push(measured.figure(case));
    }
    figures.push(smallest(context, &backend, loud)?);
    figures.push(
        Figure::value(
            "Others' requests refused or unanswered beside noisy neighbours",
            Unit::Count,
            crate::compare::count(lost),
        )
        .at_most(0.0),
    );
    Ok(figures)
}

fn cases() -> Vec<Case> {
    let flood = |part| Noise::Load {
        per_second: FLOOD_PER_SECOND,
        service_time: SERVICE_TIME,
        part,
    };
    let slow = Noise::Load {
        per_second: FLOOD_PER_SECOND / f64::from(SLOWER),
        service_time: SERVICE_TIME * SLOWER,
        part: (0.0, 1.0),
    };
    let case = |name, label, limits, noise| Case {
        name,
        label,
        fair_by: "equal",
        limits,
        others_per_second: OTHERS_PER_SECOND,
        noise,
        judged: true,
    };
    let quiet = |case| Case {
        others_per_second: QUIET_PER_SECOND,
        ..case
    };
    let shown = |case| Case {
        judged: false,
        ..case
    };
    let mut cases = vec![
        quiet(case(
            "a flood of 100 shares",
            "flood",
            "",
            flood((0.0, 1.0)),
        )),
        quiet(case("a short flood", "short-flood", "", flood((0.4, 0.6)))),
        shown(case(
            "a flood, theirs a quarter of the pool",
            "quarter",
            "",
            flood((0.0, 1.0)),
        )),
        case("requests of 40 times the length", "slow", QUARTER, slow),
        shown(case(
            "requests of 40 times the length and no `in_flight`",
            "slow-free",
            "",
            slow,
        )),
    ];
    cases.extend(habits().map(|(name, label, limits, clients, habit)| {
        case(name, label, limits, Noise::Habit { clients, habit })
    }));
    cases
}

/// What holds seats or connections: name, label, limits, how many clients and what they do.
fn habits() -> [(&'static str, &'static str, &'static str, usize, Habit); 4] {
    let time = Duration::from_secs(20);
    let upload = Habit::SlowUpload {
        bytes: 64 << 10,
        bytes_per_second: 8 << 10,
    };
    let reader = Habit::SlowReader {
        bytes: 16 << 20,
        bytes_per_second: 16 << 10,
    };
    let poll = Habit::LongPoll { time };
    [
        ("30 long polls on 40 seats", "long-poll", QUARTER, 30, poll),
        (
            "30 WebSockets on 40 seats",
            "websocket",
            "",
            30,
            Habit::WebSocket,
        ),
        ("60 slow uploads", "upload", QUARTER, 60, upload),
        ("60 slow readers", "reader", QUARTER, 60, reader),
    ]
}

/// What came of a case, a run after the other.
#[derive(Debug, Default)]
struct Measured {
    with: Vec<Run>,
    without: Vec<Run>,
    rival_with: Run,
    rival_without: Run,
    lost: u64,
}

fn compare(
    context: &Context,
    backend: &DelayBackend,
    case: &Case,
    scene: &Scene<'_>,
    (pairs, time): (usize, Duration),
) -> Outcome<Measured> {
    let policy = policy(case.fair_by, case.limits);
    let schleuse = SharedPool::start(context, case.label, backend.address(), &policy)?;
    let address = schleuse.peer.address;
    warm_up(address, backend, scene)?;
    let mut measured = Measured::default();
    for pair in 0..pairs {
        for noisy in [pair % 2 == 1, pair % 2 == 0] {
            let run = scene.run(address, backend, noisy, time)?;
            measured.lost += run.lost;
            if noisy {
                measured.with.push(run);
            } else {
                measured.without.push(run);
            }
        }
        schleuse.peer.forget_output();
    }
    drop(schleuse);
    let haproxy = context.haproxy(Job::Queue {
        backend: backend.address(),
        seats: SEATS,
    })?;
    warm_up(haproxy.address, backend, scene)?;
    measured.rival_without = scene.run(haproxy.address, backend, false, time / 2)?;
    measured.rival_with = scene.run(haproxy.address, backend, true, time / 2)?;
    Ok(measured)
}

/// Seats, queue and limits of every case.
pub(crate) fn policy(fair_by: &str, limits: &str) -> Policy {
    Policy {
        pool: format!(
            "concurrency: {SEATS}, streams_max: 100, queue: {{ wait_max: 10s, fair_by: {fair_by} }}"
        ),
        limits: limits.to_owned(),
    }
}

impl Measured {
    fn of(runs: &[Run], value: fn(&Run) -> f64) -> Vec<f64> {
        runs.iter().map(value).collect()
    }

    /// Milliseconds by which the others' p99 wait grows.
    fn figure(&self, case: &Case) -> Figure {
        let with = Self::of(&self.with, |run| run.p99);
        let without = Self::of(&self.without, |run| run.p99);
        let service = median(&Self::of(&self.with, |run| run.service_time));
        let goal = (0.1 * median(&without)).max(5.0 * service / f64::from(SEATS));
        let name = case.name;
        let figure = Figure::estimate(
            format!("Others' p99 wait beside {name}, added"),
            Unit::Milliseconds,
            estimate(&differences(&with, &without)),
        )
        .beside(format!("{}; {}", self.words(), self.rival_words()));
        if case.judged {
            figure.at_most(goal)
        } else {
            figure
        }
    }

    fn words(&self) -> String {
        let middle = |runs: &[Run], value| median(&Self::of(runs, value));
        format!(
            "p50 {:.1} and p99 {:.1} ms with, {:.1} and {:.1} without; {} of theirs lost",
            middle(&self.with, |run| run.p50),
            middle(&self.with, |run| run.p99),
            middle(&self.without, |run| run.p50),
            middle(&self.without, |run| run.p99),
            self.lost
        )
    }

    fn rival_words(&self) -> String {
        let (with, without) = (&self.rival_with, &self.rival_without);
        format!(
            "HAProxy p50 {:.1} and p99 {:.1} with, {:.1} and {:.1} without, {} lost",
            with.p50, with.p99, without.p50, without.p99, with.lost
        )
    }
}

/// Gröde behind Berlin, by population.
fn smallest(context: &Context, backend: &DelayBackend, loud: u64) -> Outcome<Figure> {
    let smallest = [key(find(&context.places, "Gröde")?)?];
    let noise = Noise::Load {
        per_second: FLOOD_PER_SECOND,
        service_time: SERVICE_TIME,
        part: (0.0, 1.0),
    };
    let scene = Scene {
        others: &smallest,
        others_per_second: SMALLEST_PER_SECOND,
        loud,
        noise,
    };
    let case = Case {
        name: "",
        label: "smallest",
        fair_by: "population",
        limits: "",
        others_per_second: SMALLEST_PER_SECOND,
        noise,
        judged: true,
    };
    let measured = compare(context, backend, &case, &scene, context.sizes.neighbours)?;
    let waits = Measured::of(&measured.with, |run| run.p99);
    Ok(Figure::estimate(
        "p99 wait of Gröde (7 inhabitants) behind Berlin, by population",
        Unit::Milliseconds,
        estimate(&waits),
    )
    .at_most(SMALLEST_GOAL)
    .beside(format!("{}; {}", measured.words(), measured.rival_words())))
}

/// Fifty places of the middle of the register, by inhabitants.
fn towns(places: &[Place]) -> impl Iterator<Item = &Place> {
    let towns = places
        .iter()
        .filter(|place| (20_000..60_000).contains(&place.population));
    towns.take(OTHERS)
}

/// The place whose name begins so.
///
/// # Errors
///
/// When the register lacks it.
pub(crate) fn find<'p>(places: &'p [Place], name: &str) -> Outcome<&'p Place> {
    let found = places.iter().find(|place| place.name.starts_with(name));
    found.ok_or_else(|| format!("{name} is not in the register").into())
}

/// Its ARS as a number, as the backend tells tenants apart.
///
/// # Errors
///
/// When it is none.
pub(crate) fn key(place: &Place) -> Outcome<u64> {
    Ok(place.ars.parse()?)
}
