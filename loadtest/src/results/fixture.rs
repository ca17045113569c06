//! Results for tests: a small synthetic service, played by its own rules. No clock, no sockets.

use super::{
    Connections, Counts, Ending, JourneyResult, Latencies, Machine, Mode, PoolSecond, Reason,
    ReasonCount, Results, SCHEMA_VERSION, ScenarioIdentity, Second, SizeClass, StatusCount,
    StepResult, TenantResult, Tool, WorkerResult, WorkerSecond,
};

/// A second in nanoseconds.
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// What one request does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// Answered after so many nanoseconds.
    After(u64),
    /// Failed at once.
    Fails(Reason),
    /// Never answered; the drain ends after so many nanoseconds.
    Never(u64),
    /// The citizen left after so many nanoseconds.
    Leaves(u64),
}

/// Plays `seconds` × `rate` evenly spaced requests over `tenants` tenants (name, Land, population), each in turn;
/// `fate(request, plan_ns)` says what happens.
pub(crate) fn play(
    seconds: u64,
    rate: u64,
    tenants: &[(&str, &str, u64)],
    fate: impl Fn(u64, u64) -> Fate,
) -> Results {
    let mut results = empty(seconds);
    let mut kept = Kept::default();
    results.tenants = tenants.iter().map(tenant).collect();
    results.seconds = (0..seconds.max(1)).map(second).collect();
    for request in 0..seconds * rate {
        let plan_ns = request * SECOND_NS / rate;
        let index = usize::try_from(request).unwrap() % tenants.len().max(1);
        kept.take(&mut results, index, plan_ns, fate(request, plan_ns));
    }
    kept.finish(&mut results);
    results
}

/// Sums that become distributions at the end.
#[derive(Default)]
struct Kept {
    response: Vec<u64>,
    unanswered: Vec<u64>,
    abandoned: Vec<u64>,
    by_second: Vec<Vec<u64>>,
    gave_up_by_second: Vec<Vec<u64>>,
    unanswered_by_second: Vec<Vec<u64>>,
}

impl Kept {
    fn take(&mut self, results: &mut Results, tenant: usize, plan_ns: u64, fate: Fate) {
        let mut counts = Counts {
            scheduled: 1,
            ..Counts::default()
        };
        let last = results.seconds.len() - 1;
        for by_second in [
            &mut self.by_second,
            &mut self.gave_up_by_second,
            &mut self.unanswered_by_second,
        ] {
            by_second.resize(last + 1, Vec::new());
        }
        let planned = usize::try_from(plan_ns / SECOND_NS).unwrap().min(last);
        results.seconds[planned].offered += 1;
        results.seconds[planned].sent += 1;
        match fate {
            Fate::After(ns) => {
                counts.answered = 1;
                let ended = usize::try_from((plan_ns + ns) / SECOND_NS)
                    .unwrap()
                    .min(last);
                results.seconds[ended].answered += 1;
                self.by_second[ended].push(ns);
                self.response.push(ns);
            }
            Fate::Fails(reason) => {
                counts.failed = 1;
                results.seconds[planned].failed += 1;
                match results
                    .reasons
                    .iter_mut()
                    .find(|entry| entry.reason == reason)
                {
                    Some(entry) => entry.count += 1,
                    None => results.reasons.push(ReasonCount { reason, count: 1 }),
                }
            }
            Fate::Never(ns) => {
                counts.unanswered = 1;
                self.unanswered_by_second[planned].push(ns);
                self.unanswered.push(ns);
            }
            Fate::Leaves(ns) => {
                counts.abandoned = 1;
                let left = usize::try_from((plan_ns + ns) / SECOND_NS)
                    .unwrap()
                    .min(last);
                results.seconds[left].abandoned += 1;
                self.gave_up_by_second[left].push(ns);
                self.abandoned.push(ns);
            }
        }
        results.counts.add(&counts);
        if let Some(tenant) = results.tenants.get_mut(tenant) {
            tenant.counts.add(&counts);
            if let Fate::After(ns) = fate {
                tenant.response_sum_ns += ns;
                tenant.response_max_ns = tenant.response_max_ns.max(ns);
            }
        }
    }

