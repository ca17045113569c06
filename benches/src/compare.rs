//! Alternating rounds: each peer is loaded in turn, forwards and backwards (A B C, C B A), so that a machine that grows
//! slower or faster during the run favours nobody. Each round yields one figure per peer, and a pair within a round
//! yields one ratio.
//!
//! A proxy that shares its core with a stranger wakes up less often and does more at once, some more than others: it is
//! another measurement. So rounds in which any peer was disturbed are repeated, half as many at most, and the least
//! disturbed ones are taken, whatever they say.

use crate::{Outcome, peer::Peer, procfs::CpuTime, wrk::Script};

/// Waiting for the core, as a share of running on it, up to which a round is calm. A proxy whose threads share the core
/// waits for itself a little: Schleuse's log 5 to 10 %.
const CALM_MAX: f64 = 0.2;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) pairs: usize,
    /// Of each peer in each round.
    pub(crate) seconds: u32,
}

/// A peer and the load that it gets.
#[derive(Debug)]
pub(crate) struct Entrant<'e> {
    pub(crate) peer: &'e Peer,
    pub(crate) script: &'e Script,
    pub(crate) scheme: &'static str,
}

/// What a peer used, a value per round.
#[derive(Debug, Default, Clone)]
pub(crate) struct Costs {
    /// Microseconds of CPU per request.
    pub(crate) per_request: Vec<f64>,
    /// Of these, in user mode.
    pub(crate) user: Vec<f64>,
    /// Requests per second that came through.
    pub(crate) per_second: Vec<f64>,
    /// Waiting for the core as a share of running on it: what others on this machine took.
    pub(crate) disturbance: Vec<f64>,
}

/// One round of one peer.
#[derive(Debug, Clone, Copy)]
struct Sample {
    per_request: f64,
    user: f64,
    per_second: f64,
    disturbance: f64,
}

/// Measures all entrants; costs in their order.
///
/// # Errors
///
/// When a peer ends, or more than one request in ten thousand fails: failing is cheaper than forwarding.
pub(crate) fn alternate(entrants: &[Entrant<'_>], rounds: Rounds) -> Outcome<Vec<Costs>> {
    for entrant in entrants {
        // Warms caches, allocators and upstream connections.
        entrant.script.run(entrant.peer, entrant.scheme, 1)?;
    }
    let mut samples = Vec::new();
    let mut calm = 0;
    for number in 0..rounds.pairs + rounds.pairs / 2 {
        let round = one_round(entrants, rounds.seconds, number % 2 == 1)?;
        calm += usize::from(worst(&round) <= CALM_MAX);
        samples.push(round);
        if calm == rounds.pairs {
            break;
        }
    }
    samples.sort_by(|one, other| worst(one).total_cmp(&worst(other)));
    samples.truncate(rounds.pairs);
    Ok(by_entrant(&samples, entrants.len()))
}

/// Samples in the order of the entrants, taken in that order or backwards.
fn one_round(entrants: &[Entrant<'_>], seconds: u32, backwards: bool) -> Outcome<Vec<Sample>> {
    let mut round = Vec::with_capacity(entrants.len());
    for at in 0..entrants.len() {
        let at = if backwards {
            entrants.len() - 1 - at
        } else {
            at
        };
        if let Some(entrant) = entrants.get(at) {
            round.push(measure(entrant, seconds)?);
        }
    }
    if backwards {
        round.reverse();
    }
    Ok(round)
}

fn worst(round: &[Sample]) -> f64 {
    round
        .iter()
        .map(|sample| sample.disturbance)
        .fold(0.0, f64::max)
}

fn by_entrant(rounds: &[Vec<Sample>], entrants: usize) -> Vec<Costs> {
    let of = |entrant: usize, value: fn(&Sample) -> f64| {
        let samples = rounds.iter().filter_map(|round| round.get(entrant));
        samples.map(value).collect()
    };
    (0..entrants)
        .map(|entrant| Costs {
            per_request: of(entrant, |sample| sample.per_request),
            user: of(entrant, |sample| sample.user),
            per_second: of(entrant, |sample| sample.per_second),
            disturbance: of(entrant, |sample| sample.disturbance),
        })
        .collect()
}

fn measure(entrant: &Entrant<'_>, seconds: u32) -> Outcome<Sample> {
    let before = entrant.peer.cpu_time()?;
    let totals = entrant.script.run(entrant.peer, entrant.scheme, seconds)?;
    let after = entrant.peer.cpu_time()?;
    entrant.peer.forget_output();
    if totals.requests == 0 || totals.failed > totals.requests / 10_000 {
        return Err(format!("{}: {totals:?}", entrant.peer.name).into());
    }
    let requests = count(totals.requests);
    let since = |of: fn(&CpuTime) -> u64| count(of(&after).saturating_sub(of(&before)));
    let ran = since(|time| time.nanoseconds);
    let per_request = ran / 1_000.0 / requests;
    Ok(Sample {
        per_request,
        user: per_request * user_share(before, after),
        per_second: requests / f64::from(seconds),
        disturbance: since(|time| time.waited_nanoseconds) / ran,
    })
}

fn user_share(before: CpuTime, after: CpuTime) -> f64 {
    let user = count(after.user_ticks - before.user_ticks);
    let system = count(after.system_ticks - before.system_ticks);
    user / (user + system).max(1.0)
}

/// A count as a number to divide by.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run stay far below 2^53"
)]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(per_request: f64, disturbance: f64) -> Sample {
        Sample {
            per_request,
            user: 0.0,
            per_second: 0.0,
            disturbance,
        }
    }

    #[test]
    fn a_round_is_as_disturbed_as_its_most_disturbed_peer() {
        assert!((worst(&[sample(1.0, 0.1), sample(1.0, 0.7)]) - 0.7).abs() < 1e-9);
    }

    #[test]
    fn values_of_one_round_stay_a_pair() {
        let rounds = [
            vec![sample(1.0, 0.0), sample(2.0, 0.0)],
            vec![sample(3.0, 0.0), sample(4.0, 0.0)],
        ];
        let costs = by_entrant(&rounds, 2);
        let values: Vec<_> = costs
            .iter()
            .map(|costs| costs.per_request.clone())
            .collect();
        assert_eq!(values, [vec![1.0, 3.0], vec![2.0, 4.0]]);
    }
}
