//! From the workers' records to one result that says everything and judges nothing.

use std::collections::VecDeque;

use super::{Finished, Played};
use crate::{
    record::{Record, SecondRecord},
    results::{
        Connections, JourneyResult, Latencies, Machine, Reason, ReasonCount, Results,
        SCHEMA_VERSION, ScenarioIdentity, Second, SizeClass, StatusCount, StepResult, TenantResult,
        Tool, WorkerResult, WorkerSecond, counts::ratio,
    },
    workload::Workload,
};

/// Seconds that not every worker has ended yet, and those that are complete.
#[derive(Debug)]
pub(super) struct SecondsSoFar {
    workers: usize,
    warm_up: i64,
    /// The first second in `open`.
    first: u64,
    open: VecDeque<Vec<Option<SecondRecord>>>,
    complete: Vec<Second>,
}

impl SecondsSoFar {
    pub(super) fn new(workers: u32, workload: &Workload) -> Self {
        Self {
            workers: workers as usize,
            warm_up: i64::try_from(workload.warm_up.as_secs()).unwrap_or(i64::MAX),
            first: 0,
            open: VecDeque::new(),
            complete: Vec::new(),
        }
    }

    /// A worker ended a second; `see` gets each second that is complete by that.
    pub(super) fn add(
        &mut self,
        worker: u32,
        second: u64,
        record: &SecondRecord,
        mut see: impl FnMut(&Second),
    ) {
        let Some(index) = second
            .checked_sub(self.first)
            .and_then(|ahead| usize::try_from(ahead).ok())
        else {
            return;
        };
        while self.open.len() <= index {
            self.open.push_back(vec![None; self.workers]);
        }
        if let Some(place) = self
            .open
            .get_mut(index)
            .and_then(|workers| workers.get_mut(worker as usize))
        {
            *place = Some(record.clone());
        }
        while let Some(done) = self
            .open
            .pop_front_if(|workers| workers.iter().all(Option::is_some))
        {
            see(self.close(&done));
        }
    }

    fn close(&mut self, workers: &[Option<SecondRecord>]) -> &Second {
        let at = i64::try_from(self.first)
            .unwrap_or(i64::MAX)
            .saturating_sub(self.warm_up);
        self.first += 1;
        let merged = merge_workers(at, workers);
        self.complete.push_mut(merged)
    }

    /// All of them; a worker that ended before others counts as idle after that. What was taken up late, or never, counts
    /// as offered in the second of its plan, which was over by then: so that comes from the merged record, as what was never
    /// answered does.
    pub(super) fn finish(mut self, record: &Record) -> Vec<Second> {
        while let Some(workers) = self.open.pop_front() {
            self.close(&workers);
        }
        for (second, merged) in self.complete.iter_mut().zip(record.seconds.list()) {
            second.offered = merged.offered;
            second.not_sent = merged.not_sent;
        }
        put_unanswered(&mut self.complete, record);
        self.complete
    }
}

/// Notes in each second what was planned in it and never answered; `seconds` are all of them from the start of the warm-up.
pub(crate) fn put_unanswered(seconds: &mut [Second], record: &Record) {
    for (at, unanswered) in record.seconds.unanswered_by_plan() {
        if let Some(second) = seconds.get_mut(at) {
            second.unanswered_after = unanswered;
        }
    }
}

fn merge_workers(at_seconds: i64, workers: &[Option<SecondRecord>]) -> Second {
    let mut sum = SecondRecord::default();
    let mut loads = Vec::with_capacity(workers.len());
    for worker in workers {
        let worker = worker.clone().unwrap_or_default();
        sum.add(&worker);
        let share = |part| ratio(part, worker.length.max(1)).min(1.0);
        loads.push(WorkerSecond {
            busy_share: share(worker.processor.busy),
            run_delay_share: worker.processor.run_delay.map(share),
        });
    }
    Second {
        at_seconds,
        offered: sum.offered,
        sent: sum.sent,
        answered: sum.answered,
        failed: sum.failed,
        abandoned: sum.abandoned,
        not_sent: sum.not_sent,
        in_flight: sum.in_flight,
        waiting: sum.waiting,
        response: sum.response,
        gave_up_after: sum.gave_up,
        unanswered_after: Latencies::default(),
        own_lag_max_ns: sum.own_lag_max,
        workers: loads,
        pool: None,
    }
}

pub(super) fn worker_result(finished: &Finished, processor: Option<u32>) -> WorkerResult {
    let total = finished.processor.total();
    WorkerResult {
        processor,
        sent: finished.record.sent,
        processor_ns: total.busy,
        run_delay_ns: total.run_delay,
        wall_ns: finished.wall,
    }
}

