//! The live view of a run, its abort conditions, and what the target's admin API says meanwhile.

use std::{
    io::{self, IsTerminal as _, Read as _, Stderr, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{admin_address, play::stopped};
use crate::{
    report::terminal::{Progress, Screen, Style, frame, line},
    results::{Latencies, PoolSecond, Results, Second},
    scenario::Scenario,
    verdict::{Criterion, Metric},
};

/// The admin API is on the same network, and a second is soon over.
const ADMIN_TIME: Duration = Duration::from_millis(200);

/// What is shown and watched while a run goes on.
pub(super) struct View {
    progress: Progress,
    response: Latencies,
    own_lag: Latencies,
    abort: Vec<Criterion>,
    admin: Option<SocketAddr>,
    pools: Vec<(i64, PoolSecond)>,
    screen: Option<(Screen<Stderr>, Style)>,
    quiet: bool,
}

impl View {
    pub(super) fn new(scenario: &Scenario, plain: bool) -> Self {
        let planned = match &scenario.arrivals {
            crate::scenario::Arrivals::Open { phases, .. } => {
                let nanos: u64 = phases.iter().map(crate::schedule::Phase::length).sum();
                Duration::from_nanos(nanos)
            }
            crate::scenario::Arrivals::Closed { duration, .. } => *duration,
        };
        let terminal = !plain && io::stderr().is_terminal();
        Self {
            progress: Progress {
                planned_seconds: planned.as_secs_f64(),
                ..Progress::default()
            },
            response: Latencies::default(),
            own_lag: Latencies::default(),
            abort: scenario.abort.clone(),
            admin: scenario.admin.as_deref().and_then(admin_address),
            pools: Vec::new(),
            screen: terminal.then(|| (Screen::new(io::stderr()), Style::detect())),
            quiet: false,
        }
    }

    /// One that shows nothing, for runs of a search.
    pub(super) fn quiet(scenario: &Scenario) -> Self {
        Self {
            quiet: true,
            ..Self::new(scenario, true)
        }
    }

    /// A second is over; a reason when the run must not go on.
    pub(super) fn see(&mut self, second: &Second) -> Option<String> {
        self.take(second);
        if let Some(admin) = self.admin
            && let Some(pool) = ask(admin)
        {
            self.pools.push((second.at_seconds, pool));
            self.progress.pool = Some(pool);
        }
        self.show();
        self.reason_to_abort(second.at_seconds)
    }

    fn take(&mut self, second: &Second) {
        let progress = &mut self.progress;
        progress.at_seconds = second.at_seconds;
        progress.offered_per_second = real(second.offered);
        progress.answered_per_second = real(second.answered);
        progress.in_flight = second.in_flight;
        progress.waiting = second.waiting;
        if second.at_seconds < 0 {
            return; // the warm-up is in no other figure
        }
        let counts = &mut progress.counts;
        counts.scheduled += second.offered;
        counts.answered += second.answered;
        counts.failed += second.failed;
        counts.abandoned += second.abandoned;
        counts.not_sent += second.not_sent;
        self.response.merge(&second.response);
        self.own_lag
            .merge(&Latencies::from_values([second.own_lag_max_ns]));
        let quantile = |quantile| self.response.quantile(quantile);
        progress.response_ns = quantile(0.5)
            .zip(quantile(0.9))
            .zip(quantile(0.99))
            .map(|((p50, p90), p99)| [p50, p90, p99]);
        progress.own_lag_p99_ns = self.own_lag.quantile(0.99);
        let busy = second.workers.iter().any(|worker| worker.busy_share > 0.9);
        progress.doubt = if counts.not_sent * 1_000 > counts.scheduled {
            Some("more than 0.1 % were not sent".to_owned())
        } else {
            busy.then(|| "a worker is more than 90 % busy".to_owned())
        };
    }

    fn show(&mut self) {
        if self.quiet {
            return;
        }
        // A terminal that is gone must not end the run.
        match &mut self.screen {
            Some((screen, style)) => drop(screen.draw(&frame(&self.progress, *style))),
            None => drop(writeln!(io::stderr(), "{}", line(&self.progress))),
        }
    }

    /// An abort condition must hold from the beginning of its window on, whatever happened before.
    fn reason_to_abort(&self, at: i64) -> Option<String> {
        let counts = &self.progress.counts;
        let broken = self.abort.iter().find(|criterion| {
            let from = criterion.window.map_or(0, |window| window.from_seconds);
            if at < from || counts.scheduled == 0 {
                return false;
            }
            let share = |part: u64| real(part) / real(counts.scheduled);
            let number = match criterion.metric {
                Metric::Response(quantile) => {
                    self.response.quantile(quantile).map(|ns| real(ns) / 1e9)
                }
                Metric::ResponseMean => self.response.mean_ns().map(|ns| ns / 1e9),
                Metric::Failed => Some(share(counts.failed)),
                Metric::Answered => Some(share(counts.answered)),
                Metric::Abandoned => Some(share(counts.abandoned)),
                Metric::AnsweredPerSecond => Some(self.progress.answered_per_second),
                _ => None, // refused when the scenario was read
            };
            number.is_some_and(|number| !criterion.limit.allows(number))
        });
        broken.map(|criterion| format!("abort: {}", criterion.text))
    }

    /// Leaves the last frame where it is.
    pub(super) fn end(&mut self) {
        if stopped() && !self.quiet {
            drop(writeln!(
                io::stderr(),
                "interrupted; thresholds are not judged"
            ));
        }
    }

    /// Puts what the admin API said under the seconds in which it said it.
    pub(super) fn tell_pools(&self, results: &mut Results) {
        for second in &mut results.seconds {
            let told = self.pools.iter().find(|(at, _)| *at == second.at_seconds);
            second.pool = told.map(|(_, pool)| *pool);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a view and its ratios")]
fn real(count: u64) -> f64 {
    count as f64
}

/// The sums over all pools of a Schleuse; none when it does not answer in time.
fn ask(admin: SocketAddr) -> Option<PoolSecond> {
    let mut stream = TcpStream::connect_timeout(&admin, ADMIN_TIME).ok()?;
    stream.set_read_timeout(Some(ADMIN_TIME)).ok()?;
    let request =
        format!("GET /api/v1/signals HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(1 << 22).read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let json: serde_json::Value = serde_json::from_slice(answer.get(body..)?).ok()?;
    let sum = |key: &str| {
        let signals = json.as_array().into_iter().flatten();
        signals.filter_map(|signal| signal.get(key)?.as_u64()).sum()
    };
    Some(PoolSecond {
        replicas_ready: sum("ready"),
        replicas_wanted: sum("desired"),
        waiting: sum("waiting"),
        in_flight: sum("in_flight"),
    })
}
