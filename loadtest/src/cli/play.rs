//! One run from scenario to verdict and reports.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    Reports, Run, What,
    admin::Admin,
    print::{remark, say},
    saved,
    view::View,
};
use crate::{
    compare,
    generator::{self, Settings},
    machine, prepare,
    report::{outputs::Written, terminal},
    results::{Mode, Results, ScenarioIdentity},
    scenario::{Arrivals, Scenario},
    verdict,
};

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// What the process ends with when it was interrupted.
const INTERRUPTED: i32 = 130;

/// Ends the run cleanly at the first interrupt, at once at the second; commands that it started end in either case.
pub(super) fn stop_on_interrupt() -> Result<(), String> {
    extern "C" fn interrupted(_: nix::libc::c_int) {
        if STOP.swap(true, Ordering::Relaxed) {
            // Only what is safe in a handler: no clean-up, no buffers.
            compare::end_all();
            // SAFETY: ends the process without running anything of it, and is async-signal-safe.
            #[expect(unsafe_code, reason = "std has no exit that is safe in a handler")]
            unsafe {
                nix::libc::_exit(INTERRUPTED);
            }
        }
    }
    let action = nix::sys::signal::SigAction::new(
        nix::sys::signal::SigHandler::Handler(interrupted),
        nix::sys::signal::SaFlags::SA_RESTART,
        nix::sys::signal::SigSet::empty(),
    );
    for signal in [
        nix::sys::signal::Signal::SIGINT,
        nix::sys::signal::Signal::SIGTERM,
    ] {
        // SAFETY: the handler only uses atomics and system calls that are async-signal-safe.
        #[expect(
            unsafe_code,
            reason = "sigaction has no safe form for a handler of one's own"
        )]
        unsafe { nix::sys::signal::sigaction(signal, &action) }
            .map_err(|error| format!("signals cannot be watched: {error}"))?;
    }
    Ok(())
}

/// Whether the operator wants it to end.
pub(super) fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

pub(super) fn run(asked: &Run) -> Result<u8, String> {
    let Run {
        what,
        portion,
        reports,
    } = asked;
    let scenario = what.scenario(portion)?;
    reports.try_places()?;
    let admin = Admin::of(&scenario, what)?;
    admin.as_ref().map_or(Ok(()), Admin::check)?;
    stop_on_interrupt()?;
    let mut view = View::new(&scenario, admin, what.no_tui);
    let results = play(&scenario, what, &mut view)?;
    view.end();
    for line in terminal::summary(&results, terminal::Style::of_output()) {
        say(line);
    }
    Ok(finish(&results, reports))
}

/// Plays and judges.
pub(super) fn play(scenario: &Scenario, what: &What, view: &mut View) -> Result<Results, String> {
    let workload = prepare::prepare(scenario)?;
    let settings = Settings {
        workers: what.workers(),
        processors: what.cpus.clone(),
        connections_max: what.connections,
        sources: generator::loopback_sources(what.sources),
    };
    let files_max = generator::raise_files_limit();
    let started = machine::now();
    let played = generator::play(&workload, &settings, &STOP, &mut |second| view.see(second))
        .map_err(|error| format!("no worker could be started: {error}"))?;
    let identity = identity(scenario, &workload.target.url);
    let facts = machine::facts(&what.cpus, files_max);
    let mut results = generator::results(played, &workload, identity, facts, started);
    view.tell_pools(&mut results);
    verdict::judge(&mut results, &scenario.thresholds);
    Ok(results)
}

pub(super) fn identity(scenario: &Scenario, target: &str) -> ScenarioIdentity {
    let (mode, planned) = match &scenario.arrivals {
        Arrivals::Open { phases, .. } => {
            let nanos: u64 = phases.iter().map(crate::schedule::Phase::length).sum();
            (Mode::Open, std::time::Duration::from_nanos(nanos))
        }
        Arrivals::Closed { duration, .. } => (Mode::Closed, *duration),
    };
    ScenarioIdentity {
        name: scenario.name.clone(),
        sha256: scenario.sha256.clone(),
        seed: scenario.seed,
        mode,
        target: target.to_owned(),
        scale: scenario.scale,
        warm_up_seconds: scenario.warm_up.as_secs_f64(),
        planned_seconds: planned.as_secs_f64(),
        drain_seconds: scenario.drain.as_secs_f64(),
    }
}

/// Writes the reports; the verdict's exit code, or that of a report that could not be written.
pub(super) fn finish(results: &Results, reports: &Reports) -> u8 {
    told(&reports.outputs().write(results), exit_code(results))
}

/// The verdict's; a run that was not judged is not valid.
pub(super) fn exit_code(results: &Results) -> u8 {
    let verdict = results.verdict.as_ref();
    verdict.map_or(3, |verdict| verdict.exit_code)
}

/// Says what could not be written and where the result was kept instead; the process's exit code.
pub(super) fn told(written: &Written, code: u8) -> u8 {
    for problem in &written.problems {
        remark(format_args!("launchday: {problem}"));
    }
    if let Some(kept) = &written.kept {
        remark(format_args!(
            "launchday: the result was kept in {}",
            kept.display()
        ));
    }
    written.exit_code(code)
}

pub(super) fn report(result: &Path, reports: &Reports) -> Result<u8, String> {
    let results = saved::read(result)?;
    for line in terminal::summary(&results, terminal::Style::of_output()) {
        say(line);
    }
    Ok(finish(&results, reports))
}
