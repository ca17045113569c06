//! `launchday`: tells an operator before the hour whether a launch will hold, for whom it will not, and what to change.
//!
//! [`results`] is what one run found out, whoever made it and whoever reads it; [`statistics`] what may be concluded from
//! it, [`verdict`] whether it is valid and good, [`report`] how it is told.

pub mod report;
pub mod results;
pub mod statistics;
pub mod verdict;
