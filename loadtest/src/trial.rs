//! The seam to whoever plays a run: `compare` and `capacity` decide which runs are needed, something else makes them.
//!
//! So both are decided and tested without sockets, and work the same over the generator and over the simulator.

use crate::results::Results;

/// Plays one run and judges it. `T` names what is asked for: a side and a seed, or a rate.
pub trait Run<T> {
    /// The judged result, or in words why there is none.
    ///
    /// # Errors
    /// When no run could be made at all. A run that went badly is a result.
    fn run(&mut self, trial: &T) -> Result<Results, String>;
}

impl<T, F> Run<T> for F
where
    F: FnMut(&T) -> Result<Results, String>,
{
    fn run(&mut self, trial: &T) -> Result<Results, String> {
        self(trial)
    }
}