    fn finish(self, results: &mut Results) {
        results.response = Latencies::from_values(self.response);
        results.service = results.response.clone();
        results.unanswered_after = Latencies::from_values(self.unanswered);
        results.abandoned_after = Latencies::from_values(self.abandoned);
        results.own_lag = Latencies::from_values(vec![20_000; 100]);
        for (second, values) in results.seconds.iter_mut().zip(self.by_second) {
            second.response = Latencies::from_values(values);
        }
        for (second, values) in results.seconds.iter_mut().zip(self.gave_up_by_second) {
            second.gave_up_after = Latencies::from_values(values);
        }
        for (second, values) in results.seconds.iter_mut().zip(self.unanswered_by_second) {
            second.unanswered_after = Latencies::from_values(values);
        }
        results.statuses = vec![StatusCount {
            status: 200,
            count: results.counts.answered,
        }];
        for class in SizeClass::ALL {
            let mut counts = Counts::default();
            for tenant in results.tenants.iter().filter(|t| t.class() == class) {
                counts.add(&tenant.counts);
            }
            if counts.scheduled > 0 {
                results.steps.push(StepResult {
                    journey: "antrag".to_owned(),
                    step: "start <page>".to_owned(),
                    class,
                    counts,
                    response: results.response.clone(),
                    censored: results.censored(),
                });
            }
        }
    }
}

fn second(at: u64) -> Second {
    Second {
        at_seconds: i64::try_from(at).unwrap(),
        workers: vec![WorkerSecond {
            busy_share: 0.3,
            run_delay_share: Some(0.001),
        }],
        pool: Some(PoolSecond {
            replicas_ready: 1 + at / 10,
            replicas_wanted: 2 + at / 10,
            waiting: at % 7,
            in_flight: 3,
        }),
        ..Second::default()
    }
}

fn tenant((name, land, population): &(&str, &str, u64)) -> TenantResult {
    TenantResult {
        key: format!("{population:012}"),
        name: (*name).to_owned(),
        land: (*land).to_owned(),
        population: Some(*population),
        weight: 1.0,
        entitlement: 1.0,
        counts: Counts::default(),
        response_sum_ns: 0,
        response_max_ns: 0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a test")]
fn empty(seconds: u64) -> Results {
    Results {
        schema_version: SCHEMA_VERSION,
        tool: Tool {
            name: "launchday".to_owned(),
            version: "0.1.0".to_owned(),
            commit: "unknown".to_owned(),
        },
        machine: Machine::default(),
        scenario: ScenarioIdentity {
            name: "a test & its <scenario>".to_owned(),
            sha256: String::new(),
            seed: 1,
            mode: Mode::Open,
            target: "http://127.0.0.1:8080".to_owned(),
            scale: 1.0,
            warm_up_seconds: 0.0,
            planned_seconds: seconds as f64,
            drain_seconds: 5.0,
        },
        started: "2026-11-25T08:00:00Z".to_owned(),
        duration_seconds: seconds as f64,
        ending: Ending::Complete,
        warm_up: Counts::default(),
        counts: Counts::default(),
        reasons: Vec::new(),
        statuses: Vec::new(),
        received_bytes: 0,
        sent_bytes: 0,
        response: Latencies::default(),
        service: Latencies::default(),
        own_lag: Latencies::default(),
        connection_wait: Latencies::default(),
        read_lag: Latencies::default(),
        unanswered_after: Latencies::default(),
        timed_out_after: Latencies::default(),
        abandoned_after: Latencies::default(),
        seconds: Vec::new(),
        steps: Vec::new(),
        tenants: Vec::new(),
        journeys: vec![JourneyResult {
            journey: "antrag".to_owned(),
            started: 10,
            completed: 9,
            abandoned: 1,
            failed: 0,
            unfinished: 0,
            came_back: 0,
            requests: 10,
            duration: Latencies::default(),
        }],
        workers: vec![WorkerResult {
            run_delay_ns: Some(0),
            wall_ns: seconds * SECOND_NS,
            ..WorkerResult::default()
        }],
        connections: Some(Connections::default()),
        simulation: None,
        thresholds: Vec::new(),
        verdict: None,
    }
}
