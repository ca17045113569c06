//! Configs as operators write them, loaded as the proxy loads them: files on disk, messages as they are printed.

// The attribute tells clippy that helpers outside of test functions may unwrap as well.
#![cfg(test)]

mod scale;
mod scaler;
mod support;

mod announcements;
mod crosschecks;
mod examples;
mod launches;
mod laws;
mod limits;
mod register;
mod sources;
mod tls;
mod traps;
