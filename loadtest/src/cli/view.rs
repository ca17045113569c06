//! The live view of a run, its abort conditions, and what the target's admin API says meanwhile.

use std::{
    io::{self, IsTerminal as _, Read as _, Stderr, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::play::stopped;
use crate::{
    report::terminal::{Progress, Screen, Style, Watch, frame, line},
    results::{PoolSecond, Results, Second},
    scenario::Scenario,
    verdict::abort,
};

/// The admin API is on the same network, and a second is soon over.
const ADMIN_TIME: Duration = Duration::from_millis(200);

/// What is shown and watched while a run goes on.
pub(super) struct View {
    progress: Progress,
    watch: Watch,
    abort: abort::Watch,
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
            progress: Progress::default(),
            watch: Watch::new(planned.as_secs_f64()),
            abort: abort::Watch::new(&scenario.abort),
            admin: scenario.admin,
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
        let mut second = second.clone();
        second.pool = self.admin.and_then(ask).or(second.pool);
        self.pools
            .extend(second.pool.map(|pool| (second.at_seconds, pool)));
        self.progress = self.watch.see(&second).clone();
        self.show();
        self.abort.see(&second)
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

/// The sums over all pools of a Schleuse; none when it does not answer in time.
pub(super) fn ask(admin: SocketAddr) -> Option<PoolSecond> {
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
