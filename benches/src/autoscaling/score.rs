//! What a run is judged by.

use std::ops::AddAssign;

/// Sums over a run, over traces, over seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Score {
    /// Requests that arrived.
    pub(crate) arrived: u64,
    /// Requests that gave up after ten seconds.
    pub(crate) lost: u64,
    /// Seconds in which somebody had waited for more than a second, as a mean over the pools.
    pub(crate) late_seconds: f64,
    /// Replica-seconds beyond what was needed.
    pub(crate) over: f64,
    /// Replica-seconds that were needed and not ready.
    pub(crate) under: f64,
    /// The most replicas that existed over the most that were needed.
    pub(crate) peak: f64,
    /// How often an order went the other way than the one before.
    pub(crate) turns: u64,
    /// Orders.
    pub(crate) writes: u64,
    /// Runs in this sum; `peak` is to be divided by it.
    pub(crate) runs: u32,
}

impl AddAssign for Score {
    fn add_assign(&mut self, more: Self) {
        self.arrived += more.arrived;
        self.lost += more.lost;
        self.late_seconds += more.late_seconds;
        self.over += more.over;
        self.under += more.under;
        self.peak += more.peak;
        self.turns += more.turns;
        self.writes += more.writes;
        self.runs += more.runs;
    }
}

impl Score {
    /// The mean of one run, as cells of a table.
    pub(crate) fn cells(&self, runs: u32) -> [String; 7] {
        let runs = f64::from(runs.max(1));
        #[expect(clippy::cast_precision_loss, reason = "counts of requests, for people")]
        let mean = |count: u64| count as f64 / runs;
        [
            format!("{:.0}", mean(self.lost)),
            format!("{:.1}", self.late_seconds / runs),
            format!("{:.0}", self.over / runs),
            format!("{:.0}", self.under / runs),
            format!("{:.1}×", self.peak / f64::from(self.runs.max(1))),
            format!("{:.1}", mean(self.turns)),
            format!("{:.0}", mean(self.writes)),
        ]
    }
}
