//! Announced launches, by the pool that has to hold them.

use std::time::Duration;

use schleuse_core::{
    PoolIndex,
    scale::{
        learnt::Learnt,
        plan::{Capacity, Launch},
        policy::ScalePolicy,
    },
};

/// The launches of one pool. What was said of the pool by several of them counts once, in its cautious reading.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolPlan {
    /// The pool, which is scaled.
    pub pool: PoolIndex,
    /// In the order written, never empty.
    pub launches: Vec<Launch>,
    /// The service of each of them, in the same order.
    pub services: Vec<String>,
    /// How long a request holds its seat, if a launch says so.
    pub seat_time: Option<Duration>,
    /// From order to readiness, if a launch says so.
    pub cold_start: Option<Duration>,
    /// The same as the pool says it; counts until it is learnt.
    pub cold_start_prior: Option<Duration>,
    /// How fast replicas are created beside one another.
    pub replicas_per_second: f64,
    /// Time in hand between the last replica's readiness and the beginning.
    pub margin: Duration,
}

impl PoolPlan {
    /// What the pool can do. What a launch says wins over what was learnt, and that over what the pool says.
    pub fn capacity(&self, policy: &ScalePolicy, learnt: &Learnt) -> Capacity {
        let learnt_seat_time = || {
            let seconds = learnt.seat_seconds(policy.seat_time);
            Duration::try_from_secs_f64(seconds).unwrap_or(policy.seat_time)
        };
        let learnt_cold_start = learnt.cold_starts.quantile(0.99);
        Capacity {
            seats_per_replica: policy.seats_per_replica,
            seat_time: self.seat_time.unwrap_or_else(learnt_seat_time),
            cold_start_p99: self
                .cold_start
                .or(learnt_cold_start)
                .or(self.cold_start_prior),
            replicas_per_second: self.replicas_per_second,
            margin: self.margin,
            max: policy.max,
            utilisation_max: policy.tuning.utilisation_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn plan() -> PoolPlan {
        PoolPlan {
            pool: PoolIndex(0),
            launches: Vec::new(),
            services: Vec::new(),
            seat_time: None,
            cold_start: None,
            cold_start_prior: None,
            replicas_per_second: 5.0,
            margin: SECOND * 120,
        }
    }

    #[test]
    fn what_a_launch_says_wins_over_what_was_learnt_and_that_over_what_the_pool_says() {
        let policy = ScalePolicy::default();
        let mut learnt = Learnt::default();
        let mut plan = plan();
        let cold_start = |plan: &PoolPlan, learnt: &Learnt| {
            let known = plan.capacity(&policy, learnt).cold_start_p99;
            known.map(|time| time.as_secs_f64().round())
        };
        assert_eq!(cold_start(&plan, &learnt), None);
        plan.cold_start_prior = Some(SECOND * 10);
        assert_eq!(cold_start(&plan, &learnt), Some(10.0));
        learnt.cold_starts.record(SECOND * 4);
        assert_eq!(cold_start(&plan, &learnt), Some(4.0));
        plan.cold_start = Some(SECOND * 7);
        assert_eq!(cold_start(&plan, &learnt), Some(7.0));
    }

    #[test]
    fn the_seat_time_is_the_pools_until_a_launch_says_another_one() {
        let policy = ScalePolicy::default();
        let mut plan = plan();
        let seat_time = |plan: &PoolPlan| plan.capacity(&policy, &Learnt::default()).seat_time;
        assert_eq!(seat_time(&plan), policy.seat_time);
        plan.seat_time = Some(SECOND);
        assert_eq!(seat_time(&plan), SECOND);
    }
}
