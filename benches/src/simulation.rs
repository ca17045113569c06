//! `launchday simulate` as a user calls it, on one core: a launch day of three million citizens over all Kommunen, and the six
//! launches that happened, at full size. And those six at 1:100 for real, their busiest two minutes at the same time on one
//! Schleuse.
//!
//! Citizens and backends are those of `loadtest/scenarios/replays.schleuse.yaml`.

mod replays;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Outcome,
    figure::{Figure, Unit},
    machine,
};

/// Seconds.
const TIME_GOAL: f64 = 60.0;
/// The whole first day of ez200 is a tenth of it.
const SCALE: &str = "10";

/// What is said of one simulation.
#[derive(Debug)]
struct Simulated {
    seconds: f64,
    memory_mebibytes: f64,
    citizens: f64,
    requests: f64,
    /// The verdict and the response times behind it.
    words: String,
    passed: bool,
}

/// All of it.
///
/// # Errors
///
/// When launchday or Schleuse is not there or does not start.
pub(crate) fn measure(replay_seconds: u64) -> Outcome<Vec<Figure>> {
    let launchday = program()?;
    let mut figures = Vec::new();
    for (name, more) in [
        ("with seats for all", &[][..]),
        (
            "with seats for a quarter",
            &["--set", "pools.ez200.max=18"][..],
        ),
    ] {
        let arguments = [&["--scale", SCALE], more].concat();
        let run = simulate(&launchday, "ez200", &arguments)?;
        let what = format!(
            "Simulation of {:.1} million citizens, {name}, one core",
            run.citizens / 1e6
        );
        let beside = format!(
            "{:.1} million requests of the whole register, {:.0} MiB; {}",
            run.requests / 1e6,
            run.memory_mebibytes,
            run.words
        );
        let figure = Figure::value(what, Unit::Seconds, run.seconds);
        figures.push(figure.at_most(TIME_GOAL).beside(beside));
    }
    for launch in replays::LAUNCHES {
        let run = simulate(&launchday, launch.name, &[])?;
        let what = format!("Replay {} in simulation, thresholds held", launch.name);
        let beside = format!(
            "{:.0} citizens, {:.0} requests in {:.1} s; {}",
            run.citizens, run.requests, run.seconds, run.words
        );
        let held = f64::from(u8::from(run.passed));
        figures.push(
            Figure::value(what, Unit::Count, held)
                .at_least(1.0)
                .beside(beside),
        );
    }
    figures.extend(replays::for_real(&launchday, replay_seconds)?);
    Ok(figures)
}

/// Beside this program, or in the path.
fn program() -> Outcome<PathBuf> {
    if let Ok(named) = std::env::var("LAUNCHDAY") {
        return Ok(named.into());
    }
    let beside = std::env::current_exe()?.with_file_name("launchday");
    if beside.is_file() {
        return Ok(beside);
    }
    let words = "launchday is missing (cargo build --release -p launchday, or LAUNCHDAY=/path)";
    Ok(machine::found("launchday").ok_or(words)?.into())
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/scenarios")
}

fn simulate(launchday: &Path, launch: &str, more: &[&str]) -> Outcome<Simulated> {
    let directory = TempDir::new()?;
    let file = directory.path().join("result.json");
    let output = Command::new("taskset")
        .args(["-c", "0"])
        .arg(launchday)
        .args(["simulate", launch, "--config", "replays.schleuse.yaml"])
        .args(["--target", &format!("http://{launch}.example"), "--json"])
        .arg(&file)
        .args(more)
        .current_dir(scenarios())
        .output()?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let result = read(&file)?;
    let simulation = |key: &str| number(&result["simulation"][key]);
    Ok(Simulated {
        seconds: simulation("wall_seconds"),
        memory_mebibytes: simulation("memory_max_bytes") / f64::from(1 << 20),
        citizens: simulation("citizens"),
        requests: number(&result["counts"]["scheduled"]),
        words: words(&result),
        passed: output.status.success(),
    })
}

fn read(file: &Path) -> Outcome<Value> {
    Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Each threshold with its value.
fn words(result: &Value) -> String {
    let judged = result["thresholds"].as_array().into_iter().flatten();
    let judged: Vec<String> = judged
        .map(|judged| {
            let text = |key: &str| judged[key].as_str().unwrap_or_default().to_owned();
            format!("{} ({})", text("threshold"), text("found"))
        })
        .collect();
    judged.join(", ")
}
