//! Reload of the full register under load: time to effect, requests lost, the slowest requests, and peak memory.
//!
//! Segments with and without reloads alternate at one rate. Worker and reload share the proxy's core here, the worst
//! case: with more cores a reload runs beside the workers.

use std::thread;

use crate::{
    Outcome,
    compare::count,
    context::Context,
    figure::{Figure, Unit},
    http,
    mixed_load::Answers,
    open_loop::OpenLoop,
    procfs::anonymous_bytes_quickly,
    reload_watch::{Seen, reload_for},
    schleuse::{Schleuse, Variant},
    statistics::{estimate, quantile, ratios},
    wrk::targets,
};

const PER_SECOND: f64 = 2_000.0;
const CONNECTIONS: usize = 64;
/// Milliseconds until a reload is in effect.
const EFFECTIVE_GOAL: f64 = 250.0;
/// Peak memory during reloads, as a ratio to the memory before.
const PEAK_GOAL: f64 = 1.25;
/// The slowest thousandth "as without reloads": what two such segments differ by anyway.
const SLOWEST_GOAL: f64 = 1.1;

#[derive(Debug, Default)]
struct Totals {
    effective: Vec<f64>,
    slowest_with: Vec<f64>,
    slowest_without: Vec<f64>,
    failed: u64,
    peak: u64,
}

/// All four.
///
/// # Errors
///
/// When a reload is refused.
pub(crate) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let schleuse = context.schleuse(Variant::Full)?;
    let requests: Vec<String> = targets(&context.places)
        .iter()
        .map(|(host, path)| http::get(host, path))
        .collect();
    let load = OpenLoop {
        address: schleuse.peer.address,
        requests: &requests,
        per_second: PER_SECOND,
        connections: CONNECTIONS,
        time: context.sizes.reload_segment_time,
    };
    load.run()?;
    let before = anonymous_bytes_quickly(schleuse.peer.pid())?;
    let mut totals = Totals::default();
    for segment in 0..context.sizes.reload_segments {
        let generation = u32::try_from(segment * 1_000 + 1)?;
        let (without, (with, seen)) = if segment % 2 == 0 {
            (
                load.run()?,
                with_reloads(context, &schleuse, &load, generation)?,
            )
        } else {
            let with = with_reloads(context, &schleuse, &load, generation)?;
            (load.run()?, with)
        };
        schleuse.peer.forget_output();
        totals.add(without, with, seen);
    }
    let after = anonymous_bytes_quickly(schleuse.peer.pid())?;
    Ok(totals.figures(before, after))
}

fn with_reloads(
    context: &Context,
    schleuse: &Schleuse,
    load: &OpenLoop<'_>,
    generation: u32,
) -> Outcome<(Answers, Seen)> {
    thread::scope(|scope| {
        let watch = scope.spawn(|| reload_for(schleuse, &context.places, generation, load.time));
        let latencies = load.run()?;
        let seen = watch.join().map_err(|_| "the watch over reloads broke")??;
        Ok((latencies, seen))
    })
}

impl Totals {
    fn add(&mut self, mut without: Answers, mut with: Answers, seen: Seen) {
        self.slowest_without
            .push(quantile(&mut without.microseconds, 0.999));
        self.slowest_with
            .push(quantile(&mut with.microseconds, 0.999));
        self.failed += without.failed() + with.failed();
        self.effective.extend(seen.effective_milliseconds);
        self.peak = self.peak.max(seen.peak_bytes);
    }

    fn figures(mut self, before: u64, after: u64) -> Vec<Figure> {
        let reloads = self.effective.len();
        let mebibytes = |bytes: u64| Unit::Mebibytes.text(count(bytes) / 1_048_576.0);
        let slowest = estimate(&ratios(&self.slowest_with, &self.slowest_without));
        let worst = self.effective.iter().copied().fold(f64::NAN, f64::max);
        let median_of = |values: &[f64]| crate::statistics::median(values) / 1_000.0;
        vec![
            Figure::value(
                "Reload of the full register in effect, p99",
                Unit::Milliseconds,
                quantile(&mut self.effective, 0.99),
            )
            .at_most(EFFECTIVE_GOAL)
            .beside(format!(
                "median {:.0}, worst {worst:.0} ms of {reloads} reloads",
                quantile(&mut self.effective, 0.5)
            )),
            Figure::value(
                "Requests failed around reloads",
                Unit::Count,
                count(self.failed),
            )
            .at_most(0.0)
            .beside(format!("at {PER_SECOND}/s over {CONNECTIONS} connections")),
            Figure::estimate("p99.9 with reloads, against without", Unit::Times, slowest)
                .at_most(SLOWEST_GOAL)
                .beside(format!(
                    "{:.2} ms with a reload every half second, {:.2} ms without; on one core",
                    median_of(&self.slowest_with),
                    median_of(&self.slowest_without)
                )),
            Figure::value(
                "Peak memory during reloads",
                Unit::Times,
                count(self.peak) / count(before),
            )
            .at_most(PEAK_GOAL)
            .beside(format!(
                "{} before, {} at the peak, {} after",
                mebibytes(before),
                mebibytes(self.peak),
                mebibytes(after)
            )),
        ]
    }
}
