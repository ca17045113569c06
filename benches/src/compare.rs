//! Alternating rounds: each peer is loaded in turn, forwards and backwards (A B C, C B A), so that a machine that grows
//! slower or faster during the run favours nobody. Each round yields one figure per peer, and a pair within a round
//! yields one ratio.

use crate::{Outcome, peer::Peer, procfs::CpuTime, wrk::Script};

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

/// Measures all entrants; costs in their order.
///
/// # Errors
///
/// When a peer ends, or more than one request in ten thousand fails: failing is cheaper than forwarding.
pub(crate) fn alternate(entrants: &[Entrant<'_>], rounds: Rounds) -> Outcome<Vec<Costs>> {
    let mut costs = vec![Costs::default(); entrants.len()];
    for entrant in entrants {
        // Warms caches, allocators and upstream connections.
        entrant.script.run(entrant.peer, entrant.scheme, 1)?;
    }
    for round in 0..rounds.pairs {
        let mut order: Vec<(&Entrant<'_>, &mut Costs)> = entrants.iter().zip(&mut costs).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (entrant, costs) in order {
            measure(entrant, rounds.seconds, costs)?;
        }
    }
    Ok(costs)
}

fn measure(entrant: &Entrant<'_>, seconds: u32, costs: &mut Costs) -> Outcome<()> {
    let before = entrant.peer.cpu_time()?;
    let totals = entrant.script.run(entrant.peer, entrant.scheme, seconds)?;
    let after = entrant.peer.cpu_time()?;
    entrant.peer.forget_output();
    if totals.requests == 0 || totals.failed > totals.requests / 10_000 {
        return Err(format!("{}: {totals:?}", entrant.peer.name).into());
    }
    let requests = count(totals.requests);
    let ran = count(after.nanoseconds.saturating_sub(before.nanoseconds));
    let waited = count(
        after
            .waited_nanoseconds
            .saturating_sub(before.waited_nanoseconds),
    );
    let per_request = ran / 1_000.0 / requests;
    costs.disturbance.push(waited / ran);
    costs.per_request.push(per_request);
    costs.user.push(per_request * user_share(before, after));
    costs.per_second.push(requests / f64::from(seconds));
    Ok(())
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
