//! An `HdrHistogram` interval log (format 1.3), for the tools that read it: `HistogramLogAnalyzer`, hdrhistogram.org's plotter.
//!
//! One line per second and tag; the totals of the whole run as one interval each. Values are nanoseconds, the column of
//! maxima is in milliseconds. Recorded again from the result's buckets, so a value may lie one bucket's width high.

use std::time::Duration;

use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, Tag},
    },
};

use crate::results::{Latencies, Results};

/// Nanoseconds in the log's unit for maxima.
const DIVISOR: f64 = 1e6;

/// Why a log could not be made: a value that no histogram of three digits holds, or a buffer that did not take it.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the HdrHistogram log: {0}")]
pub struct LogProblem(String);

/// The log's text. Seconds of the warm-up are left out, as the format knows no negative time.
///
/// # Errors
/// See [`LogProblem`].
pub fn render(results: &Results) -> Result<String, LogProblem> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let problem = |error: &dyn std::fmt::Debug| LogProblem(format!("{error:?}"));
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment(&format!(
            "launchday {}, scenario {}, seed {}, started {}",
            results.tool.version, results.scenario.name, results.scenario.seed, results.started
        ))
        .with_max_value_divisor(DIVISOR);
    let mut log = builder
        .begin_log_with(&mut text, &mut serializer)
        .map_err(|error| problem(&error))?;
    let mut put = |latencies: &Latencies, from: u64, length: Duration, tag: &str| {
        let histogram = histogram_of(latencies)?;
        log.write_histogram(&histogram, Duration::from_secs(from), length, Tag::new(tag))
            .map_err(|error| problem(&error))
    };
    for second in &results.seconds {
        if let Ok(from) = u64::try_from(second.at_seconds) {
            put(&second.response, from, Duration::from_secs(1), "response")?;
        }
    }
    let whole = Duration::try_from_secs_f64(results.duration_seconds).unwrap_or_default();
    for (latencies, tag) in [
        (&results.response, "total-response"),
        (&results.service, "total-service"),
        (&results.own_lag, "total-own-lag"),
        (&results.connection_wait, "total-connection-wait"),
        (&results.censored(), "total-unanswered-at-least"),
    ] {
        put(latencies, 0, whole, tag)?;
    }
    String::from_utf8(text).map_err(|error| problem(&error))
}

fn histogram_of(latencies: &Latencies) -> Result<Histogram<u64>, LogProblem> {
    let problem = |error: &dyn std::fmt::Display| LogProblem(error.to_string());
    let mut histogram = Histogram::new(3).map_err(|error| problem(&error))?;
    for (upper_ns, count) in &latencies.buckets {
        histogram
            .record_n((*upper_ns).min(latencies.max_ns), *count)
            .map_err(|error| problem(&error))?;
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use crate::results::fixture::{Fate, play};

    use super::*;

    #[test]
    fn another_reader_finds_each_second_and_the_totals() {
        let results = play(3, 100, &[], |request, _| {
            Fate::After(1_000_000 * (1 + request % 5))
        });
        let text = render(&results).unwrap();
        let mut tags = Vec::new();
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                tags.push(interval.tag().unwrap().as_str().to_owned());
                if tags.last().is_some_and(|tag| tag == "total-response") {
                    assert!((interval.max() - 5.0).abs() < 0.01, "{}", interval.max());
                }
            }
        }
        assert_eq!(tags.iter().filter(|tag| *tag == "response").count(), 3);
        assert_eq!(tags.len(), 8);
    }
}
