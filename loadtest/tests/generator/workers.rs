//! The load does not depend on the number of workers: one, two and four send the same requests of the same citizens.

use std::sync::Mutex;

use launchday::{
    schedule::{Phase, Schedule, Spacing},
    weighted::Weighted,
    workload::{Load, Tenant, Workload},
};

use super::{
    journey, play, settings,
    target::{Deed, Request, Target, answer},
    workload,
};

/// What the target was asked for.
static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn notes(request: &Request<'_>) -> Deed {
    ASKED.lock().unwrap().push(request.path.to_owned());
    Deed::Answer(answer(200, "", "ok"))
}

fn citizens_of_three(address: std::net::SocketAddr) -> Workload {
    let mut workload = workload(address, 0.0, 0.0);
    let phase = Phase::constant(400.0, std::time::Duration::from_secs(1));
    workload.load = Load::Open(Schedule::new(vec![phase], Spacing::Poisson, 7));
    let paths = [
        "/{tenant.ars}/{citizen}/form",
        "/{tenant.ars}/{citizen}/send",
    ];
    workload.journeys = vec![journey(&workload.target.authority, &paths)];
    workload.tenants = ["one", "two", "three"]
        .map(|key| Tenant {
            key: key.to_owned(),
            name: key.to_owned(),
            land: String::new(),
            population: None,
            weight: 1.0,
            entitlement: 1.0,
        })
        .to_vec();
    workload.tenants_drawn = Weighted::new([1.0, 1.0, 1.0]);
    workload
}

#[test]
fn one_two_and_four_workers_send_the_same_requests_of_the_same_citizens_and_tenants() {
    let target = Target::start(notes);
    let workload = citizens_of_three(target.address);
    let runs = [1, 2, 4].map(|workers| {
        let results = play(&workload, &settings(workers, 16));
        let mut asked = std::mem::take(&mut *ASKED.lock().unwrap());
        asked.sort_unstable();
        let tenants: Vec<u64> = results
            .tenants
            .iter()
            .map(|tenant| tenant.counts.answered)
            .collect();
        let sent: u64 = results.workers.iter().map(|worker| worker.sent).sum();
        (asked, tenants, sent, results.counts, results.response.count)
    });
    assert!(runs[0].0.len() > 600, "{}", runs[0].0.len());
    assert_eq!(runs[0].4, runs[0].0.len() as u64);
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}
