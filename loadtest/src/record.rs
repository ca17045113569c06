//! What one worker notes down while it runs, bounded whatever the run's length and rate, and merged exactly afterwards.
//!
//! Three digits for totals, two for step × size class, count, sum and maximum for each tenant: a histogram for each of
//! 10,751 tenants would take gigabytes. Histograms of equal bounds add up bucket for bucket, so that four workers report
//! what one would have.

mod seconds;
mod spread;
#[cfg(test)]
mod tests;

use crate::{
    citizen::{Citizen, Fate, JourneyEnd},
    clock::nanoseconds,
    results::{Counts, Reason, SizeClass},
    workload::Workload,
};

pub(crate) use seconds::{ProcessorTime, SecondRecord, Seconds};
pub(crate) use spread::Spread;

/// Statuses that are counted one by one: whatever has three digits, since some appliances answer with 999.
const STATUSES: usize = 1_000;

/// One request at its end. Times in nanoseconds since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) fate: Fate,
    /// When the first byte was written; none if nothing was.
    pub(crate) written: Option<u64>,
    pub(crate) at: u64,
    /// Whether the generator got round to it at all.
    pub(crate) taken_up: bool,
    /// Status of the answer, whether or not the step accepts it; 0: no answer.
    pub(crate) status: u16,
    /// Bytes of the answer's body.
    pub(crate) received_bytes: u64,
}

/// What a request leaves beside its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remainder {
    /// When it was planned, nanoseconds since the start.
    pub(crate) plan: u64,
    /// Of its body, which counts as sent when it begins, what never left or was not taken for begun.
    pub(crate) unsent_bytes: u64,
    /// Of the body of an answer that broke off, what arrived.
    pub(crate) received_bytes: u64,
}

/// One tenant's figures.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TenantRecord {
    pub(crate) counts: Counts,
    pub(crate) response_sum: u64,
    pub(crate) response_max: u64,
}

/// One step's, for one size class.
#[derive(Debug, Clone)]
pub(crate) struct StepRecord {
    pub(crate) counts: Counts,
    pub(crate) response: Spread,
    pub(crate) censored: Spread,
}

impl Default for StepRecord {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            response: Spread::coarse(),
            censored: Spread::coarse(),
        }
    }
}

/// One journey's.
#[derive(Debug, Clone)]
pub(crate) struct JourneyRecord {
    pub(crate) started: u64,
    pub(crate) completed: u64,
    pub(crate) abandoned: u64,
    pub(crate) failed: u64,
    pub(crate) unfinished: u64,
    pub(crate) came_back: u64,
    pub(crate) requests: u64,
    pub(crate) duration: Spread,
}

/// Everything that a worker notes down.
#[derive(Debug)]
pub(crate) struct Record {
    /// End of the warm-up.
    counts_from: u64,
    /// For each journey, the place of its first step among all.
    first_steps: Vec<usize>,
    classes: Vec<SizeClass>,
    pub(crate) warm_up: Counts,
    pub(crate) counts: Counts,
    pub(crate) reasons: [u64; Reason::ALL.len()],
    pub(crate) statuses: Vec<u64>,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) sent: u64,
    pub(crate) response: Spread,
    pub(crate) service: Spread,
    pub(crate) own_lag: Spread,
    pub(crate) connection_wait: Spread,
    pub(crate) read_lag: Spread,
    pub(crate) unanswered_after: Spread,
    pub(crate) timed_out_after: Spread,
    pub(crate) abandoned_after: Spread,
    /// Step × class, made when first needed.
    pub(crate) steps: Vec<Option<Box<StepRecord>>>,
    pub(crate) tenants: Vec<TenantRecord>,
    pub(crate) journeys: Vec<JourneyRecord>,
    pub(crate) seconds: Seconds,
}

impl Record {
    /// An empty record of this workload.
    pub(crate) fn new(workload: &Workload) -> Self {
        let mut first_steps = Vec::new();
        let mut steps = 0;
        for journey in &workload.journeys {
            first_steps.push(steps);
            steps += journey.steps.len();
        }
        let tenants = 0..u32::try_from(workload.tenants.len()).unwrap_or(u32::MAX);
        let journey = JourneyRecord {
            started: 0,
            completed: 0,
            abandoned: 0,
            failed: 0,
            unfinished: 0,
            came_back: 0,
            requests: 0,
            duration: Spread::coarse(),
        };
        Self {
            counts_from: nanoseconds(workload.warm_up),
            first_steps,
            classes: tenants.map(|tenant| workload.class_of(tenant)).collect(),
            warm_up: Counts::default(),
            counts: Counts::default(),
            reasons: [0; Reason::ALL.len()],
            statuses: vec![0; STATUSES],
            received_bytes: 0,
            sent_bytes: 0,
            sent: 0,
            response: Spread::fine(),
            service: Spread::fine(),
            own_lag: Spread::fine(),
            connection_wait: Spread::fine(),
            read_lag: Spread::fine(),
            unanswered_after: Spread::fine(),
            timed_out_after: Spread::fine(),
            abandoned_after: Spread::fine(),
            steps: (0..steps * SizeClass::ALL.len()).map(|_| None).collect(),
            tenants: vec![TenantRecord::default(); workload.tenants.len()],
            journeys: vec![journey; workload.journeys.len()],
            seconds: Seconds::default(),
        }
    }

