//! What an origin is like.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::distribution::Distribution;

/// What an origin is like, before any command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Where it is asked; port 0: any free one.
    pub listen: SocketAddr,
    /// Where it is commanded; none: nowhere.
    pub control: Option<SocketAddr>,
    /// How long a request takes once it is worked on.
    pub service: Distribution,
    /// Of the draws.
    pub seed: u64,
    /// Requests worked on at once; 0: without limit.
    pub concurrency: usize,
    /// Requests that may wait for one of these; more are answered 503 at once.
    pub waiting_max: usize,
    /// How much slower each gets when as many wait as are worked on, as a share: 1 means twice the time. 0: never slower.
    pub collapse: f64,
    /// How long nobody listens after a start.
    pub cold_start: Duration,
    /// Bytes of an answer that asks for no size.
    pub size: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            control: None,
            service: Distribution::Fixed(Duration::ZERO),
            seed: 1,
            concurrency: 0,
            waiting_max: 100_000,
            collapse: 0.0,
            cold_start: Duration::ZERO,
            size: 128,
        }
    }
}
