//! The live view of a run, its abort conditions, and what the target's admin API says meanwhile.

use std::{
    io::{self, IsTerminal as _, Stderr, Write as _},
    time::Duration,
};

use super::{admin::Admin, play::stopped};
use crate::{
    report::terminal::{Progress, Screen, Style, Watch, frame, line},
    results::{PoolSecond, Results, Second},
    scenario::Scenario,
    verdict::abort,
};

/// What is shown and watched while a run goes on.
pub(super) struct View {
    progress: Progress,
    watch: Watch,
    abort: abort::Watch,
    admin: Option<Admin>,
    pools: Vec<(i64, PoolSecond)>,
    screen: Option<(Screen<Stderr>, Style)>,
    quiet: bool,
}

impl View {
    pub(super) fn new(scenario: &Scenario, admin: Option<Admin>, plain: bool) -> Self {
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
            abort: abort::Watch::of(scenario),
            admin,
            pools: Vec::new(),
            screen: terminal.then(|| (Screen::new(io::stderr()), Style::detect())),
            quiet: false,
        }
    }

    /// One that shows nothing, for runs of a search.
    pub(super) fn quiet(scenario: &Scenario, admin: Option<Admin>) -> Self {
        Self {
            quiet: true,
            ..Self::new(scenario, admin, true)
        }
    }

    /// A second is over; a reason when the run must not go on.
    pub(super) fn see(&mut self, second: &Second) -> Option<String> {
        let mut second = second.clone();
        second.pool = self.admin.as_ref().and_then(Admin::ask).or(second.pool);
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
