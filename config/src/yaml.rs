//! The config's own way to read a YAML file, for other files that operators write: every mistake at once, each with its
//! place and remedy, no value guessed, the same spellings of durations, sizes and rates.

pub use crate::{
    moment::parse_moment,
    problem::{Place, Report},
    spelling::did_you_mean,
    tree::{Node, Value, parse_value as parse},
    units::{Fault, parse_duration, parse_integer, parse_request_rate, parse_size, quoted},
};
