//! The operator's text in, checked values and one [`Snapshot`] out.
//!
//! All or nothing: a load reads the file and everything it names, notes every problem on the way with its place and
//! its remedy, and gives a snapshot only when there is none. Nothing here keeps state, so a reload is another load.

mod networks;
mod problem;
mod snapshot;

use std::path::PathBuf;

pub use networks::{Network, NetworkError, Networks};
pub use problem::{PROBLEMS_MAX, Problem, Problems};
pub use snapshot::*;

/// Where a config is looked for when none is named, in this order.
pub const DEFAULT_PATHS: [&str; 2] = ["schleuse.yaml", "/etc/schleuse/schleuse.yaml"];

/// A config that passed.
#[derive(Debug)]
pub struct Loaded {
    /// What the config means.
    pub snapshot: Snapshot,
    /// Every file and directory that was read or looked for, to watch.
    pub files: Vec<PathBuf>,
    /// What an operator should know, as a certificate that has expired.
    pub warnings: Vec<Problem>,
}