    /// Whether a request planned then is in the warm-up.
    const fn is_warm_up(&self, plan: u64) -> bool {
        plan < self.counts_from
    }

    /// A citizen set out.
    pub(crate) fn start_journey(&mut self, citizen: &Citizen) {
        if !self.is_warm_up(citizen.started())
            && let Some(journey) = self.journeys.get_mut(usize::from(citizen.journey))
        {
            journey.started += 1;
        }
    }

    /// A citizen's journey is over.
    pub(crate) fn end_journey(&mut self, citizen: &Citizen, end: JourneyEnd, at: u64) {
        if self.is_warm_up(citizen.started()) {
            return;
        }
        let Some(journey) = self.journeys.get_mut(usize::from(citizen.journey)) else {
            return;
        };
        journey.came_back += u64::from(citizen.came_back());
        match end {
            JourneyEnd::Completed => {
                journey.completed += 1;
                journey
                    .duration
                    .record(at.saturating_sub(citizen.started()));
            }
            JourneyEnd::Abandoned => journey.abandoned += 1,
            JourneyEnd::Failed => journey.failed += 1,
            JourneyEnd::Unfinished => journey.unfinished += 1,
        }
    }

    /// A request was due and is ready to be sent.
    pub(crate) fn take_up(&mut self, citizen: &Citizen, ready: u64) {
        let lag = ready.saturating_sub(citizen.plan);
        self.seconds.take_up(citizen.plan, ready, lag);
        if self.is_warm_up(citizen.plan) {
            return;
        }
        self.own_lag.record(lag);
        if let Some(journey) = self.journeys.get_mut(usize::from(citizen.journey)) {
            journey.requests += 1;
        }
    }

    /// The first byte of a request was written.
    pub(crate) fn send(&mut self, citizen: &Citizen, ready: u64, written: u64) {
        self.seconds.send(written);
        self.sent += 1;
        if !self.is_warm_up(citizen.plan) {
            self.connection_wait.record(written.saturating_sub(ready));
        }
    }

    /// Bytes of a request's body were written.
    pub(crate) const fn note_sent_bytes(&mut self, plan: u64, bytes: u64) {
        if !self.is_warm_up(plan) {
            self.sent_bytes += bytes;
        }
    }

    /// A request ended before it was sent whole, or without a whole answer.
    pub(crate) const fn note_remainder(&mut self, remainder: Remainder) {
        if !self.is_warm_up(remainder.plan) {
            self.sent_bytes = self.sent_bytes.saturating_sub(remainder.unsent_bytes);
            self.received_bytes += remainder.received_bytes;
        }
    }

    /// An answer was handled so long after it had arrived, at most.
    pub(crate) fn note_read_lag(&mut self, plan: u64, lag: u64) {
        if !self.is_warm_up(plan) {
            self.read_lag.record(lag);
        }
    }

    /// A request ended.
    pub(crate) fn end(&mut self, citizen: &Citizen, ending: &Ending) {
        self.seconds.end(citizen.plan, ending);
        let mut counts = Counts {
            scheduled: 1,
            ..Counts::default()
        };
        match ending.fate {
            Fate::Answered => counts.answered = 1,
            Fate::Failed(_) => counts.failed = 1,
            Fate::Abandoned => counts.abandoned = 1,
            Fate::Unanswered => counts.unanswered = 1,
            Fate::NotSent(_) => counts.not_sent = 1,
        }
        if self.is_warm_up(citizen.plan) {
            self.warm_up.add(&counts);
            return;
        }
        self.counts.add(&counts);
        self.received_bytes += ending.received_bytes;
        if let Fate::Failed(reason) | Fate::NotSent(reason) = ending.fate
            && let Some(count) = self.reasons.get_mut(reason as usize)
        {
            *count += 1;
        }
        if let Some(count) = self.statuses.get_mut(usize::from(ending.status)) {
            *count += u64::from(ending.status != 0);
        }
        let response = ending.at.saturating_sub(citizen.plan);
        self.time(response, ending);
        self.end_of_tenant(citizen, &counts, response);
        self.end_of_step(citizen, &counts, response, ending.fate);
    }

