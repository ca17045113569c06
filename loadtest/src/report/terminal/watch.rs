//! From one second after the other to where the run stands, for the live view.

use std::collections::VecDeque;

use crate::{
    report::quantity,
    results::{Latencies, Second},
    verdict::validity::{BUSY_SECONDS_SHARE_MAX, BUSY_SHARE_MAX, NOT_SENT_SHARE_MAX, lag_limit_ns},
};

use super::Progress;

/// Seconds of which the shown percentiles are made; a view of the whole run would hide what is going on now.
const SPAN: usize = 10;

/// Adds seconds up.
#[derive(Debug, Clone)]
pub struct Watch {
    progress: Progress,
    recent: VecDeque<Latencies>,
    lags: VecDeque<u64>,
    seconds: u64,
    busy: u64,
    silent_seconds: u64,
}

impl Watch {
    /// For a schedule of that length after the warm-up.
    pub fn new(planned_seconds: f64) -> Self {
        Self {
            progress: Progress {
                planned_seconds,
                ..Progress::default()
            },
            recent: VecDeque::new(),
            lags: VecDeque::new(),
            seconds: 0,
            busy: 0,
            silent_seconds: 0,
        }
    }

    /// Takes a second; where the run stands after it. Percentiles and lag are of the last ten seconds.
    pub fn see(&mut self, second: &Second) -> &Progress {
        self.recent.push_back(second.response.clone());
        self.lags.push_back(second.own_lag_max_ns);
        if self.recent.len() > SPAN {
            self.recent.pop_front();
            self.lags.pop_front();
        }
        let is_silent = second.answered == 0 && second.in_flight > 0;
        self.silent_seconds = if is_silent {
            self.silent_seconds + 1
        } else {
            0
        };
        let response = self.response();
        let progress = &mut self.progress;
        progress.at_seconds = second.at_seconds;
        progress.offered_per_second = crate::results::counts::ratio(second.offered, 1);
        progress.answered_per_second = crate::results::counts::ratio(second.answered, 1);
        progress.in_flight = second.in_flight;
        progress.waiting = second.waiting;
        progress.pool = second.pool.or(progress.pool);
        progress.silent_seconds = self.silent_seconds;
        progress.response_ns = response.quantile(0.5).map(|p50| {
            let at = |quantile| response.quantile(quantile).unwrap_or(p50);
            [p50, at(0.9), at(0.99)]
        });
        progress.own_lag_max_ns = self.lags.iter().copied().max();
        if second.at_seconds >= 0 {
            self.count(second);
        }
        self.progress.doubt = self.doubt(&response);
        &self.progress
    }

    fn response(&self) -> Latencies {
        let mut response = Latencies::default();
        for second in &self.recent {
            response.merge(second);
        }
        response
    }

    fn count(&mut self, second: &Second) {
        let counts = &mut self.progress.counts;
        counts.scheduled += second.offered;
        counts.answered += second.answered;
        counts.failed += second.failed;
        counts.abandoned += second.abandoned;
        counts.not_sent += second.not_sent;
        // As the verdict: seconds of the drain may be a few milliseconds long and all of them work.
        if crate::results::counts::ratio(second.at_seconds.unsigned_abs(), 1)
            >= self.progress.planned_seconds
        {
            return;
        }
        self.seconds += 1;
        let is_busy = |worker: &crate::results::WorkerSecond| worker.busy_share > BUSY_SHARE_MAX;
        self.busy += u64::from(second.workers.iter().any(is_busy));
    }

    /// What would make the run invalid if it ended now, as far as seconds tell. The lag is judged by its maximum here, since
    /// seconds keep no distribution of it: a doubt may go away, the verdict at the end decides.
    fn doubt(&self, response: &Latencies) -> Option<String> {
        let counts = &self.progress.counts;
        if crate::results::counts::ratio(counts.not_sent, counts.scheduled) > NOT_SENT_SHARE_MAX {
            return Some(format!("{} not sent", quantity::count(counts.not_sent)));
        }
        if crate::results::counts::ratio(self.busy, self.seconds) > BUSY_SECONDS_SHARE_MAX {
            return Some(format!("workers busy in {} s", self.busy));
        }
        let lags: Vec<u64> = self.lags.iter().copied().collect();
        let median_lag = Latencies::from_values(lags).quantile(0.5)?;
        let p99 = response.quantile(0.99)?;
        (median_lag > lag_limit_ns(p99)).then(|| format!("lag {}", quantity::duration(median_lag)))
    }
}
