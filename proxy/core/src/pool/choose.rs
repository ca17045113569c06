//! Which endpoint a request gets: the part of every admission that looks for a free seat.

use super::{endpoints::Endpoints, policy::PoolPolicy};
use crate::{EndpointId, Mode, Refusal, Timestamp, balance::Draws, endpoint::Endpoint};

/// Endpoints up to which a pool is scanned at once: it costs less than samples without luck, and it is exact.
const SCANNED_MAX: usize = 8;

/// Samples before a larger pool is scanned. While half of it has free seats, one arrival in 28 comes to that.
const SAMPLES_MAX: usize = 8;

/// Whom an arrival may be given to.
#[derive(Clone, Copy, Debug)]
enum Candidates {
    /// Ready, healthy and not ejected.
    Usable,
    /// Nobody is usable: whoever the operator did not take out, has answered once, and did not refuse just now.
    NotTakenOut,
}

impl Candidates {
    fn include(self, endpoint: &Endpoint, now: Timestamp) -> bool {
        match self {
            Self::Usable => endpoint.usable(now),
            Self::NotTakenOut => endpoint.serves() && !endpoint.paused(now),
        }
    }
}

/// What does not change while one arrival looks around.
struct Arrival<'a> {
    policy: &'a PoolPolicy,
    tried: &'a [EndpointId],
    now: Timestamp,
}

impl Arrival<'_> {
    /// Whether the endpoint could take the request.
    fn fits(&self, candidates: Candidates, endpoint: &Endpoint) -> bool {
        candidates.include(endpoint, self.now) && endpoint.has_free_seat(self.policy, self.now)
    }

    fn tried(&self, endpoint: &Endpoint) -> bool {
        self.tried.contains(&endpoint.id)
    }
}

impl Endpoints {
    /// The place of a session's endpoint, when it still serves its sessions and has a free seat.
    ///
    /// A drained endpoint does; an unhealthy or ejected one only while nobody is usable, as for everybody else.
    pub(super) fn session_seat(
        &self,
        policy: &PoolPolicy,
        id: EndpointId,
        now: Timestamp,
    ) -> Option<usize> {
        let position = self.position(id)?;
        let endpoint = self.listed.get(position)?;
        let serves = match endpoint.mode {
            Mode::Ready | Mode::Drain if endpoint.sound(now) => true,
            Mode::Ready => {
                Candidates::NotTakenOut.include(endpoint, now)
                    && !self.listed.iter().any(|other| other.usable(now))
            }
            Mode::Drain | Mode::Maintenance => false,
        };
        (serves && endpoint.has_free_seat(policy, now)).then_some(position)
    }

    /// Whether a session's endpoint keeps its free seats for its sessions.
    pub(super) fn reserved(&self, position: usize) -> bool {
        let endpoint = self.listed.get(position);
        endpoint.is_some_and(|endpoint| endpoint.mode == Mode::Drain)
    }

    /// The place of the endpoint for a request without a session. What is found to be full is remembered until it may
    /// have changed: an overloaded pool is not searched with every arrival.
    pub(super) fn choose(
        &mut self,
        policy: &PoolPolicy,
        tried: &[EndpointId],
        draw: u64,
        now: Timestamp,
    ) -> Result<usize, Refusal> {
        if self.known_full(policy, now) {
            return Err(Refusal::PoolFull);
        }
        let chosen = self.search(policy, tried, draw, now);
        if chosen == Err(Refusal::PoolFull) {
            self.note_full(policy, now);
        }
        chosen
    }

    fn search(
        &self,
        policy: &PoolPolicy,
        tried: &[EndpointId],
        draw: u64,
        now: Timestamp,
    ) -> Result<usize, Refusal> {
        let arrival = Arrival { policy, tried, now };
        let mut draws = Draws::new(draw);
        if self.listed.len() > SCANNED_MAX
            && let Some(position) = self.sample(&arrival, &mut draws)
        {
            return Ok(position);
        }
        self.scan(&arrival, Candidates::Usable, &mut draws)
            .or_else(|| self.scan(&arrival, Candidates::NotTakenOut, &mut draws))
            .unwrap_or(Err(if self.absent() {
                Refusal::NoEndpoint
            } else {
                Refusal::PoolFull // until the pause of one is over
            }))
    }

    /// Draws endpoints until two different ones could take the request; none: out of luck.
    fn sample(&self, arrival: &Arrival<'_>, draws: &mut Draws) -> Option<usize> {
        let mut first = None;
        for _ in 0..SAMPLES_MAX {
            let position = draws.below(self.listed.len());
            let endpoint = self.listed.get(position)?;
            let suitable = arrival.fits(Candidates::Usable, endpoint) && !arrival.tried(endpoint);
            match first {
                _ if !suitable => {}
                None => first = Some(position),
                Some(first) if first == position => {}
                Some(first) => return Some(self.lighter(arrival, first, position)),
            }
        }
        None
    }

    /// Looks at all candidates; none: there is not one, busy or not.
    fn scan(
        &self,
        arrival: &Arrival<'_>,
        candidates: Candidates,
        draws: &mut Draws,
    ) -> Option<Result<usize, Refusal>> {
        let (mut fresh, mut again) = (0, 0);
        let fitting = |endpoint: &&Endpoint| arrival.fits(candidates, endpoint);
        for endpoint in self.listed.iter().filter(fitting) {
            if arrival.tried(endpoint) {
                again += 1;
            } else {
                fresh += 1;
            }
        }
        if fresh + again == 0 {
            let mut all = self.listed.iter();
            let busy = all.any(|endpoint| candidates.include(endpoint, arrival.now));
            return busy.then_some(Err(Refusal::PoolFull));
        }
        let among_tried = fresh == 0;
        let pair = draws.pair_below(if among_tried { again } else { fresh });
        let places = self.listed.iter().enumerate().filter(|(_, endpoint)| {
            arrival.fits(candidates, endpoint) && arrival.tried(endpoint) == among_tried
        });
        let (one, other) = pick(places.map(|(position, _)| position), pair)?;
        Some(Ok(self.lighter(arrival, one, other)))
    }

    /// The less loaded of two places; the first one when they are equal, which is the one that was drawn first.
    fn lighter(&self, arrival: &Arrival<'_>, one: usize, other: usize) -> usize {
        let load = |position: usize| {
            let endpoint = self.listed.get(position);
            endpoint.map(|endpoint| endpoint.load(arrival.policy, arrival.now))
        };
        match (load(one), load(other)) {
            (Some(first), Some(second)) if second.lighter_than(&first) => other,
            _ => one,
        }
    }
}

/// The items at two indices, in the order of the indices given, in one pass.
fn pick(
    mut items: impl Iterator<Item = usize>,
    (one, other): (usize, usize),
) -> Option<(usize, usize)> {
    let lower = items.nth(one.min(other))?;
    let upper = match one.abs_diff(other) {
        0 => lower,
        apart => items.nth(apart - 1)?,
    };
    Some(if one <= other {
        (lower, upper)
    } else {
        (upper, lower)
    })
}
