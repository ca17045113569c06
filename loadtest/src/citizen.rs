//! One citizen on a journey: what an answer, a failure or lost patience leads to. No clock, no sockets.
//!
//! A request is planned when its citizen would make it: at the arrival, after thinking, on a redirect, when `Retry-After`
//! is over, on coming back. From there its latency counts, and exactly one [`Fate`] ends it.

use crate::{
    clock::nanoseconds,
    draw::{Purpose, Stream},
    results::Reason,
    workload::{Journey, Step, Workload},
};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// With an answer that the step accepts, a followed redirect included.
    Answered,
    /// By the target's fault; an answer that the step does not accept included.
    Failed(Reason),
    /// The citizen left first.
    Abandoned,
    /// No answer until the end of the drain.
    Unanswered,
    /// By the generator's fault, or because the run was ended.
    NotSent(Reason),
}

/// How a journey ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JourneyEnd {
    /// After its last step.
    Completed,
    /// The citizen left and did not come back.
    Abandoned,
    /// A step failed.
    Failed,
    /// The run ended first.
    Unfinished,
}

/// What a citizen does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Makes the request that [`Citizen::step`] names at this time, nanoseconds since the start.
    Request(u64),
    /// Nothing more.
    End(JourneyEnd),
}

/// The parts of an answer that a citizen reacts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after_seconds: Option<u32>,
    /// Whether it has a `Location` that can be followed here.
    pub has_location: bool,
}

/// One citizen.
#[derive(Debug, Clone)]
pub struct Citizen {
    /// Addresses every draw.
    pub number: u64,
    /// Place in [`Workload::tenants`].
    pub tenant: u32,
    /// Place in [`Workload::journeys`].
    pub journey: u16,
    /// Place in the journey's steps.
    pub step: u16,
    /// When this request was planned, nanoseconds since the start.
    pub plan: u64,
    started: u64,
    /// Nanoseconds; [`u64::MAX`]: for ever.
    patience: u64,
    redirects: u8,
    retries: u16,
    returns: u16,
}

impl Citizen {
    /// Citizen `number`, who sets out at `at`.
    pub fn arrive(number: u64, at: u64, workload: &Workload) -> Self {
        let journey = workload.journey_of(number);
        let patience = workload
            .journeys
            .get(usize::from(journey))
            .and_then(|journey| journey.patience)
            .map_or(u64::MAX, |patience| {
                let mut stream = Stream::new(workload.seed, number, Purpose::Patience);
                nanoseconds(patience.draw(&mut stream))
            });
        Self {
            number,
            tenant: workload.tenant_of(number),
            journey,
            step: 0,
            plan: at,
            started: at,
            patience,
            redirects: 0,
            retries: 0,
            returns: 0,
        }
    }

    /// When the citizen leaves, unless the answer is there.
    pub const fn leaves_at(&self) -> u64 {
        self.plan.saturating_add(self.patience)
    }

    /// When the citizen set out.
    pub const fn started(&self) -> u64 {
        self.started
    }

    /// How often the citizen has come back, after leaving or after `Retry-After`.
    pub const fn came_back(&self) -> u16 {
        self.returns.saturating_add(self.retries)
    }

    /// Whether the request to make is a redirect that is followed.
    pub const fn is_redirected(&self) -> bool {
        self.redirects > 0
    }

    /// The journey being made.
    pub fn journey_in<'w>(&self, workload: &'w Workload) -> Option<&'w Journey> {
        workload.journeys.get(usize::from(self.journey))
    }

    /// The step being made.
    pub fn step_in<'w>(&self, workload: &'w Workload) -> Option<&'w Step> {
        self.journey_in(workload)?.steps.get(usize::from(self.step))
    }

    /// An answer came.
    pub fn receive(&mut self, reply: &Reply, now: u64, workload: &Workload) -> (Fate, Then) {
        let (Some(journey), Some(step)) = (self.journey_in(workload), self.step_in(workload))
        else {
            return (Fate::Answered, Then::End(JourneyEnd::Completed));
        };
        if follows(step, reply) {
            if self.redirects >= step.redirects_max {
                return self.fail(Reason::Redirects);
            }
            self.redirects += 1;
            return (Fate::Answered, self.request(now));
        }
        if let Some(reason) = objection(step, reply.status) {
            let retry = matches!(reply.status, 429 | 503) && self.retries < journey.retries_max;
            return match reply.retry_after_seconds.filter(|_| retry) {
                None => self.fail(reason),
                Some(seconds) => {
                    self.retries += 1;
                    let wait = u64::from(seconds) * 1_000_000_000;
                    self.redirects = 0;
                    (Fate::Failed(reason), self.request(now.saturating_add(wait)))
                }
            };
        }
        (Fate::Answered, self.go_on(now, workload))
    }

    /// The request failed.
    pub const fn fail(&mut self, reason: Reason) -> (Fate, Then) {
        (Fate::Failed(reason), Then::End(JourneyEnd::Failed))
    }

    /// Patience ran out.
    pub fn leave(&mut self, now: u64, workload: &Workload) -> (Fate, Then) {
        let end = Then::End(JourneyEnd::Abandoned);
        let Some(back) = self
            .journey_in(workload)
            .and_then(|journey| journey.come_back)
        else {
            return (Fate::Abandoned, end);
        };
        let mut stream = Stream::new(workload.seed, self.number, Purpose::ComeBack(self.returns));
        if self.returns >= back.times_max || stream.unit() >= back.share {
            return (Fate::Abandoned, end);
        }
        self.returns += 1;
        self.redirects = 0;
        let after = nanoseconds(back.after.draw(&mut stream));
        (Fate::Abandoned, self.request(now.saturating_add(after)))
    }

    /// To the next step, after thinking.
    fn go_on(&mut self, now: u64, workload: &Workload) -> Then {
        self.step += 1;
        self.redirects = 0;
        let Some(step) = self.step_in(workload) else {
            return Then::End(JourneyEnd::Completed);
        };
        let mut stream = Stream::new(workload.seed, self.number, Purpose::Think(self.step));
        let think = nanoseconds(step.think.draw(&mut stream));
        self.request(now.saturating_add(think))
    }

    const fn request(&mut self, at: u64) -> Then {
        self.plan = at;
        Then::Request(at)
    }
}

fn follows(step: &Step, reply: &Reply) -> bool {
    matches!(reply.status, 301 | 302 | 303 | 307 | 308)
        && step.redirects_max > 0
        && !step.expected.contains(&reply.status)
        && reply.has_location
}

/// Why the step does not accept this status.
fn objection(step: &Step, status: u16) -> Option<Reason> {
    let accepted = if step.expected.is_empty() {
        (200..300).contains(&status) || (status < 400 && step.redirects_max == 0)
    } else {
        step.expected.contains(&status)
    };
    (!accepted).then_some(match status {
        429 => Reason::Status429,
        503 => Reason::Status503,
        400..500 => Reason::Status4xx,
        500..600 => Reason::Status5xx,
        300..400 if step.expected.is_empty() => Reason::Redirects,
        _ => Reason::UnexpectedStatus,
    })
}

#[cfg(test)]
mod tests;
