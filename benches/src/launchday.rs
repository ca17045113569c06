//! The load generator beside others: what a request costs it, how late it is itself, and whether it notices a target that
//! freezes or dies where others do not.
//!
//! The target is nginx on the proxies' core; generators take turns on the load's core, each with one thread. CPU is that of
//! the generator's whole process, start and report included. A generator that is not installed is left out, and the table
//! says so.

mod honesty;
mod lag;
mod memory;
mod speed;
mod target;
mod tool;

use std::path::PathBuf;

use launchday::results::Results;

use crate::{Outcome, context::Context, figure::Figure, machine};
use target::Target;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Of every generator in every mode.
    pub(crate) rounds: usize,
    /// Of each round.
    pub(crate) seconds: u32,
    /// Of a run in which the target stands still.
    pub(crate) honesty_seconds: u32,
    /// With an idle connection each.
    pub(crate) citizens: u64,
    /// Against a slow target.
    pub(crate) slow_runs: usize,
}

/// What the measurements share.
#[derive(Debug)]
struct Bench<'c> {
    context: &'c Context,
    program: String,
    target: Target,
}

/// All of it.
///
/// # Errors
///
/// When launchday is not built, or the target does not start.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let beside = std::env::current_exe()?.with_file_name("launchday");
    let program = machine::program("LAUNCHDAY", &beside.display().to_string())
        .ok_or("launchday is not built (cargo build --release -p launchday)")?;
    let bench = Bench {
        context,
        program,
        target: Target::start(&context.programs.backend, context.path())?,
    };
    let mut figures = speed::measure(&bench)?;
    figures.extend(lag::measure(&bench)?);
    figures.extend(memory::measure(&bench)?);
    figures.extend(honesty::measure(&bench)?);
    Ok(figures)
}

/// One run of launchday that was saved.
#[derive(Debug)]
struct Played {
    run: tool::Run,
    exit_code: i32,
    results: Results,
}

impl Bench<'_> {
    /// Writes a scenario; everything but its target is in `text`.
    fn scenario(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let file = self.context.path().join(format!("{name}.yaml"));
        std::fs::write(&file, text)?;
        Ok(file)
    }

    /// Plays a scenario and reads its result.
    fn play(&self, name: &str, text: &str) -> Outcome<Played> {
        self.play_with(name, text, &[])
    }

    fn play_with(&self, name: &str, text: &str, options: &[&str]) -> Outcome<Played> {
        let scenario = self.scenario(name, text)?;
        let saved = self.context.path().join(format!("{name}.json"));
        let mut command = self.launchday(&scenario.display().to_string());
        command.extend(["--json".to_owned(), saved.display().to_string()]);
        command.extend(options.iter().map(|&option| option.to_owned()));
        let (exit_code, said, cpu_seconds) = tool::run(&command)?;
        let results = launchday::results::file::read(&saved)
            .map_err(|problem| format!("{problem}: {said}"))?;
        let run = tool::Run {
            answered: results.counts.answered,
            cpu_seconds,
        };
        Ok(Played {
            run,
            exit_code,
            results,
        })
    }

    fn launchday(&self, scenario: &str) -> Vec<String> {
        let core = machine::LOAD_CORE.to_string();
        let words = [&self.program, "run", scenario, "--no-tui", "--cpus", &core];
        words.map(str::to_owned).to_vec()
    }
}

/// A journey of one request, for scenarios.
const ONE_REQUEST: &str = "journeys: [ { name: one, cookies: false, steps: [ { get: / } ] } ]";
