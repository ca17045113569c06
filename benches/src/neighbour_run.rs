//! One run of the noisy neighbour: who asks how much, and how long the others waited.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::{
    Outcome,
    compare::count,
    delay_backend::{DelayBackend, request},
    inputs::generator,
    mixed_load::{Answers, MixedLoad, Source},
    neighbours::SERVICE_TIME,
    nuisance::{Habit, Nuisance},
    statistics::quantile,
};

/// Connections of one side. With 10 s in a queue at HAProxy the noisy tenant holds them all.
const CONNECTIONS_MAX: usize = 4_000;
/// For a nuisance to take what it can get.
const SETTLE: Duration = Duration::from_secs(1);
/// Until all that a run left behind is gone.
const QUIET_MAX: Duration = Duration::from_secs(40);
/// A backend that had nothing to do for this long has nothing more to come.
const QUIET: Duration = Duration::from_millis(300);
/// Service times above are those of polls: what they hold is bounded by a limit, and no mean of anything.
const POLL_MIN: Duration = Duration::from_secs(10);

/// What the noisy tenant does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Noise {
    /// Requests at a rate.
    Load {
        per_second: f64,
        service_time: Duration,
        /// From and to which share of the run's time.
        part: (f64, f64),
    },
    /// Clients that hold something.
    Habit { clients: usize, habit: Habit },
}

/// Tenants and what they ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'s> {
    pub(crate) others: &'s [u64],
    /// All together.
    pub(crate) others_per_second: f64,
    /// The noisy tenant.
    pub(crate) loud: u64,
    pub(crate) noise: Noise,
}

/// What the others saw, in milliseconds.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Mean of all requests that were served, the noisy tenant's included.
    pub(crate) service_time: f64,
    /// Of the others: refused, broken off or unanswered.
    pub(crate) lost: u64,
}

/// Lets a proxy learn service times and open its connections.
///
/// # Errors
///
/// When it fails.
pub(crate) fn warm_up(
    address: SocketAddr,
    backend: &DelayBackend,
    scene: &Scene<'_>,
) -> Outcome<()> {
    scene.run(address, backend, false, SETTLE).map(|_| ())
}

impl Scene<'_> {
    /// Runs it once, with the noise or without; afterwards the backend is quiet.
    ///
    /// # Errors
    ///
    /// When a proxy fails, or the backend does not come to rest.
    pub(crate) fn run(
        &self,
        address: SocketAddr,
        backend: &DelayBackend,
        noisy: bool,
        time: Duration,
    ) -> Outcome<Run> {
        backend.forget();
        let nuisance = match self.noise {
            Noise::Habit { clients, habit } if noisy => {
                let nuisance = Nuisance::start(address, self.loud, clients, habit)?;
                thread::sleep(SETTLE);
                in_effect(habit, clients, backend)?;
                Some(nuisance)
            }
            _ => None,
        };
        let mut rng = generator();
        let others = Requests::drawn(self.others, SERVICE_TIME, &mut rng);
        let theirs = match self.noise {
            Noise::Load { service_time, .. } => {
                Requests::drawn(&[self.loud], service_time, &mut rng)
            }
            Noise::Habit { .. } => Requests::default(),
        };
        let mut sources = vec![Source {
            requests: &others.texts,
            service_times: &others.service_times,
            per_second: self.others_per_second,
            connections: 64,
            connections_max: CONNECTIONS_MAX,
            active: Duration::ZERO..time,
            awaited: true,
        }];
        if let Noise::Load {
            per_second, part, ..
        } = self.noise
            && noisy
        {
            sources.push(Source {
                requests: &theirs.texts,
                service_times: &theirs.service_times,
                per_second,
                connections: 64,
                connections_max: CONNECTIONS_MAX,
                active: time.mul_f64(part.0)..time.mul_f64(part.1),
                awaited: false,
            });
        }
        let load = MixedLoad {
            address,
            sources,
            time,
            drain_max: Duration::from_secs(15),
            spread: true,
        };
        let answers = load.run()?;
        drop(nuisance);
        let run = result(answers.into_iter().next().unwrap_or_default(), backend);
        quiet(backend)?;
        Ok(run)
    }
}

/// Requests of some tenants, and how long each takes.
#[derive(Debug, Default)]
struct Requests {
    texts: Vec<String>,
    service_times: Vec<Duration>,
}

impl Requests {
    /// Tenants in an order of chance; service times between half and three halves of the mean, evenly. Were all of them
    /// the same, the seats of a full pool would become free at the same moments of every period for good, in the rhythm in
    /// which they once were taken, and whoever comes between waits for the next period: no application is so regular.
    fn drawn(tenants: &[u64], mean: Duration, rng: &mut Rng) -> Self {
        let mut requests = Self::default();
        for _ in 0..10_000 {
            let Some(&tenant) = rng.choice(tenants) else {
                break;
            };
            let time = mean.mul_f64(0.5 + rng.f64()).as_millis();
            requests
                .texts
                .push(request(tenant, &format!("delay_ms={time}")));
            let time = u64::try_from(time).unwrap_or(u64::MAX);
            requests.service_times.push(Duration::from_millis(time));
        }
        requests
    }
}

/// A nuisance that the proxy does not let through bothers nobody, and proves nothing.
fn in_effect(habit: Habit, clients: usize, backend: &DelayBackend) -> Outcome<()> {
    let (upgraded, in_flight) = (backend.upgraded(), backend.in_flight());
    let held = match habit {
        Habit::WebSocket => usize::try_from(upgraded)? == clients,
        Habit::LongPoll { .. } | Habit::SlowReader { .. } => in_flight > 0,
        // Most of them have no seat yet, if the proxy waits for the whole of them.
        Habit::SlowUpload { .. } => true,
    };
    if held {
        return Ok(());
    }
    Err(format!("{habit:?}: {in_flight} in flight and {upgraded} upgraded at the backend").into())
}

fn result(mut answers: Answers, backend: &DelayBackend) -> Run {
    let lost = answers.failed();
    let mut wait = |q| quantile(&mut answers.microseconds, q) / 1e3;
    Run {
        p50: wait(0.5),
        p99: wait(0.99),
        service_time: mean_service_time(backend),
        lost,
    }
}

fn mean_service_time(backend: &DelayBackend) -> f64 {
    let served = backend.served();
    let times = served
        .iter()
        .map(|one| one.delay)
        .filter(|&time| time < POLL_MIN);
    let (total, number) = times.fold((Duration::ZERO, 0), |(total, number), time| {
        (total + time, number + 1)
    });
    total.as_secs_f64() * 1e3 / count(number).max(1.0)
}

/// Waits until the backend is at rest.
///
/// # Errors
///
/// When it does not come to rest.
pub(crate) fn quiet(backend: &DelayBackend) -> Outcome<()> {
    let end = Instant::now() + QUIET_MAX;
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        if backend.in_flight() > 0 {
            since = Instant::now();
        }
        if Instant::now() > end {
            return Err(format!("{} requests stay at the backend", backend.in_flight()).into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
