//! Merging is exact: what several workers noted down adds up to what one would have.

use proptest::prelude::*;

use super::*;
use crate::{
    weighted::Weighted,
    workload::{Tenant, fixture},
};

/// One request: whose it is, which worker's, and its times in nanoseconds.
#[derive(Debug, Clone)]
struct Request {
    citizen: u64,
    worker: usize,
    plan: u64,
    lag: u64,
    wait: u64,
    service: u64,
    fate: Fate,
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let fates = prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::Failed(Reason::Timeout)),
        1 => Just(Fate::Failed(Reason::Reset)),
        1 => Just(Fate::Abandoned),
        1 => Just(Fate::Unanswered),
    ];
    let times = (
        0..3_000_000_000_u64,
        0..1_000_000_u64,
        0..90_000_000_000_u64,
    );
    let request = (0..4_usize, times, 0..8_000_000_000_u64, fates);
    let request = request.prop_map(|(worker, (plan, lag, wait), service, fate)| Request {
        citizen: plan,
        worker,
        plan,
        lag,
        wait,
        service,
        fate,
    });
    prop::collection::vec(request, 0..200)
}

fn workload() -> Workload {
    let tenant = |key: &str, population| Tenant {
        key: key.to_owned(),
        name: key.to_owned(),
        land: String::new(),
        population: Some(population),
        weight: 1.0,
        entitlement: 1.0,
    };
    let mut workload = fixture::workload(&["/a", "/b"]);
    workload.warm_up = std::time::Duration::from_secs(1);
    workload.tenants = vec![tenant("small", 900), tenant("large", 900_000)];
    workload.tenants_drawn = Weighted::new([1.0, 3.0]);
    workload
}

fn note(record: &mut Record, request: &Request, workload: &Workload) {
    let citizen = Citizen::arrive(request.citizen, request.plan, workload);
    let ready = request.plan + request.lag;
    let written = ready + request.wait;
    record.start_journey(&citizen);
    record.take_up(&citizen, ready);
    record.send(&citizen, ready, written);
    record.note_read_lag(request.plan, request.lag);
    let answered = request.fate == Fate::Answered;
    record.end(
        &citizen,
        &Ending {
            fate: request.fate,
            written: Some(written),
            at: written + request.service,
            taken_up: true,
            status: if answered { 200 } else { 0 },
            received_bytes: u64::from(answered) * 7,
        },
    );
    record.end_journey(&citizen, JourneyEnd::Completed, written + request.service);
}

/// Everything that a result is made of.
fn figures(record: &Record) -> String {
    let spreads = record.spreads().map(Spread::latencies);
    let steps = record.steps.iter().flatten();
    let steps: Vec<_> = steps
        .map(|step| {
            (
                step.counts,
                step.response.latencies(),
                step.censored.latencies(),
            )
        })
        .collect();
    let journeys = record.journeys.iter();
    let journeys: Vec<_> = journeys
        .map(|journey| {
            (
                journey.started,
                journey.requests,
                journey.duration.latencies(),
            )
        })
        .collect();
    let (totals, tenants) = (
        (record.warm_up, record.counts, record.sent),
        &record.tenants,
    );
    let seconds = record.seconds.list().iter();
    let seconds: Vec<_> = seconds
        .map(|second| (second.offered, second.sent))
        .collect();
    let seconds = (seconds, record.seconds.unanswered_by_plan());
    let statuses = (&record.reasons, &record.statuses, record.received_bytes);
    format!("{totals:?} {spreads:?} {steps:?} {journeys:?} {tenants:?} {seconds:?} {statuses:?}")
}

#[test]
fn who_was_never_answered_is_told_by_the_second_of_the_plan_and_who_gave_up_by_that_of_the_end() {
    let workload = workload();
    let mut record = Record::new(&workload);
    let mut request = |plan, service, fate| {
        let request = Request {
            citizen: plan,
            worker: 0,
            plan,
            lag: 0,
            wait: 0,
            service,
            fate,
        };
        note(&mut record, &request, &workload);
    };
    request(1_500_000_000, 6_000_000_000, Fate::Unanswered);
    request(2_500_000_000, 5_000_000_000, Fate::Unanswered);
    request(2_600_000_000, 4_900_000_000, Fate::Unanswered);
    request(1_000_000_000, 2_000_000_000, Fate::Abandoned);
    request(1_000_000_000, 2_000_000_000, Fate::Failed(Reason::Timeout));
    request(1_000_000_000, 1_000, Fate::Failed(Reason::Reset));
    let unanswered: Vec<(usize, u64)> = record
        .seconds
        .unanswered_by_plan()
        .into_iter()
        .map(|(second, after)| (second, after.count))
        .collect();
    assert_eq!(unanswered, [(1, 1), (2, 2)]);
    let closed = record
        .seconds
        .close(3_000_000_000, 0, ProcessorTime::default(), 1);
    assert_eq!(
        (closed.gave_up.count, closed.abandoned, closed.failed),
        (2, 1, 1)
    );
    assert!(closed.gave_up.min_ns >= 1_900_000_000);
}

proptest! {
    #[test]
    fn four_workers_merge_into_what_one_would_have_noted_bucket_for_bucket(requests in requests()) {
        let workload = workload();
        let mut one = Record::new(&workload);
        let mut four: Vec<Record> = (0..4).map(|_| Record::new(&workload)).collect();
        for request in &requests {
            note(&mut one, request, &workload);
            note(&mut four[request.worker], request, &workload);
        }
        let mut merged = Record::new(&workload);
        for record in &four {
            merged.merge(record);
        }
        prop_assert_eq!(figures(&merged), figures(&one));
    }
}

/// What HTTP allows is three digits (RFC 9110 §15), and 999 is what some appliances send.
#[test]
fn every_status_that_can_be_read_is_counted() {
    let workload = workload();
    let mut record = Record::new(&workload);
    for status in 100..1_000 {
        let citizen = Citizen::arrive(u64::from(status), 2_000_000_000, &workload);
        record.end(
            &citizen,
            &Ending {
                fate: Fate::Failed(Reason::UnexpectedStatus),
                written: Some(2_000_000_000),
                at: 2_100_000_000,
                taken_up: true,
                status,
                received_bytes: 0,
            },
        );
    }
    assert_eq!(record.statuses.iter().sum::<u64>(), record.counts.failed);
}
