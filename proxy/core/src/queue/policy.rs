//! What a queue decides by; an argument of each event, as the pool's policy around it.

use std::time::Duration;

use super::virtual_time::Weight;

/// Bounds of a pool's queue. All of them hold at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePolicy {
    /// Requests that wait in the pool. 0: nobody waits, who gets no seat is refused.
    pub waiting_max: u32,
    /// Requests that wait in one flow.
    pub waiting_per_tenant_max: u32,
    /// Bytes held for requests that wait in the pool.
    pub bytes_max: u64,
    /// Bytes held for requests that wait in one flow.
    pub bytes_per_tenant_max: u64,
    /// The longest wait. Who would wait longer is told so at once. Zero: nobody waits.
    pub wait_max: Duration,
    /// What a flow's share follows. Taken over by [`set_endpoints`](crate::PoolState::set_endpoints) alone, because it
    /// orders all who wait anew.
    pub fair_by: FairBy,
    /// Places that one client network may hold: of a flow in percent of `waiting_per_tenant_max`, and of all flows together
    /// in percent of `waiting_max`; at least one. Tenants are named by whoever asks, so one network could take all places
    /// of a pool by naming many.
    pub client_share: u32,
}

impl QueuePolicy {
    /// Whether anybody may wait.
    pub(crate) fn waits(&self) -> bool {
        self.waiting_max > 0 && !self.wait_max.is_zero()
    }

    /// Places of its flow that one client network may hold.
    pub(crate) fn client_max(&self) -> u32 {
        self.share_of(self.waiting_per_tenant_max)
    }

    /// Places of the pool that one client network may hold, whatever tenants it names.
    pub(crate) fn client_max_in_all(&self) -> u32 {
        self.share_of(self.waiting_max)
    }

    fn share_of(&self, places: u32) -> u32 {
        let places = u64::from(places) * u64::from(self.client_share) / 100;
        u32::try_from(places).unwrap_or(u32::MAX).max(1)
    }
}

impl Default for QueuePolicy {
    fn default() -> Self {
        Self {
            waiting_max: 20_000,
            waiting_per_tenant_max: 2_000,
            bytes_max: 256 << 20,
            bytes_per_tenant_max: 32 << 20,
            wait_max: Duration::from_secs(30),
            fair_by: FairBy::default(),
            client_share: 10,
        }
    }
}

/// What the share of a flow follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FairBy {
    /// The number of inhabitants: every citizen waits as long as every other.
    #[default]
    Population,
    /// Its square root: between the two.
    SquareRoot,
    /// Every tenant the same.
    Equal,
    /// No fairness: one queue in order of arrival, which skips those who may not go yet. To compare with.
    None,
}

/// A billion inhabitants, so that the sum over all flows stays in range.
const INHABITANTS_MAX: u64 = 1_000_000_000;

impl FairBy {
    pub(crate) fn weight(self, inhabitants: u64) -> Weight {
        let inhabitants = inhabitants.clamp(1, INHABITANTS_MAX);
        Weight::from_thousandths(match self {
            Self::Population => inhabitants * 1_000,
            Self::SquareRoot => (inhabitants * 1_000_000).isqrt(),
            Self::Equal | Self::None => 1_000,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_the_population_its_root_or_nothing() {
        let weights = |fair_by: FairBy| {
            [1, 100, u64::MAX].map(|inhabitants| fair_by.weight(inhabitants).thousandths())
        };
        assert_eq!(
            weights(FairBy::Population),
            [1_000, 100_000, 1_000 * INHABITANTS_MAX]
        );
        assert_eq!(weights(FairBy::SquareRoot), [1_000, 10_000, 31_622_776]);
        assert_eq!(weights(FairBy::Equal), [1_000; 3]);
        assert_eq!(FairBy::Population.weight(0), FairBy::Population.weight(1));
    }

    #[test]
    fn a_client_network_may_always_hold_one_place() {
        let policy = QueuePolicy {
            waiting_per_tenant_max: 5,
            ..QueuePolicy::default()
        };
        assert_eq!(policy.client_max(), 1);
    }
}
