//! Workloads for tests.

use std::time::Duration;

use super::{Body, Journey, Limits, Load, Step, Target, Template, Workload};
use crate::{
    distribution::Distribution,
    schedule::{Phase, Schedule, Spacing},
    weighted::Weighted,
};

/// One journey over `paths`, without thinking or patience; 100 arrivals in a second, at nobody.
pub(crate) fn workload(paths: &[&str]) -> Workload {
    let steps = paths
        .iter()
        .map(|path| Step {
            name: (*path).to_owned(),
            request: Template::new("GET", path, "target.example", &[], &Body::None),
            think: Distribution::Fixed(Duration::ZERO),
            expected: Vec::new(),
            redirects_max: 0,
        })
        .collect();
    let phases = vec![Phase::constant(100.0, Duration::from_secs(1))];
    Workload {
        load: Load::Open(Schedule::new(phases, Spacing::Even, 1)),
        warm_up: Duration::ZERO,
        drain: Duration::from_secs(1),
        seed: 1,
        journeys: vec![Journey {
            name: "journey".to_owned(),
            weight: 1.0,
            steps,
            patience: None,
            come_back: None,
            retries_max: 0,
            cookies: false,
            own_connection: false,
        }],
        journeys_drawn: Weighted::new([1.0]),
        tenants: Vec::new(),
        tenants_drawn: Weighted::new([]),
        target: Target {
            url: "http://target.example".to_owned(),
            authority: "target.example".to_owned(),
            addresses: Vec::new(),
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
