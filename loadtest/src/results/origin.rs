//! Where a result came from: the tool, the machine, the scenario, the connections; and for a simulation its calibration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What wrote the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// `launchday`.
    pub name: String,
    /// The version of the crate.
    pub version: String,
    /// The commit it was built from; `unknown` when built outside of Git.
    pub commit: String,
}

/// The machine that ran it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Processors that the process may use.
    pub processors: u32,
    /// Model of the first processor, from `/proc/cpuinfo`; empty when unknown.
    pub processor_model: String,
    /// Memory.
    pub memory_bytes: u64,
    /// Kernel release; empty when unknown.
    pub kernel: String,
    /// Limit of open files.
    pub files_max: u64,
    /// Processors that the generator was pinned to (`--cpus`); empty: not pinned.
    pub generator_processors: Vec<u32>,
    /// Processors that the target was pinned to, if this process started it; empty otherwise.
    pub target_processors: Vec<u32>,
}

/// Which kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Arrivals follow the schedule, whatever the target does.
    Open,
    /// A fixed number of citizens, each waits for its answer: a slow target is asked less.
    Closed,
    /// Virtual time, no sockets.
    Simulated,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioIdentity {
    /// File name without extension, or the built-in's name, or the URL.
    pub name: String,
    /// SHA-256 of the scenario's text, in hexadecimal; with `--set` of the text after them.
    pub sha256: String,
    /// Seed of schedule and draws.
    pub seed: u64,
    /// Open, closed or simulated.
    pub mode: Mode,
    /// The URL asked; of a simulation the config.
    pub target: String,
    /// `1`, or the factor of `--scale`.
    pub scale: f64,
    /// Warm-up before the schedule that counts.
    pub warm_up_seconds: f64,
    /// Length of the schedule after the warm-up.
    pub planned_seconds: f64,
    /// Longest wait for outstanding answers after the schedule.
    pub drain_seconds: f64,
}

/// How the run came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The schedule was played to its end.
    Complete,
    /// The operator ended it.
    Interrupted,
    /// An abort condition of the scenario held; its text.
    Aborted(String),
    /// The generator broke; the reason in words. What was measured until then is here.
    Broken(String),
}

/// Connections over the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// Established.
    pub opened: u64,
    /// Most at once.
    pub open_max: u64,
    /// Requests on a connection that had served another before.
    pub reused: u64,
    /// Full TLS handshakes.
    pub tls_full: u64,
    /// Resumed TLS handshakes.
    pub tls_resumed: u64,
    /// Look-ups of the target's name.
    pub dns_lookups: u64,
    /// Local addresses used.
    pub source_addresses: u64,
    /// Most that there could have been at once; 0 in a result of an older version.
    #[serde(default)]
    pub allowed: u64,
    /// Whether `allowed` comes from this machine's limit of open files, and not from the operator (`--connections`).
    #[serde(default)]
    pub is_limited_by_files: bool,
    /// Requests that could be sent only after another's answer, because `allowed` connections were open: that wait is not the
    /// target's.
    #[serde(default)]
    pub held_back: u64,
}

/// What a simulation says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// Virtual citizens.
    pub citizens: u64,
    /// Real time it took.
    pub wall_seconds: f64,
    /// The most memory that the process had until then; 0: not known.
    pub memory_max_bytes: u64,
    /// ∫N dt over the run, in citizen-nanoseconds: equal to `waits_sum_ns` by Little's law on the path.
    pub presence_sum_ns: u64,
    /// Sum of all times in the system.
    pub waits_sum_ns: u64,
    /// The last comparison with reality; absent: never calibrated.
    pub calibration: Option<Calibration>,
}

/// One comparison of simulation and reality; ratios are simulated ÷ measured, differences simulated − measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// UTC, RFC 3339.
    pub date: String,
    /// Processor model and number.
    pub machine: String,
    /// Commit of the tool.
    pub commit: String,
    /// Scenario used.
    pub scenario: String,
    /// Ratio of medians.
    pub median_ratio: f64,
    /// Ratio of 99th percentiles.
    pub p99_ratio: f64,
    /// Difference of the refused shares, in percentage points.
    pub refused_points: f64,
    /// Difference of the abandoned shares, in percentage points.
    pub abandoned_points: f64,
    /// Largest difference of replicas outside of 2 s around a change; absent: nobody said how many, or they never stood still.
    pub replicas_difference_max: Option<f64>,
}
