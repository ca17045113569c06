//! How each scheduled request ended: exactly one of five ways, and why.
//!
//! Nothing scheduled disappears: the five ends add up to the schedule, and a result for which they do not is refused
//! wherever it is judged. Reasons are a closed list, so that a table of them is complete and a faulty generator cannot
//! hide under "other"; the local ones are the generator's own and never count as the target's failures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Planned arrivals of requests, follow-up steps of journeys included once their citizen reached them.
    pub scheduled: u64,
    /// A complete answer came that the step accepts.
    pub answered: u64,
    /// The target refused, broke off, was too late, or answered what the step does not accept.
    pub failed: u64,
    /// The citizen ran out of patience first.
    pub abandoned: u64,
    /// Taken up, and still without an answer at the end of the drain: on its way, or waiting for a connection that the
    /// target did not free.
    pub unanswered: u64,
    /// Never sent, by the generator's fault or because the run was ended before; never by the target's.
    pub not_sent: u64,
}

impl Counts {
    /// Sum of the five ends.
    pub const fn ended(&self) -> u64 {
        self.answered
            .saturating_add(self.failed)
            .saturating_add(self.abandoned)
            .saturating_add(self.unanswered)
            .saturating_add(self.not_sent)
    }

    /// Whether each scheduled request has exactly one end.
    pub const fn is_complete(&self) -> bool {
        self.scheduled == self.ended()
    }

    /// Adds another group of requests.
    pub const fn add(&mut self, other: &Self) {
        self.scheduled = self.scheduled.saturating_add(other.scheduled);
        self.answered = self.answered.saturating_add(other.answered);
        self.failed = self.failed.saturating_add(other.failed);
        self.abandoned = self.abandoned.saturating_add(other.abandoned);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.not_sent = self.not_sent.saturating_add(other.not_sent);
    }

    /// Share of the scheduled for which `part` holds, 0–1; none when nothing was scheduled.
    pub fn share(&self, part: u64) -> Option<f64> {
        (self.scheduled > 0).then(|| ratio(part, self.scheduled))
    }

    /// Share of the scheduled without the answer that the citizen wanted and for which the target is to blame:
    /// failed and unanswered. The abandoned have a metric of their own.
    pub fn failed_share(&self) -> Option<f64> {
        self.share(self.failed.saturating_add(self.unanswered))
    }
}

/// `part / whole` as a float; both stay exact below 2⁵³, which no run reaches.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run stay below 2^53"
)]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// Why a request failed or was not sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The target's host answered that nobody listens.
    ConnectRefused,
    /// No route, host or network unreachable.
    Unreachable,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The target closed or reset a connection before the whole answer had come.
    Reset,
    /// No answer within the time-out, counted from the send.
    Timeout,
    /// No answer by the deadline, counted from the plan.
    Deadline,
    /// The TLS handshake failed: certificate, name, version.
    Tls,
    /// The target's name has no address.
    Dns,
    /// Bytes that are no HTTP answer, or a body that breaks its framing.
    MalformedAnswer,
    /// The HTTP/2 peer refused the stream or is going away.
    StreamRefused,
    /// More redirects than allowed, or one without a usable `Location`.
    Redirects,
    /// A redirect or success where the step expects another status, or one of no class (600 and more).
    UnexpectedStatus,
    /// 429: too many requests.
    #[serde(rename = "status_429")]
    Status429,
    /// Another 4xx that the step does not expect.
    #[serde(rename = "status_4xx")]
    Status4xx,
    /// 503: refused, or no backend.
    #[serde(rename = "status_503")]
    Status503,
    /// Another 5xx.
    #[serde(rename = "status_5xx")]
    Status5xx,
    /// Ours: no local port was left.
    LocalPort,
    /// Ours: no file handle was left.
    LocalFiles,
    /// Ours: the kernel had no memory for a socket.
    LocalMemory,
    /// Ours: the generator was so far behind that the run ended before it took the arrival up.
    LocalBehind,
    /// Ours: a worker died.
    LocalWorker,
    /// Nobody's: the run was interrupted or aborted before the arrival was due to be sent.
    RunEnded,
}

/// Whose fault a [`Reason`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// What the test is about.
    Target,
    /// The generator or its machine; it casts doubt on the whole run.
    Generator,
    /// The operator, who ended the run.
    Nobody,
}

impl Reason {
    /// Every reason, in the order of their declaration.
    pub const ALL: [Self; 22] = [
        Self::ConnectRefused,
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::Reset,
        Self::Timeout,
        Self::Deadline,
        Self::Tls,
        Self::Dns,
        Self::MalformedAnswer,
        Self::StreamRefused,
        Self::Redirects,
        Self::UnexpectedStatus,
        Self::Status429,
        Self::Status4xx,
        Self::Status503,
        Self::Status5xx,
        Self::LocalPort,
        Self::LocalFiles,
        Self::LocalMemory,
        Self::LocalBehind,
        Self::LocalWorker,
        Self::RunEnded,
    ];

    /// The name in JSON, in metrics of thresholds and in reports.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connect_refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect_timeout",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Deadline => "deadline",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::MalformedAnswer => "malformed_answer",
            Self::StreamRefused => "stream_refused",
            Self::Redirects => "redirects",
            Self::UnexpectedStatus => "unexpected_status",
            Self::Status429 => "status_429",
            Self::Status4xx => "status_4xx",
            Self::Status503 => "status_503",
            Self::Status5xx => "status_5xx",
            Self::LocalPort => "local_port",
            Self::LocalFiles => "local_files",
            Self::LocalMemory => "local_memory",
            Self::LocalBehind => "local_behind",
            Self::LocalWorker => "local_worker",
            Self::RunEnded => "run_ended",
        }
    }

    /// Whose fault it is.
    pub const fn blame(self) -> Blame {
        match self {
            Self::LocalPort
            | Self::LocalFiles
            | Self::LocalMemory
            | Self::LocalBehind
            | Self::LocalWorker => Blame::Generator,
            Self::RunEnded => Blame::Nobody,
            _ => Blame::Target,
        }
    }
}

/// How many requests ended for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonCount {
    /// Why.
    pub reason: Reason,
    /// Requests.
    pub count: u64,
}

/// How many answers had one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusCount {
    /// The HTTP status.
    pub status: u16,
    /// Answers.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_a_reason_is_its_name_in_json() {
        for reason in Reason::ALL {
            assert_eq!(
                serde_json::to_value(reason).unwrap(),
                serde_json::Value::from(reason.label())
            );
        }
    }

    #[test]
    fn a_request_that_vanished_makes_the_counts_incomplete() {
        let mut counts = Counts {
            scheduled: 10,
            answered: 6,
            failed: 1,
            abandoned: 1,
            unanswered: 1,
            not_sent: 1,
        };
        assert!(counts.is_complete());
        counts.unanswered = 0;
        assert!(!counts.is_complete());
    }
}
