//! One result, told in five ways: to a person at a terminal, to a browser, to a CI, to programs.
//!
//! Every report begins with the verdict and its reason, shows the generator's own lag beside the target's latency, and
//! takes its numbers from one place ([`digest`], [`quantity`]), so that no two of them disagree.
//!
//! | module | for |
//! |---|---|
//! | [`terminal`] | who watches: live view and summary, plain lines where there is no terminal |
//! | [`html`] | who decides: one file with plots and tables, for screen, print and screen reader |
//! | [`junit`] | a CI's list of tests: one per threshold |
//! | [`json`] | programs: the result itself |
//! | [`outputs`] | whoever ends a run: all files that were asked for, none lost |
//! | [`hdr_log`] | tools that read `HdrHistogram` logs |

pub mod digest;
pub mod hdr_log;
pub mod html;
pub mod json;
pub mod junit;
pub mod outputs;
pub mod quantity;
pub mod terminal;
