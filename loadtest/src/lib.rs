//! `launchday`: tells an operator before the hour whether a launch will hold, for whom it will not, and what to change.
//!
//! [`schedule`] says when citizens arrive and [`draw`] what chance decides about them, both from a seed alone.
//! [`scenario`] is what the operator wrote, [`workload`] what [`prepare`] makes of it to be played, [`generator`] plays it
//! over sockets, [`origin`] answers as a backend whose behaviour is known.
//! [`results`] is what one run found out, whoever made it and whoever reads it; [`statistics`] what may be concluded from
//! it, [`verdict`] whether it is valid and good, [`report`] how it is told. [`compare`] and
//! [`capacity`] decide which runs are needed to answer more than one can, and have them made through [`trial`]. [`simulate`] plays
//! without sockets, and [`calibrate`] says how far that is from reality.

pub mod calibrate;
pub mod capacity;
pub mod citizen;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod distribution;
pub mod draw;
pub mod generator;
pub mod machine;
pub mod origin;
pub mod prepare;
mod record;
pub mod report;
pub mod results;
pub mod scenario;
pub mod schedule;
pub mod simulate;
pub mod statistics;
pub mod trial;
pub mod verdict;
pub mod weighted;
pub mod wheel;
pub mod workload;
