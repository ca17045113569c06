//! From zero: what the first request to a pool that sleeps waits for, and a thousand pools that are woken at once.
//!
//! Real sockets and real processes. Who starts endpoints shares the load's core, Schleuse and the guards of its processes
//! the other one.

mod cold;
mod crowd;
mod endpoints;
pub mod hold;
pub mod late_backend;
mod orders;
mod sleepers;

use std::{env, process::Command};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    figure::{Figure, Unit},
    machine::PROXY_CORE,
};

/// KiB per request, as for any other that waits.
const HELD_GOAL: f64 = 6.0;
/// Tasks woken per request that went.
const WOKEN_GOAL: f64 = 1.1;

/// All of it.
///
/// # Errors
///
/// When Schleuse or a backend does not start.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let mut figures = cold::measure(context)?;
    figures.extend(crowd::measure(context)?);
    figures.extend(in_memory(context.sizes.held_in_memory)?);
    Ok(figures)
}

fn in_memory(number: usize) -> Outcome<Vec<Figure>> {
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "taskset", "--cpu-list"])
        .arg(PROXY_CORE.to_string())
        .arg(env::current_exe()?)
        .args(["hold-cold", &number.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Events of the product are lines of stdout as well.
    let numbers = |line: &str| {
        let words = line.split(' ').map(str::parse::<f64>);
        words.collect::<Result<Vec<_>, _>>().ok()
    };
    let numbers = text.lines().find_map(numbers).unwrap_or_default();
    let &[kibibytes, released, woken, lost, peak] = &*numbers else {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("hold-cold says {text}{errors}").into());
    };
    let pools = count(u64::try_from(hold::POOLS)?);
    Ok(vec![
        Figure::value(
            format!("{number} requests in memory wait for {pools} cold pools: each"),
            Unit::Kibibytes,
            kibibytes,
        )
        .at_most(HELD_GOAL),
        Figure::value(
            "The same: tasks woken per request that went when the endpoints came",
            Unit::Times,
            woken / released,
        )
        .at_most(WOKEN_GOAL)
        .beside(format!(
            "{woken} woken, {released} at the endpoints, which have {} seats",
            pools * f64::from(hold::SEATS)
        )),
        Figure::value("The same: requests lost", Unit::Count, lost).at_most(0.0),
        Figure::value(
            "The same: most requests at an endpoint at once",
            Unit::Count,
            peak,
        )
        .at_most(f64::from(hold::SEATS)),
    ])
}
