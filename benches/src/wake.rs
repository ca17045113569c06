//! From zero: what the first request to a pool that sleeps waits for, a thousand pools that are woken at once, and a
//! hundred thousand requests that wait for as many.
//!
//! Real sockets and real processes. Who starts endpoints shares the load's core, Schleuse and the guards of its processes
//! the other one.

mod cold;
mod crowd;
mod endpoints;
mod hold;
pub mod hold_process;
pub mod late_backend;
mod orders;
mod sleepers;

use crate::{Outcome, context::Context, figure::Figure};

/// All of it.
///
/// # Errors
///
/// When Schleuse or a backend does not start.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let mut figures = cold::measure(context)?;
    figures.extend(crowd::measure(context)?);
    figures.extend(hold::measure(context)?);
    Ok(figures)
}
