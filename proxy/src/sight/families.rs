//! Metrics that are put together for one scrape, out of state that lives elsewhere: nobody pays for them between two, and
//! what is gone leaves no series behind.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::counts::{WAIT_BOUNDS_MILLIS, WaitHistogram};

/// Labels and their values, in the order of the labels' names.
pub type Labels<'l> = &'l [(&'l str, &'l str)];

/// One name with its series.
#[derive(Debug)]
pub struct Family(MetricFamily);

impl Family {
    /// Of a value that only grows while the process lives.
    pub fn counter(name: &str, help: &str) -> Self {
        Self::new(MetricType::COUNTER, name, help)
    }

    /// Of a value as it is now.
    pub fn gauge(name: &str, help: &str) -> Self {
        Self::new(MetricType::GAUGE, name, help)
    }

    /// Of waits.
    pub fn histogram(name: &str, help: &str) -> Self {
        Self::new(MetricType::HISTOGRAM, name, help)
    }

    fn new(kind: MetricType, name: &str, help: &str) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(format!("schleuse_{name}"));
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Self(family)
    }

    /// Adds a series.
    pub fn add(&mut self, labels: Labels<'_>, value: f64) {
        let mut metric = labelled(labels);
        if self.0.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.0.mut_metric().push(metric);
    }

    /// Adds a series of a count.
    pub fn count(&mut self, labels: Labels<'_>, value: u64) {
        self.add(labels, float(value));
    }

    /// Adds the series of a histogram, in seconds.
    pub fn waits(&mut self, labels: Labels<'_>, waits: &WaitHistogram) {
        let bounds = WAIT_BOUNDS_MILLIS.iter().zip(waits.cumulative);
        let buckets = bounds.map(|(millis, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(float(*millis) / 1000.0);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(waits.count);
        histogram.set_sample_sum(waits.sum.as_secs_f64());
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        self.0.mut_metric().push(metric);
    }

    /// For the encoder; none without a series, which it would not accept.
    pub fn finish(self) -> Option<MetricFamily> {
        (!self.0.get_metric().is_empty()).then_some(self.0)
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the text format knows 64-bit floats only"
)]
fn float(value: u64) -> f64 {
    value as f64
}