pub(super) const fn add_connections(sum: &mut Connections, one: &Connections) {
    sum.opened += one.opened;
    sum.open_max += one.open_max;
    sum.reused += one.reused;
    sum.tls_full += one.tls_full;
    sum.tls_resumed += one.tls_resumed;
    sum.held_back += one.held_back;
}

/// The result of what was played, not judged yet. `started` is UTC, RFC 3339.
pub fn results(
    played: Played,
    workload: &Workload,
    scenario: ScenarioIdentity,
    machine: Machine,
    started: String,
) -> Results {
    let record = &played.record;
    let duration = workload.load.duration().saturating_sub(workload.warm_up);
    Results {
        schema_version: SCHEMA_VERSION,
        tool: Tool {
            name: "launchday".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("LAUNCHDAY_COMMIT")
                .unwrap_or("unknown")
                .to_owned(),
        },
        machine,
        scenario,
        started,
        duration_seconds: played_seconds(&played.seconds, duration.as_secs_f64(), &played.ending),
        warm_up: record.warm_up,
        counts: record.counts,
        reasons: reasons(record),
        statuses: statuses(record),
        received_bytes: record.received_bytes,
        sent_bytes: record.sent_bytes,
        response: record.response.latencies(),
        service: record.service.latencies(),
        own_lag: record.own_lag.latencies(),
        connection_wait: record.connection_wait.latencies(),
        read_lag: record.read_lag.latencies(),
        unanswered_after: record.unanswered_after.latencies(),
        timed_out_after: record.timed_out_after.latencies(),
        abandoned_after: record.abandoned_after.latencies(),
        steps: steps(record, workload),
        tenants: tenants(record, workload),
        journeys: journeys(record, workload),
        connections: Some(played.connections),
        simulation: None,
        thresholds: Vec::new(),
        verdict: None,
        ending: played.ending,
        seconds: played.seconds,
        workers: played.workers,
    }
}

/// A run that was ended early lasted until its last second.
fn played_seconds(seconds: &[Second], planned: f64, ending: &crate::results::Ending) -> f64 {
    if *ending == crate::results::Ending::Complete {
        return planned;
    }
    let last = seconds.last().map_or(0, |second| second.at_seconds + 1);
    f64::from(i32::try_from(last.max(0)).unwrap_or(i32::MAX)).min(planned)
}

fn reasons(record: &Record) -> Vec<ReasonCount> {
    let counted = Reason::ALL.into_iter().zip(record.reasons);
    let mut reasons: Vec<ReasonCount> = counted
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| ReasonCount { reason, count })
        .collect();
    reasons.sort_by_key(|entry| std::cmp::Reverse(entry.count));
    reasons
}

fn statuses(record: &Record) -> Vec<StatusCount> {
    (0..)
        .zip(record.statuses.iter().copied())
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| StatusCount { status, count })
        .collect()
}

fn steps(record: &Record, workload: &Workload) -> Vec<StepResult> {
    let named = workload.journeys.iter().flat_map(|journey| {
        let steps = journey.steps.iter();
        steps.flat_map(|step| {
            let names = (&journey.name, &step.name);
            SizeClass::ALL.into_iter().map(move |class| (names, class))
        })
    });
    named
        .zip(&record.steps)
        .filter_map(|(((journey, step), class), record)| {
            let record = record.as_ref()?;
            Some(StepResult {
                journey: journey.clone(),
                step: step.clone(),
                class,
                counts: record.counts,
                response: record.response.latencies(),
                censored: record.censored.latencies(),
            })
        })
        .collect()
}

fn tenants(record: &Record, workload: &Workload) -> Vec<TenantResult> {
    let both = workload.tenants.iter().zip(&record.tenants);
    both.map(|(tenant, record)| TenantResult {
        key: tenant.key.clone(),
        name: tenant.name.clone(),
        land: tenant.land.clone(),
        population: tenant.population,
        weight: tenant.weight,
        entitlement: tenant.entitlement,
        counts: record.counts,
        response_sum_ns: record.response_sum,
        response_max_ns: record.response_max,
    })
    .collect()
}

fn journeys(record: &Record, workload: &Workload) -> Vec<JourneyResult> {
    let both = workload.journeys.iter().zip(&record.journeys);
    both.map(|(journey, record)| JourneyResult {
        journey: journey.name.clone(),
        started: record.started,
        completed: record.completed,
        abandoned: record.abandoned,
        failed: record.failed,
        unfinished: record.unfinished,
        came_back: record.came_back,
        requests: record.requests,
        duration: record.duration.latencies(),
    })
    .collect()
}
