//! The signals as gauges, for those who scale by Prometheus; filled anew by each scrape. A pool whose signal is not known
//! has no series, because a zero would be taken for none needed.

use prometheus::{GaugeVec, IntGaugeVec, Registry};

use crate::{metrics::options, signals::Signal};

/// The families.
#[derive(Debug)]
pub struct SignalMetrics {
    /// By [`COUNTS`].
    counts: Vec<IntGaugeVec>,
    arrivals: GaugeVec,
    service_time: GaugeVec,
}

type Count = (&'static str, &'static str, fn(&Signal) -> u64);

const COUNTS: [Count; 4] = [
    (
        "signal_desired_replicas",
        "Replicas that the pool needs.",
        |signal| signal.desired.into(),
    ),
    (
        "signal_waiting",
        "Requests that wait for a seat.",
        |signal| signal.waiting,
    ),
    ("signal_in_flight", "Requests that hold a seat.", |signal| {
        signal.in_flight
    }),
    (
        "signal_cold_starts",
        "Times the pool was woken since the start.",
        |signal| signal.cold_starts,
    ),
];

impl SignalMetrics {
    /// Registers the families.
    ///
    /// # Errors
    ///
    /// When a name is registered twice.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let mut counts = Vec::with_capacity(COUNTS.len());
        for (name, help, _) in COUNTS {
            let family = IntGaugeVec::new(options(name, help), &["pool"])?;
            registry.register(Box::new(family.clone()))?;
            counts.push(family);
        }
        let gauges = |name: &str, help: &str| {
            let family = GaugeVec::new(options(name, help), &["pool"])?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        Ok(Self {
            counts,
            arrivals: gauges(
                "signal_arrivals_per_second",
                "Requests that the limits let through, per second.",
            )?,
            service_time: gauges(
                "signal_service_time_seconds",
                "Time that a request holds a seat.",
            )?,
        })
    }

    /// Replaces what is known.
    pub fn set<'p>(&self, known: impl Iterator<Item = (&'p str, Signal)>) {
        self.counts.iter().for_each(IntGaugeVec::reset);
        self.arrivals.reset();
        self.service_time.reset();
        for (pool, signal) in known {
            for ((_, _, count), family) in COUNTS.iter().zip(&self.counts) {
                let value = i64::try_from(count(&signal)).unwrap_or(i64::MAX);
                family.with_label_values(&[pool]).set(value);
            }
            self.arrivals
                .with_label_values(&[pool])
                .set(signal.arrivals_per_second);
            if let Some(time) = signal.service_time {
                self.service_time
                    .with_label_values(&[pool])
                    .set(time.as_secs_f64());
            }
        }
    }
}
