//! A decision as it stands in the log: policy, evidence and result, complete enough to be decided again.
//!
//! Durations are whole microseconds, as the core's clock counts them; none is the longest there is. Numbers are written
//! with all digits that they have, so that who reads them back gets the same ones.

use std::time::Duration;

use schleuse_core::scale::{
    arrivals::ArrivalEvidence,
    decide::{Decision, Evidence, decide},
    policy::{ScalePolicy, Tuning},
    reason::Reason,
};
use serde::{Deserialize, Serialize};

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// By what it was decided.
    #[serde(with = "PolicyDef")]
    pub policy: ScalePolicy,
    /// On what.
    #[serde(with = "EvidenceDef")]
    pub evidence: Evidence,
    /// Replicas to have.
    pub replicas: u32,
    /// What was wanted before anything held it.
    pub wanted: u32,
    /// Why, in order.
    pub reasons: Vec<WrittenReason>,
}

/// A reason in words that stay: its label, what it asks for, and both for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenReason {
    /// Stable, in snake case.
    pub reason: String,
    /// What it asks for or leads to.
    pub replicas: u32,
    /// With the numbers behind it.
    pub text: String,
}

impl From<&Reason> for WrittenReason {
    fn from(reason: &Reason) -> Self {
        Self {
            reason: reason.label().to_owned(),
            replicas: reason.replicas(),
            text: reason.to_string(),
        }
    }
}

impl Record {
    /// Of a decision that was made of these.
    pub fn new(policy: &ScalePolicy, evidence: &Evidence, decision: &Decision) -> Self {
        Self {
            policy: policy.clone(),
            evidence: *evidence,
            replicas: decision.replicas,
            wanted: decision.wanted,
            reasons: decision.reasons.iter().map(<_>::from).collect(),
        }
    }

    /// The same, decided again from policy and evidence alone.
    #[must_use]
    pub fn decided_again(&self) -> Self {
        let decision = decide(&self.policy, &self.evidence);
        Self::new(&self.policy, &self.evidence, &decision)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ScalePolicy")]
struct PolicyDef {
    seats_per_replica: u32,
    min: u32,
    max: u32,
    wake_floor: u32,
    #[serde(with = "micros")]
    seat_time: Duration,
    #[serde(with = "micros")]
    cold_start: Duration,
    #[serde(with = "micros")]
    signal_delay: Duration,
    #[serde(with = "micros")]
    drain: Duration,
    #[serde(with = "micros")]
    hold_down: Duration,
    descent_per_minute: f64,
    #[serde(with = "micros")]
    idle_after: Duration,
    failing_starts_max: u32,
    #[serde(with = "TuningDef")]
    tuning: Tuning,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Tuning")]
struct TuningDef {
    rate_evidence: f64,
    slope_evidence: f64,
    staffing: f64,
    utilisation_max: f64,
    growth_max: f64,
    panic_arrivals: u64,
    panic_ratio: f64,
    dead_band_up: f64,
    dead_band_down: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Evidence")]
struct EvidenceDef {
    #[serde(with = "ArrivalsDef")]
    arrivals: ArrivalEvidence,
    seat_seconds: f64,
    cold_start_seconds: f64,
    waiting: u64,
    in_flight: u64,
    ready: u32,
    starting: u32,
    stuck: u32,
    starting_seconds: f64,
    failing_starts: u32,
    trials: u32,
    #[serde(with = "micros")]
    raised: Duration,
    #[serde(with = "some_micros")]
    silence: Option<Duration>,
    #[serde(with = "micros")]
    idle: Duration,
    #[serde(with = "some_micros")]
    awake: Option<Duration>,
    plan: u32,
    previous: u32,
    held: u32,
    descent_from: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ArrivalEvidence")]
struct ArrivalsDef {
    counts: [u64; 4],
    observed: f64,
    window: f64,
    in_window: u64,
    slope: f64,
    recent_slope: f64,
}

/// Whole microseconds; null is the longest duration there is.
mod micros {
    use super::{Deserialize, Duration, Serialize};

    pub(super) fn number(duration: Duration) -> Option<u64> {
        u64::try_from(duration.as_micros()).ok()
    }

    pub(super) fn serialize<S: serde::Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        number(*value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let micros: Option<u64> = Option::deserialize(deserializer)?;
        Ok(micros.map_or(Duration::MAX, Duration::from_micros))
    }
}

/// Whole microseconds, or null for none; the longest there is, is the greatest number.
mod some_micros {
    use super::{Deserialize, Duration, Serialize, micros};

    #[expect(clippy::ref_option, reason = "the shape that serde asks for")]
    pub(super) fn serialize<S: serde::Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let number = |duration| micros::number(duration).unwrap_or(u64::MAX);
        value.map(number).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let micros: Option<u64> = Option::deserialize(deserializer)?;
        Ok(micros.map(|micros| match micros {
            u64::MAX => Duration::MAX,
            micros => Duration::from_micros(micros),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{from_slice, to_value, to_vec};

    use super::*;

    fn record(evidence: &Evidence) -> Record {
        let policy = ScalePolicy::default();
        let decision = decide(&policy, evidence);
        Record::new(&policy, evidence, &decision)
    }

    #[test]
    fn durations_are_microseconds_and_the_longest_is_null() {
        let evidence = Evidence {
            raised: Duration::MAX,
            idle: Duration::from_millis(250),
            silence: Some(Duration::from_secs(1)),
            ..Evidence::default()
        };
        let written = to_value(record(&evidence)).unwrap();
        assert_eq!(written["evidence"]["raised"], serde_json::Value::Null);
        assert_eq!(written["evidence"]["idle"], 250_000);
        assert_eq!(written["evidence"]["silence"], 1_000_000);
        assert_eq!(written["evidence"]["awake"], serde_json::Value::Null);
        assert_eq!(written["policy"]["seat_time"], 100_000);
    }

    fn durations() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::MAX),
            (0..u64::MAX / 2).prop_map(Duration::from_micros)
        ]
    }

    prop_compose! {
        fn evidences()(
            counts in any::<[u32; 4]>(), reals in proptest::array::uniform6(0.0..1e6_f64),
            slope in -1e4..1e4_f64, counted in any::<[u32; 4]>(), numbers in any::<[u16; 8]>(),
            raised in durations(), silence in proptest::option::of(durations()), idle in durations(),
            awake in proptest::option::of(durations()),
        ) -> Evidence {
            let [observed, window, recent_slope, seat_seconds, cold_start_seconds, starting_seconds] = reals;
            let [in_window, waiting, in_flight, _] = counted.map(u64::from);
            let [ready, starting, stuck, failing_starts, trials, plan, previous, held] = numbers.map(u32::from);
            Evidence {
                arrivals: ArrivalEvidence {
                    counts: counts.map(u64::from), observed, window, in_window, slope, recent_slope,
                },
                seat_seconds, cold_start_seconds, waiting, in_flight, ready, starting, stuck, starting_seconds,
                failing_starts, trials, raised, silence, idle, awake, plan, previous, held, descent_from: held,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_decides_the_same_again(evidence in evidences()) {
            let written = record(&evidence);
            let read: Record = from_slice(&to_vec(&written).unwrap()).unwrap();
            prop_assert_eq!(&read, &written);
            prop_assert_eq!(read.decided_again(), written);
        }
    }
}