    fn time(&mut self, response: u64, ending: &Ending) {
        match ending.fate {
            Fate::Answered => {
                self.response.record(response);
                if let Some(written) = ending.written {
                    self.service.record(ending.at.saturating_sub(written));
                }
            }
            Fate::Unanswered => self.unanswered_after.record(response),
            Fate::Abandoned => self.abandoned_after.record(response),
            Fate::Failed(reason) if is_too_late(reason) => self.timed_out_after.record(response),
            Fate::Failed(_) | Fate::NotSent(_) => {}
        }
    }

    fn end_of_tenant(&mut self, citizen: &Citizen, counts: &Counts, response: u64) {
        if let Some(tenant) = self.tenants.get_mut(citizen.tenant as usize) {
            tenant.counts.add(counts);
            if counts.answered > 0 {
                tenant.response_sum = tenant.response_sum.saturating_add(response);
                tenant.response_max = tenant.response_max.max(response);
            }
        }
    }

    fn end_of_step(&mut self, citizen: &Citizen, counts: &Counts, response: u64, fate: Fate) {
        let Some(first) = self.first_steps.get(usize::from(citizen.journey)) else {
            return;
        };
        let class = self.classes.get(citizen.tenant as usize);
        let class = *class.unwrap_or(&SizeClass::Other) as usize;
        let place = (first + usize::from(citizen.step)) * SizeClass::ALL.len() + class;
        let Some(step) = self.steps.get_mut(place) else {
            return;
        };
        let step = step.get_or_insert_default();
        step.counts.add(counts);
        match fate {
            Fate::Answered => step.response.record(response),
            Fate::Unanswered | Fate::Abandoned => step.censored.record(response),
            Fate::Failed(reason) if is_too_late(reason) => step.censored.record(response),
            Fate::Failed(_) | Fate::NotSent(_) => {}
        }
    }

    /// A citizen was to set out and did not, by the generator's fault or because the run was ended.
    pub(crate) fn never_set_out(&mut self, citizen: &Citizen, reason: Reason, at: u64) {
        self.start_journey(citizen);
        let ending = Ending {
            fate: Fate::NotSent(reason),
            written: None,
            at,
            taken_up: false,
            status: 0,
            received_bytes: 0,
        };
        self.end(citizen, &ending);
        self.end_journey(citizen, JourneyEnd::Unfinished, at);
    }

    /// Adds what another worker noted down about the same workload.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.warm_up.add(&other.warm_up);
        self.counts.add(&other.counts);
        add_all(&mut self.reasons, &other.reasons);
        add_all(&mut self.statuses, &other.statuses);
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.sent += other.sent;
        for (mine, theirs) in self.spreads_mut().into_iter().zip(other.spreads()) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            if let Some(theirs) = theirs {
                let mine = mine.get_or_insert_default();
                mine.counts.add(&theirs.counts);
                mine.response.merge(&theirs.response);
                mine.censored.merge(&theirs.censored);
            }
        }
        for (mine, theirs) in self.tenants.iter_mut().zip(&other.tenants) {
            mine.counts.add(&theirs.counts);
            mine.response_sum = mine.response_sum.saturating_add(theirs.response_sum);
            mine.response_max = mine.response_max.max(theirs.response_max);
        }
        for (mine, theirs) in self.journeys.iter_mut().zip(&other.journeys) {
            mine.merge(theirs);
        }
        self.seconds.merge(&other.seconds);
    }

    const fn spreads(&self) -> [&Spread; 8] {
        [
            &self.response,
            &self.service,
            &self.own_lag,
            &self.connection_wait,
            &self.read_lag,
            &self.unanswered_after,
            &self.timed_out_after,
            &self.abandoned_after,
        ]
    }

    const fn spreads_mut(&mut self) -> [&mut Spread; 8] {
        [
            &mut self.response,
            &mut self.service,
            &mut self.own_lag,
            &mut self.connection_wait,
            &mut self.read_lag,
            &mut self.unanswered_after,
            &mut self.timed_out_after,
            &mut self.abandoned_after,
        ]
    }
}

impl JourneyRecord {
    fn merge(&mut self, other: &Self) {
        self.started += other.started;
        self.completed += other.completed;
        self.abandoned += other.abandoned;
        self.failed += other.failed;
        self.unfinished += other.unfinished;
        self.came_back += other.came_back;
        self.requests += other.requests;
        self.duration.merge(&other.duration);
    }
}

/// Whether the answer may still have been on its way: then the time is a lower bound of the response.
const fn is_too_late(reason: Reason) -> bool {
    matches!(reason, Reason::Timeout | Reason::Deadline)
}

fn add_all(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}
