//! Which endpoint an arrival gets: the part of [`PoolState::arrive`] that only looks.

use super::{PoolPolicy, PoolState};
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
    /// Nobody is usable: whoever the operator did not take out.
    NotTakenOut,
}

impl Candidates {
    fn include(self, endpoint: &Endpoint, now: Timestamp) -> bool {
        match self {
            Self::Usable => endpoint.usable(now),
            Self::NotTakenOut => endpoint.mode == Mode::Ready,
        }
    }
}

/// What does not change while one arrival looks around.
struct Arrival<'a> {
    policy: &'a PoolPolicy,
    tried: &'a [EndpointId],
    now: Timestamp,
}

impl PoolState {
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
        let endpoint = self.endpoints.get(position)?;
        let serves = match endpoint.mode {
            Mode::Ready | Mode::Drain if endpoint.sound(now) => true,
            Mode::Ready => !self.endpoints.iter().any(|other| other.usable(now)),
            Mode::Drain | Mode::Maintenance => false,
        };
        (serves && endpoint.has_free_seat(policy, now)).then_some(position)
    }

    /// The place of the endpoint for an arrival without a session.
    pub(super) fn choose(
        &self,
        policy: &PoolPolicy,
        tried: &[EndpointId],
        draw: u64,
        now: Timestamp,
    ) -> Result<usize, Refusal> {
        let arrival = Arrival { policy, tried, now };
        let mut draws = Draws::new(draw);
        if self.endpoints.len() > SCANNED_MAX
            && let Some(position) = self.sample(&arrival, &mut draws)
        {
            return Ok(position);
        }
        self.scan(&arrival, Candidates::Usable, &mut draws)
            .or_else(|| self.scan(&arrival, Candidates::NotTakenOut, &mut draws))
            .unwrap_or(Err(Refusal::NoEndpoint))
    }

    /// Draws endpoints until two different ones could take the request; none: out of luck.
    fn sample(&self, arrival: &Arrival<'_>, draws: &mut Draws) -> Option<usize> {
        let mut first = None;
        for _ in 0..SAMPLES_MAX {
            let position = draws.below(self.endpoints.len());
            let endpoint = self.endpoints.get(position)?;
            let suitable = Candidates::Usable.include(endpoint, arrival.now)
                && endpoint.has_free_seat(arrival.policy, arrival.now)
                && !arrival.tried.contains(&endpoint.id);
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
        let (mut any, mut fresh, mut again) = (false, 0, 0);
        for endpoint in &self.endpoints {
            if !candidates.include(endpoint, arrival.now) {
                continue;
            }
            any = true;
            if endpoint.has_free_seat(arrival.policy, arrival.now) {
                if arrival.tried.contains(&endpoint.id) {
                    again += 1;
                } else {
                    fresh += 1;
                }
            }
        }
        if fresh + again == 0 {
            return any.then_some(Err(Refusal::PoolFull));
        }
        let tried_too = fresh == 0;
        let mut suitable = self.endpoints.iter().enumerate().filter(|(_, endpoint)| {
            candidates.include(endpoint, arrival.now)
                && endpoint.has_free_seat(arrival.policy, arrival.now)
                && arrival.tried.contains(&endpoint.id) == tried_too
        });
        let (one, other) = draws.pair_below(if tried_too { again } else { fresh });
        let (low, high) = (one.min(other), one.max(other));
        let (first, _) = suitable.nth(low)?;
        let second = match high - low {
            0 => first,
            apart => suitable.nth(apart - 1)?.0,
        };
        let (one, other) = if one <= other {
            (first, second)
        } else {
            (second, first)
        };
        Some(Ok(self.lighter(arrival, one, other)))
    }

    /// The less loaded of two places; the first one when they are equal, which is the one that was drawn first.
    fn lighter(&self, arrival: &Arrival<'_>, one: usize, other: usize) -> usize {
        let load = |position: usize| {
            let endpoint = self.endpoints.get(position);
            endpoint.map(|endpoint| endpoint.load(arrival.policy, arrival.now))
        };
        match (load(one), load(other)) {
            (Some(first), Some(second)) if second.lighter_than(&first) => other,
            _ => one,
        }
    }
}
