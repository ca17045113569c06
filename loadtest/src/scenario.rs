//! The scenario: what an operator wrote, checked, with nothing looked up yet but the files that it names.
//!
//! Reading notes every problem at once, each with its place and what to write instead, and accepts nothing that a run
//! could not play: an unknown metric is a problem here and no threshold that silently holds.

mod builtin;
pub mod document;
pub mod keys;
mod read;
mod schema;
mod section;
mod tenants;
mod words;

use std::{
    io,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

pub use builtin::{BUILTIN, Builtin};
pub use read::read;
pub(crate) use read::{host_and_port, url as target};
pub use schema::schema;
use schleuse_config::Problems;
pub use tenants::{Tenant, of_register};

pub(crate) use words::{admin, distribution, threshold};

use crate::{
    clock::nanoseconds,
    distribution::Distribution,
    schedule::{Phase, Spacing},
    verdict::Criterion,
};

/// A checked scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// File name without extension, the built-in's name, or the URL.
    pub name: String,
    /// Hash of the text, hexadecimal.
    pub sha256: String,
    /// What is asked.
    pub target: Target,
    /// When citizens set out.
    pub arrivals: Arrivals,
    /// At least one.
    pub journeys: Vec<Journey>,
    /// Empty: citizens belong to nobody.
    pub tenants: Vec<Tenant>,
    /// As written; [`Criterion::implied`] is not among them.
    pub thresholds: Vec<Criterion>,
    /// Must hold while the run goes on.
    pub abort: Vec<Criterion>,
    /// When an answer is too late.
    pub timeouts: Timeouts,
    /// Before the schedule, at its first rate.
    pub warm_up: Duration,
    /// Longest wait for answers after the last arrival.
    pub drain: Duration,
    /// Of schedule and draws.
    pub seed: u64,
    /// A Schleuse's admin address.
    pub admin: Option<SocketAddr>,
    /// The factor that `--scale` applied.
    pub scale: f64,
}

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Whether to speak TLS.
    pub tls: bool,
    /// Host of the URL; an IPv6 address without its brackets.
    pub host: String,
    /// Port of the URL.
    pub port: u16,
    /// Host and port to connect to instead.
    pub connect_to: Option<(String, u16)>,
    /// Authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// Believe any certificate.
    pub insecure: bool,
    /// Speak HTTP/2.
    pub http2: bool,
}

impl Target {
    /// `Host`: with the port if it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The URL, without a path.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }
}

/// When citizens set out.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// By a schedule, whatever the target does.
    Open {
        /// One after another.
        phases: Vec<Phase>,
        /// How they are spaced.
        spacing: Spacing,
    },
    /// So many at once, whoever ends is replaced.
    Closed {
        /// At least one.
        citizens: u64,
        /// How long.
        duration: Duration,
    },
}

/// When an answer is too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection is there, TLS included.
    pub connect: Duration,
    /// From the send to the last byte.
    pub answer: Duration,
    /// From the plan to the last byte.
    pub deadline: Option<Duration>,
}

impl Timeouts {
    /// From the plan, after which nobody waits any longer for an answer to what was sent at once.
    pub fn from_plan(&self) -> Duration {
        self.deadline
            .map_or(self.answer, |deadline| deadline.min(self.answer))
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_mins(1),
            deadline: None,
        }
    }
}

/// What a citizen does.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// Name.
    pub name: String,
    /// How often it is made beside the others.
    pub weight: f64,
    /// At least one.
    pub steps: Vec<Step>,
    /// How long a citizen waits for one answer; none: for ever.
    pub patience: Option<Distribution>,
    /// What those do who left.
    pub come_back: Option<ComeBack>,
    /// How often `Retry-After` is obeyed.
    pub retries_max: u16,
    /// Whether cookies are kept.
    pub cookies: bool,
    /// Whether each citizen has a connection of its own.
    pub own_connection: bool,
}

/// How citizens who left come back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ComeBack {
    /// After how long.
    pub after: Distribution,
    /// Part of those who left, 0 to 1.
    pub share: f64,
    /// How often at most.
    pub times_max: u16,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Name.
    pub name: String,
    /// Method.
    pub method: &'static str,
    /// Path and query, with holes.
    pub path: String,
    /// Fields, with holes.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Body,
    /// Time before it.
    pub think: Distribution,
    /// Statuses that are right; empty: the usual ones.
    pub expect: Vec<u16>,
    /// Redirects that are followed.
    pub redirects_max: u8,
}

/// What a request carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    #[default]
    None,
    /// A text, with holes.
    Text(String),
    /// So many bytes.
    Size(u64),
}

/// Reads a scenario: the file at this path, or the built-in of this name.
///
/// # Errors
///
/// That it cannot be read, or everything that is wrong with it.
pub fn load(name: &str) -> Result<Scenario, LoadError> {
    if let Some(builtin) = BUILTIN.iter().find(|builtin| builtin.name == name) {
        return read(Path::new(name), builtin.text).map_err(LoadError::Problems);
    }
    let path = Path::new(name);
    let text = std::fs::read_to_string(path).map_err(LoadError::File)?;
    read(path, &text).map_err(LoadError::Problems)
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[source] io::Error),
    /// What stands in it cannot be played.
    #[error("{0}")]
    Problems(Problems),
}

impl Scenario {
    /// The same with `factor` times the arrivals.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.scale *= factor;
        match &mut self.arrivals {
            Arrivals::Open { phases, .. } => {
                for phase in phases {
                    *phase = phase.scaled(factor);
                }
            }
            Arrivals::Closed { citizens, .. } => *citizens = scaled(*citizens, factor),
        }
        self
    }

    /// The same, of which only a window is played: from one time of the schedule, which counts from the end of the warm-up, to
    /// another. Of a closed model its length counts.
    #[must_use]
    pub fn within(mut self, window: &Range<Duration>) -> Self {
        let length = window.end.saturating_sub(window.start);
        match &mut self.arrivals {
            Arrivals::Open { phases, .. } => {
                let (from, to) = (nanoseconds(window.start), nanoseconds(window.end));
                let mut begins = 0;
                phases.retain_mut(|phase| {
                    let (start, end) = (begins, begins + phase.length());
                    begins = end;
                    *phase = phase.part(from.saturating_sub(start), to.saturating_sub(start));
                    phase.length() > 0
                });
            }
            Arrivals::Closed { duration, .. } => *duration = length.min(*duration),
        }
        self
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of citizens; the conversion saturates"
)]
fn scaled(citizens: u64, factor: f64) -> u64 {
    ((citizens as f64 * factor).round() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_window_has_the_rates_that_the_schedule_has_then() {
        let text = "target: http://a.example
arrivals: [ { rate: 0/s..100/s, duration: 10s }, { rate: 50/s, duration: 20s } ]
journeys: [ { name: one, steps: [ { get: / } ] } ]
";
        let scenario = read(Path::new("window"), text).unwrap();
        let phases = |from, to| {
            let Arrivals::Open { phases, .. } = scenario
                .clone()
                .within(&(SECOND * from..SECOND * to))
                .arrivals
            else {
                panic!("an open model");
            };
            phases
        };
        let ramp = Phase::ramp(50.0, 100.0, SECOND * 5);
        assert_eq!(phases(5, 12), [ramp, Phase::constant(50.0, SECOND * 2)]);
        assert_eq!(phases(25, 90), [Phase::constant(50.0, SECOND * 5)]);
        assert_eq!(phases(90, 100), []);
    }
}
