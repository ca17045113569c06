//! `launchday`: tells an operator before the hour whether a launch will hold, for whom it will not, and what to change.
//!
//! [`results`] is what one run found out, whoever made it and whoever reads it.

pub mod results;
