//! Instructions of identifying the first and the last tenant of the register: the same, or a lookup is a search.
//!
//! Counted by valgrind's callgrind, because virtual machines seldom have hardware counters. The count of a long run minus
//! the count of a short one, divided by the difference in rounds, leaves out everything that happens once.

use std::{env, hint::black_box, process::Command};

use clap::ValueEnum;
use schleuse_core::Facts;

use crate::{
    Outcome,
    figure::{Figure, Unit},
    inputs::{official_places, official_routes},
    machine,
};

/// Percent that the last tenant may take more than the first.
const GOAL: f64 = 2.0;
const ROUNDS: (u32, u32) = (1_000, 11_000);

/// Which tenant is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// First row of the register.
    First,
    /// Last row of the register.
    Last,
}

/// Identifies one tenant's request `rounds` times; what callgrind is started on.
///
/// # Errors
///
/// When the register is broken or the request has no tenant.
pub fn identify(which: Which, rounds: u32) -> Outcome<()> {
    let places = official_places()?;
    let routes = official_routes(&places)?;
    let place = match which {
        Which::First => places.first(),
        Which::Last => places.last(),
    };
    let place = place.ok_or("the register is empty")?;
    let path = format!("/{}/antrag/neu", place.ars);
    let facts = Facts {
        host: "wohngeld.example",
        path: &path,
        query: None,
        cookie: None,
        header: None,
    };
    for _ in 0..rounds {
        let identified = routes.identify(black_box(&facts));
        black_box(identified).map_err(|why| format!("{}: {why:?}", place.ars))?;
    }
    Ok(())
}

/// Percent more instructions for the last tenant than for the first.
///
/// # Errors
///
/// When callgrind counts nothing.
pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let what = "Instructions to identify the last tenant, against the first";
    let Some(valgrind) = machine::found("valgrind") else {
        let missing = "not measured: valgrind is missing (Debian: valgrind)";
        return Ok(vec![
            Figure::value(what, Unit::Percent, f64::NAN)
                .at_most(GOAL)
                .beside(missing),
        ]);
    };
    let per_request = |which| -> Outcome<f64> {
        let short = instructions(&valgrind, which, ROUNDS.0)?;
        let long = instructions(&valgrind, which, ROUNDS.1)?;
        Ok((long - short) / f64::from(ROUNDS.1 - ROUNDS.0))
    };
    let (first, last) = (per_request("first")?, per_request("last")?);
    Ok(vec![
        Figure::value(what, Unit::Percent, (last / first - 1.0) * 100.0)
            .at_most(GOAL)
            .beside(format!(
                "{first:.0} for the first, {last:.0} for the last of the register"
            )),
    ])
}

fn instructions(valgrind: &str, which: &str, rounds: u32) -> Outcome<f64> {
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["identify", which, "--rounds", &rounds.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    collected(&said).ok_or_else(|| format!("callgrind counted nothing: {said}").into())
}

fn collected(said: &str) -> Option<f64> {
    let (_, rest) = said.split_once("Collected : ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==1== Events    : Ir\n==1== Collected : 123456\n==1==\n";
        assert_eq!(collected(said), Some(123_456.0));
        assert_eq!(collected("==1== no luck"), None);
    }

    #[test]
    fn both_ends_of_the_register_are_identified() {
        assert!(identify(Which::First, 1).is_ok());
        assert!(identify(Which::Last, 1).is_ok());
    }
}
