//! The recommender: what it decides on given evidence, what it makes of a sequence of reports, and its laws.

mod failing;
mod judgement;
mod laws;
mod missing;
mod sequence;
mod support;
