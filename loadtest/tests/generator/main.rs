//! The generator against a target of the test's own, over real sockets: what it says happened is what happened.
#![cfg(test)] // tells clippy that helpers may unwrap like tests

mod carried;
mod counts;
mod early;
mod honesty;
mod leave;
mod ports;
mod secure;
mod target;
mod workers;

use std::{net::SocketAddr, sync::atomic::AtomicBool, time::Duration};

use launchday::{
    distribution::Distribution,
    generator::{self, Settings},
    results::{Machine, Mode, Results, ScenarioIdentity},
    schedule::{Phase, Schedule, Spacing},
    weighted::Weighted,
    workload::{Body, Journey, Limits, Load, Step, Target, Template, Workload},
};

/// `rate` requests for `/` in every one of `seconds`, evenly spaced, at `address`.
fn workload(address: SocketAddr, rate: f64, seconds: f64) -> Workload {
    let phase = Phase::constant(rate, Duration::from_secs_f64(seconds));
    let authority = address.to_string();
    Workload {
        load: Load::Open(Schedule::new(vec![phase], Spacing::Even, 1)),
        warm_up: Duration::ZERO,
        drain: Duration::from_secs(5),
        seed: 1,
        journeys: vec![journey(&authority, &["/"])],
        journeys_drawn: Weighted::new([1.0]),
        tenants: Vec::new(),
        tenants_drawn: Weighted::new([]),
        target: Target {
            url: format!("http://{authority}"),
            authority,
            addresses: vec![address],
            tls: None,
            http2: false,
            name: None,
        },
        limits: Limits {
            connect: Duration::from_secs(5),
            timeout: None,
            deadline: None,
        },
    }
}

/// One request for each path, without thinking between.
fn journey(authority: &str, paths: &[&str]) -> Journey {
    let steps = paths.iter().map(|path| Step {
        name: (*path).to_owned(),
        request: Template::new("GET", path, authority, &[], &Body::None),
        think: Distribution::Fixed(Duration::ZERO),
        expected: Vec::new(),
        redirects_max: 3,
    });
    Journey {
        name: "journey".to_owned(),
        weight: 1.0,
        steps: steps.collect(),
        patience: None,
        come_back: None,
        retries_max: 0,
        cookies: true,
        own_connection: false,
    }
}

fn settings(workers: u32, connections_max: usize) -> Settings {
    Settings {
        workers,
        connections_max,
        ..Settings::default()
    }
}

fn play(workload: &Workload, settings: &Settings) -> Results {
    let stop = AtomicBool::new(false);
    let played = generator::play(workload, settings, &stop, &mut |_| None).unwrap();
    results(played, workload)
}

fn results(played: generator::Played, workload: &Workload) -> Results {
    let scenario = ScenarioIdentity {
        name: "test".to_owned(),
        sha256: String::new(),
        seed: 1,
        mode: Mode::Open,
        target: workload.target.url.clone(),
        scale: 1.0,
        warm_up_seconds: workload.warm_up.as_secs_f64(),
        planned_seconds: workload.load.duration().as_secs_f64(),
        drain_seconds: workload.drain.as_secs_f64(),
    };
    let results = generator::results(
        played,
        workload,
        scenario,
        Machine::default(),
        String::new(),
    );
    assert!(results.counts.is_complete(), "{:?}", results.counts);
    results
}
