//! Why a decision is what it is, with the numbers that led to it. Labels are stable: logs and status show them.

use std::{fmt, time::Duration};

/// One reason; `replicas` is what it asks for or leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// What arrives now needs so many.
    Arrivals {
        /// Arrivals per second.
        rate: f64,
        /// Seconds per request and seat.
        seat_seconds: f64,
        /// Asked for.
        replicas: u32,
    },
    /// What will arrive when replicas that are ordered now are ready.
    Forecast {
        /// Arrivals per second then.
        rate: f64,
        /// Growth per second squared.
        slope: f64,
        /// Asked for.
        replicas: u32,
    },
    /// What waits is to be gone in time.
    Backlog {
        /// Requests that wait now.
        waiting: u64,
        /// Requests that will wait when replicas that are ordered now are ready.
        at_ready: f64,
        /// Asked for.
        replicas: u32,
    },
    /// The configured minimum, or the floor of a wake, or one replica for a pool that is not idle.
    Floor {
        /// Asked for.
        replicas: u32,
    },
    /// A launch plan.
    Plan {
        /// Asked for.
        replicas: u32,
    },
    /// One slice alone asks for a multiple of what is there.
    Panic {
        /// Arrivals per second in that slice.
        rate: f64,
        /// Asked for.
        replicas: u32,
    },
    /// Fewer would do, but not yet.
    HoldDown {
        /// What would do.
        wanted: u32,
        /// Kept.
        replicas: u32,
    },
    /// Somebody does not report, so nothing goes.
    Stale {
        /// How long nothing was heard.
        silence: Duration,
        /// Kept.
        replicas: u32,
    },
    /// Starts fail, so nothing is added.
    Failing {
        /// Failed starts in a row.
        starts: u32,
        /// Kept.
        replicas: u32,
    },
    /// The configured maximum.
    Limit {
        /// What would be right.
        wanted: u32,
        /// Allowed.
        replicas: u32,
    },
    /// Too small a change to be worth an order.
    DeadBand {
        /// What would be right.
        wanted: u32,
        /// Kept.
        replicas: u32,
    },
}

impl Reason {
    /// Stable name, snake case.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Arrivals { .. } => "arrivals",
            Self::Forecast { .. } => "forecast",
            Self::Backlog { .. } => "backlog",
            Self::Floor { .. } => "floor",
            Self::Plan { .. } => "plan",
            Self::Panic { .. } => "panic",
            Self::HoldDown { .. } => "hold_down",
            Self::Stale { .. } => "stale",
            Self::Failing { .. } => "failing",
            Self::Limit { .. } => "limit",
            Self::DeadBand { .. } => "dead_band",
        }
    }

    /// What this reason asks for or leads to.
    pub fn replicas(&self) -> u32 {
        match *self {
            Self::Arrivals { replicas, .. }
            | Self::Forecast { replicas, .. }
            | Self::Backlog { replicas, .. }
            | Self::Floor { replicas }
            | Self::Plan { replicas }
            | Self::Panic { replicas, .. }
            | Self::HoldDown { replicas, .. }
            | Self::Stale { replicas, .. }
            | Self::Failing { replicas, .. }
            | Self::Limit { replicas, .. }
            | Self::DeadBand { replicas, .. } => replicas,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asks for {}", self.label(), self.replicas())?;
        match self {
            Self::Arrivals {
                rate, seat_seconds, ..
            } => write!(f, ": {rate:.1}/s of {seat_seconds:.3} s each"),
            Self::Forecast { rate, slope, .. } => {
                write!(f, ": {rate:.1}/s, growing by {slope:.2}/s each second")
            }
            Self::Backlog {
                waiting, at_ready, ..
            } => write!(f, ": {waiting} wait, {at_ready:.0} will when it is ready"),
            Self::Panic { rate, .. } => write!(f, ": {rate:.1}/s in the last slice"),
            Self::HoldDown { wanted, .. } => write!(f, ": {wanted} would do, not yet"),
            Self::Stale { silence, .. } => {
                write!(f, ": nothing heard for {:.1} s", silence.as_secs_f64())
            }
            Self::Failing { starts, .. } => write!(f, ": {starts} starts failed"),
            Self::Limit { wanted, .. } | Self::DeadBand { wanted, .. } => {
                write!(f, ": {wanted} would be right")
            }
            Self::Floor { .. } | Self::Plan { .. } => Ok(()),
        }
    }
}
